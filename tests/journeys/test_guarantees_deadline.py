"""G3, G7 and G10 on a real installation in simulated time.

To the second at the deadline with nobody there to destroy; over downtime; no key of what was
destroyed, and no earlier root, in any file; older copies open nothing; the census agrees.
"""

import asyncio
import contextlib
import shutil
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import pytest
from tests.fixtures.inside import Insider, insider, load_keyring
from tests.fixtures.installation import CHAT, Installation, Tenant, chat_body, installation
from tests.fixtures.leftovers import files_below, search
from tests.fixtures.waiting import until

from bailee.custody.keeper.service import DEADLINE_CHECK_S, LAST_RESORT_MS
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keeper_socket import KeeperClient
from bailee.drivers.keys_file import FileRootSlots
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import BaileeError, DestroyedKey
from bailee.kernel.ids import RecordId
from bailee.kernel.instants import (
    DAY_MS,
    EPOCH_LENGTH_MS,
    MINUTE_MS,
    RETENTION_MS,
    SECOND_MS,
    Epoch,
    Instant,
    epoch_deadline,
    epoch_due,
    epoch_start,
)
from bailee.ports.keeper import KeeperStatus, OpenPart
from bailee.transparency.receipt import DestructionFacts
from bailee.wiring.secrets import read_secret, token_name

pytestmark = pytest.mark.journey

PACE: Final = 20.0
NOT_LOGGED_YET: Final = "in the keyring, not alive by the log"
EPOCHS_ON_TIME: Final = 4
PIECES: Final = ("keyring/keyring", "postgres", "journals", "objects", "trust", "secrets")

Found = TypeVar("Found")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, simulated=True) as made:
        yield made


class Asked(NamedTuple):
    """An exchange, opened once while it could be."""

    tenant: Tenant
    record: str
    requests: list[OpenPart]

    @property
    def epoch(self) -> Epoch:
        """Its half hour."""
        return RecordId.parse(self.record).epoch


def inside(place: Installation, act: Callable[[Insider], Awaitable[Found]]) -> Found:
    """Do something with an insider's means."""

    async def run() -> Found:
        async with insider(place) as opened:
            return await act(opened)

    return asyncio.run(run())


def exchange(place: Installation, tenant: Tenant) -> Asked:
    """Ask, and open the record as a gateway does, keeping what it asked the keeper."""
    with place.time_passes(PACE), place.client() as client:
        got = client.post(CHAT, content=chat_body("when?"), headers=tenant.headers)
        assert got.status_code == 200
        record = got.headers["bailee-record"]
        assert place.opened(client, tenant, record)["answer"] == got.text

        async def capture(opened: Insider) -> list[OpenPart]:
            assert (await opened.open(tenant, record)).answer == got.content
            return opened.captured

        return Asked(tenant, record, inside(place, capture))


def opens(place: Installation, asked: Asked) -> list[str]:
    """What becomes of the same requests now, straight at the keeper: an error, or `open`."""

    async def replay(opened: Insider) -> list[str]:
        outcomes = []
        for request in asked.requests:
            try:
                outcomes.append("open" if await opened.keeper.open_part(request) else "")
            except BaileeError as error:
                outcomes.append(type(error).__name__)
        return outcomes

    return inside(place, replay)


def reads(place: Installation, asked: Asked) -> bool:
    """Whether its owner can read the record now, by a gateway's own way."""
    read = inside(place, lambda opened: opened.open(asked.tenant, asked.record))
    return read.complete and bool(read.answer)


def receipt(place: Installation, epoch: Epoch) -> DestructionFacts:
    """An epoch's receipt, as soon as it is there."""
    with place.time_passes(PACE):
        return until(lambda: inside(place, lambda one: one.receipt(epoch)), f"receipt of {epoch}")


def agree(place: Installation) -> None:
    """G10: nothing is overdue now, and log, bucket and keyring agree when nothing is under way.

    A new epoch's key is in the keyring a tick of the clerk before the log learns of it.
    """
    found = inside(place, lambda one: one.census())
    assert [one for one in found if one.what != NOT_LOGGED_YET] == []
    with place.time_passes(PACE):
        until(lambda: not inside(place, lambda one: one.census()), "log and keyring agree")


def move_to(place: Installation, instant: int) -> None:
    """Set simulated time."""
    assert place.clock is not None
    assert instant >= place.clock.now()
    place.clock.set(Instant(instant))


def test_a_record_dies_before_its_deadline_though_the_clerk_hangs(place: Installation) -> None:
    asked = exchange(place, place.tenant("deadline"))
    clerk = place.signal("clerk", signal.SIGSTOP)
    move_to(place, epoch_deadline(asked.epoch) - LAST_RESORT_MS - SECOND_MS)
    assert reads(place, asked)
    move_to(place, epoch_deadline(asked.epoch))
    with place.client() as client:
        assert place.read(client, asked.tenant, asked.record).status_code == 410
    assert opens(place, asked) == ["DestroyedKey", "DestroyedKey"]
    assert place.pid("clerk") == clerk
    place.signal("clerk", signal.SIGCONT)
    facts = receipt(place, asked.epoch)
    assert opens(place, asked) == ["DestroyedKey", "DestroyedKey"]
    # The clock was moved past the keeper's own check: it may state that it was late by a little.
    assert facts.unusable_at <= facts.deadline + DEADLINE_CHECK_S * SECOND_MS
    agree(place)


