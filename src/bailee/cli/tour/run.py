"""A tour from its empty folder to its last line."""

import asyncio
import ssl
import sys
import tempfile
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from bailee.cli.house import empty_folder, remove
from bailee.cli.mock_upstream import start_mock_upstream
from bailee.cli.output import print_json
from bailee.cli.tour.display import Scene, shown
from bailee.cli.tour.house import tour_house
from bailee.cli.tour.passage import Passage
from bailee.cli.tour.result import Result, shortcomings
from bailee.drivers.system import SharedClock, SystemClock
from bailee.kernel.errors import Unavailable
from bailee.kernel.instants import EPOCH_LENGTH_MS, Instant, epoch_end, epoch_of

_NEEDED = ("openai", "httpx2")
_SHOWN = 20


def run(*, data: Path | None, requests: int, keep: bool, with_model: bool, as_json: bool) -> int:
    """Make the tour; gives the exit code.

    Raises:
        InvalidInput: the folder is not empty.
        Unavailable: the SDK is not installed, or the installation does not work.
    """
    if any(find_spec(name) is None for name in _NEEDED):
        raise Unavailable(
            "the tour sends its requests by the official SDK, which is not installed: "
            "`make tour` installs it, or pip install 'bailee[tour]'"
        )
    console = Console(stderr=as_json, highlight=False, width=None if sys.stdout.isatty() else 120)
    made = None if data is not None else Path(tempfile.mkdtemp(prefix="bailee-tour-"))
    folder = empty_folder(data or made or Path())
    # Before the first start, which makes the installation a simulated one for ever.
    first = Instant(epoch_end(epoch_of(SystemClock().now())) - EPOCH_LENGTH_MS // 3)
    passage = Passage(SharedClock.create(folder / "simulated-clock", first))
    scene = Scene(console, console.is_terminal, now=passage.now, began=first, ends=first)
    complaints = ["the tour did not come to its end"]
    try:
        with shown(scene):
            found, complaints = asyncio.run(
                _tour(folder, passage, requests, scene, with_model=with_model)
            )
        complaints += shortcomings(found, requests)
    except KeyboardInterrupt:
        return 1
    finally:
        if made is None or keep or complaints:
            console.print(f"The installation lies in {folder}.", soft_wrap=True)
        else:
            remove(made)
    for complaint in complaints[:_SHOWN]:
        console.print(f"[red]✗[/red] {complaint}", soft_wrap=True)
    if not complaints:
        console.print(
            f"[green]✓[/green] Everything held: {found.records} answers recorded, "
            f"{found.destroyed_epochs} epochs destroyed on time, "
            f"{found.receipts_verified} receipts verified, 31 days in {found.seconds:.0f} s."
        )
    print_json(found)
    return 1 if complaints else 0


async def _tour(
    folder: Path, passage: Passage, requests: int, scene: Scene, *, with_model: bool
) -> tuple[Result, list[str]]:
    import httpx2

    from bailee.cli.tour.evidence import Evidence
    from bailee.cli.tour.inside import open_inside
    from bailee.cli.tour.story import Story
    from bailee.cli.tour.tenants import make_tenants

    async with AsyncExitStack() as stack:
        upstream, port = await start_mock_upstream()
        stack.callback(upstream.close)
        flowing = asyncio.create_task(passage.flow())
        stack.callback(flowing.cancel)
        house = tour_house(folder, port, with_model=with_model)
        stack.push_async_callback(house.stop)
        scene.begin("A new installation starts, on a clock that can be moved")
        await house.start()
        trust = ssl.create_default_context(cafile=str(house.bundle))
        inside = await stack.enter_async_context(open_inside(house.settings))
        tenants = await make_tenants(house, trust)
        for tenant in tenants:
            stack.push_async_callback(tenant.close)
        client = await stack.enter_async_context(
            httpx2.AsyncClient(base_url=house.address, verify=trust, timeout=30.0)
        )
        story = Story(house, passage, inside, Evidence(client, inside), tenants, scene, requests)
        return await story.tell(with_model=with_model)
