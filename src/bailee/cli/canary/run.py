"""A canary from its empty folder to its last line."""

import asyncio
import functools
import ssl
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bailee.cli.canary.calls import Call, calls
from bailee.cli.canary.client import Client
from bailee.cli.canary.house import canary_house, local_model, make_key
from bailee.cli.canary.result import Result, shortcomings
from bailee.cli.canary.round import Round
from bailee.cli.canary.sealed import count_found, sealed_anywhere
from bailee.cli.canary.search import PUBLIC, Found, Planted, planted, search_running
from bailee.cli.canary.sinks import file_sinks
from bailee.cli.canary.upstream import start_upstream
from bailee.cli.house import House, empty_folder, remove
from bailee.cli.output import print_json
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.policy.model import RetentionMode

_MARK_BYTES: Final = 8
_SHOWN: Final = 20
ZERO: Final = RetentionMode.ZERO_DATA_RETENTION
MODIFIED: Final = RetentionMode.MODIFIED_ABUSE_MONITORING
_TITLES: Final = {
    ZERO: "Calls under zero retention",
    MODIFIED: "Calls in modified monitoring",
    RetentionMode.DEFAULT: "Calls in default retention",
}


class Marks(NamedTuple):
    """What the words of each kind have in common; none of it occurs anywhere by chance."""

    zero: str
    modified: str
    default: str
    planted: str

    @classmethod
    def new(cls) -> "Marks":
        """Of one run."""
        randomness = SystemRandomness()
        return cls(*(f"canary{randomness.random_bytes(_MARK_BYTES).hex()}" for _ in range(4)))

    def encoded(self) -> list[bytes]:
        """As they are searched for."""
        return [mark.encode() for mark in self]


def run(*, prompts: int, data: Path | None, keep: bool, as_json: bool) -> int:
    """Make the calls and the search; gives the exit code.

    Raises:
        InvalidInput: the folder is not empty.
        Unavailable: the installation does not work.
    """
    console = Console(stderr=as_json, highlight=False, width=None if sys.stdout.isatty() else 120)
    made = None if data is not None else Path(tempfile.mkdtemp(prefix="bailee-canary-"))
    root = empty_folder(data or made or Path())
    complaints = ["the canary did not come to its end"]
    try:
        found, complaints = asyncio.run(_canary(root, prompts, console))
        complaints = shortcomings(found) + complaints
    except KeyboardInterrupt:
        return 1
    finally:
        if made is None or keep or complaints:
            console.print(f"The installation lies in {root}.", soft_wrap=True)
        else:
            remove(made)
    for complaint in complaints[:_SHOWN]:
        console.print(f"[red]✗[/red] {complaint}", soft_wrap=True, markup=True)
    if not complaints:
        console.print(
            f"[green]✓[/green] Nothing was found: {found.prompts} calls, {found.sinks} sinks, "
            f"{found.sealed} records sealed, none of zero retention, in {found.seconds:.0f} s."
        )
    print_json(found)
    return 1 if complaints else 0


async def _canary(root: Path, prompts: int, console: Console) -> tuple[Result, list[str]]:
    clock, marks = SystemClock(), Marks.new()
    began_s = clock.monotonic_s()
    async with AsyncExitStack() as stack:
        upstream, port = await start_upstream()
        stack.callback(upstream.close)
        house = canary_house(root, port)
        stack.push_async_callback(house.stop)
        show = stack.enter_context(_progress(console))
        starting = show.add_task("An installation starts", total=None)
        await house.start()
        show.update(starting, total=1, completed=1)
        client = Client(house, ssl.create_default_context(cafile=str(house.bundle)))
        half, quarter, local = prompts // 2, prompts // 4, local_model()
        one = functools.partial(_round, house, client, show)
        zero = await one(calls(marks.zero, half, local_model=local), ZERO)
        zero_sealed = await sealed_anywhere(house)
        modified = await one(calls(marks.modified, quarter, local_model=local), MODIFIED)
        rest = calls(marks.default, prompts - half - quarter, local_model=local)
        default = await one(rest, RetentionMode.DEFAULT)
        recorded = set(default.records)
        sealed = await count_found(house, recorded)
        found, plants = await _search(house, root, client, show, marks)
    traces = {mark: found.of(mark.encode()) for mark in marks}
    result = Result(
        prompts=prompts,
        sinks=len(found.places),
        zdr_hits=len(found.places_of(marks.zero.encode())),
        clear_hits=len(
            found.places_of(marks.default.encode()) | found.places_of(marks.modified.encode())
        ),
        zdr_sealed=len(zero_sealed),
        zdr_sealed_places=tuple(zero_sealed[:_SHOWN]),
        unrecorded_records=len(zero.records) + len(modified.records),
        local_model=local,
        recorded=len(recorded),
        sealed=sealed,
        planted=len(plants.places),
        found=len(plants.places & found.places_of(marks.planted.encode())),
        kills=zero.kills + modified.kills + default.kills,
        seconds=round(clock.monotonic_s() - began_s, 1),
    )
    wrong = [
        f"{trace.place} holds content ({trace.form}) of a call in {name}"
        for name, mark in zip(
            ("zero retention", "modified monitoring", "default"), marks, strict=False
        )
        for trace in traces[mark]
    ]
    wrong += [f"after the calls under zero retention there is {place}" for place in zero_sealed]
    return result, wrong + _said(zero.complaints + modified.complaints + default.complaints)


async def _round(
    house: House, client: Client, show: Progress, made: list[Call], mode: RetentionMode
) -> Round:
    title = _TITLES[mode]
    bar = show.add_task(title, total=len(made))
    key = await make_key(house, title, mode)
    one = Round(house, client, key, mode, lambda _call: show.advance(bar))
    await one.run(made)
    return one


async def _search(
    house: House, root: Path, client: Client, show: Progress, marks: Marks
) -> tuple[Found, Planted]:
    """Search while everything runs, and the files once more when it has stopped."""
    bar = show.add_task("Every sink is searched", total=3)
    found = Found()
    for path in PUBLIC:
        answer = await client.get(path)
        found.look([(f"GET {path}", repr(answer.headers).encode() + answer.body)], marks.encoded())
    show.advance(bar)
    async with planted(house, root, marks.planted.encode()) as plants:
        await search_running(house, root, found, marks.encoded(), plants.process)
        show.advance(bar)
    await house.stop()
    await asyncio.to_thread(found.look, file_sinks(root), marks.encoded())
    show.advance(bar)
    return found, plants


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _said(complaints: Counter[str]) -> list[str]:
    return [f"{text} ({count} times)" for text, count in complaints.most_common()]