def test_every_epoch_dies_within_the_quarter_hour_before_its_deadline(place: Installation) -> None:
    tenant = place.tenant("on time")
    asked = []
    for _ in range(EPOCHS_ON_TIME):
        asked.append(exchange(place, tenant))
        place.advance(EPOCH_LENGTH_MS)
    for one in asked:
        move_to(place, epoch_due(one.epoch) - 1)
        assert reads(place, one)
        move_to(place, epoch_due(one.epoch))
        facts = receipt(place, one.epoch)
        assert facts.lateness_ms == 0
        assert epoch_due(one.epoch) <= facts.unusable_at <= epoch_deadline(one.epoch)
        earliest, latest = epoch_start(one.epoch), epoch_start(Epoch(one.epoch + 1))
        assert facts.unusable_at - latest >= RETENTION_MS - DAY_MS // 24
        assert facts.unusable_at - earliest <= RETENTION_MS
        assert opens(place, one) == ["DestroyedKey", "DestroyedKey"]
        agree(place)


def test_what_fell_due_in_downtime_dies_before_anybody_can_ask(place: Installation) -> None:
    asked = exchange(place, place.tenant("downtime"))
    place.stop()
    late_ms = 3 * DAY_MS
    move_to(place, epoch_deadline(asked.epoch) + late_ms)
    with first_status(place) as seen:
        place.start()
        status = until(lambda: seen[0] if seen else None, "the keeper's first answer")
    overdue = [name for name in status.live_epochs if epoch_deadline(name[2]) <= status.now]
    assert overdue == []
    assert asked.epoch not in [epoch for _, _, epoch in status.live_epochs]
    facts = receipt(place, asked.epoch)
    assert facts.lateness_ms == late_ms
    assert opens(place, asked) == ["DestroyedKey", "DestroyedKey"]
    agree(place)


@contextlib.contextmanager
def first_status(place: Installation) -> Iterator[list[KeeperStatus]]:
    """Ask the keeper from before it starts, so that nobody was there earlier."""
    seen: list[KeeperStatus] = []
    over = threading.Event()

    async def ask() -> None:
        token = read_secret(place.places.secrets, token_name("gateway"), {})
        while not seen and not over.is_set():
            keeper = KeeperClient(place.places.keeper_socket, "gateway", token, SystemClock())
            with contextlib.suppress(BaileeError):
                seen.append(await keeper.status())
            await keeper.close()

    thread = threading.Thread(target=lambda: asyncio.run(ask()))
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_no_destroyed_key_and_no_earlier_root_is_left_anywhere(
    place: Installation, tmp_path: Path
) -> None:
    asked = exchange(place, place.tenant("planted"))
    # The hourly roll, and a copy of everything: what somebody may have taken away.
    roots = [root_of(place.data)]
    with place.time_passes(PACE):
        place.advance(61 * MINUTE_MS)
        until(lambda: root_of(place.data) not in roots, "the root rolls")
    place.stop()
    roots.append(root_of(place.data))
    older = tmp_path / "older"
    shutil.copytree(place.data, older, ignore=_not_copied)
    before = load_keyring(older)
    place.start()
    move_to(place, epoch_due(asked.epoch))
    receipt(place, asked.epoch)
    agree(place)
    place.stop()
    after = load_keyring(place.data)
    gone = [secret for name, secret in before.epochs.items() if name not in after.epochs]
    present = root_of(place.data)
    assert gone
    assert present not in roots
    assert search(files_below(place.data), [*gone, *roots]) == []
    # The scan would have seen them: the root in force lies where it must and nowhere else.
    slots = {left.place for left in search(files_below(place.data), [present])}
    assert [Path(slot).parent.name for slot in slots] == ["keyring"]
    restore_every_piece(place, older, asked.epoch, tmp_path)


def restore_every_piece(place: Installation, older: Path, epoch: Epoch, tmp_path: Path) -> None:
    """G7: an older copy, alone or with any other piece, brings nothing back without its root."""
    for piece in PIECES:
        scene = tmp_path / f"with older {piece.replace('/', ' ')}"
        shutil.copytree(place.data, scene, ignore=_not_copied)
        for name in ("keyring/keyring", piece):
            _put(older / name, scene / name)
        with pytest.raises(DestroyedKey):
            load_keyring(scene)
    scene = tmp_path / "older roots alone"
    shutil.copytree(place.data, scene, ignore=_not_copied)
    for slot in (scene / "keyring").glob("root.*"):
        slot.unlink()
    for slot in (older / "keyring").glob("root.*"):
        _put(slot, scene / "keyring" / slot.name)
    with pytest.raises(DestroyedKey):
        load_keyring(scene)
    # Everything older at once, its root left out.
    scene = tmp_path / "all but the root"
    shutil.copytree(older, scene)
    for slot in (scene / "keyring").glob("root.*"):
        slot.unlink()
    with pytest.raises(DestroyedKey):
        load_keyring(scene)
    # Keyring and root of one moment do open, as the threat model says: these trials are real.
    assert epoch in [name.epoch for name in load_keyring(older).epochs]


def root_of(data: Path) -> bytes:
    """The root in force; what is being rolled meanwhile counts as either."""
    slots = FileRootSlots(LocalFiles(data))
    held = [found for slot in (0, 1) if (found := slots.read(slot)) is not None]
    return max(held).root


def _put(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target)
        shutil.copytree(source, target, ignore=_not_copied)
    else:
        shutil.copy2(source, target)


def _not_copied(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_socket()]
