"""Every driver of `ports.root_slots` keeps its promises."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bailee.drivers.files_local import LocalFiles
from bailee.drivers.keys_file import FileRootSlots, encode_slot
from bailee.drivers.memory import Disk, MemoryFiles
from bailee.ports.files import Files
from bailee.ports.root_slots import RootSlot

ONE = RootSlot(7, bytes(range(32)))
TWO = RootSlot(8, b"\xff" * 32)
Opener = Callable[[], Files]


@pytest.fixture(params=["memory", "local"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same folder, as each process that begins would."""
    if request.param == "memory":
        disk = Disk()
        return lambda: MemoryFiles(disk)
    return lambda: LocalFiles(tmp_path)


def test_slots_are_empty_at_first(opener: Opener) -> None:
    slots = FileRootSlots(opener())
    assert slots.read(0) is None
    assert slots.read(1) is None
    slots.erase(0)
    assert slots.read(0) is None


def test_what_was_written_is_read_by_the_next_process(opener: Opener) -> None:
    slots = FileRootSlots(opener())
    slots.write(0, ONE)
    slots.write(1, TWO)
    again = FileRootSlots(opener())
    assert (again.read(0), again.read(1)) == (ONE, TWO)
    again.write(0, TWO)
    assert FileRootSlots(opener()).read(0) == TWO


def test_an_erased_slot_is_empty_and_the_other_is_not(opener: Opener) -> None:
    slots = FileRootSlots(opener())
    slots.write(0, ONE)
    slots.write(1, TWO)
    slots.erase(0)
    again = FileRootSlots(opener())
    assert (again.read(0), again.read(1)) == (None, TWO)


def test_a_torn_slot_reads_as_empty(opener: Opener) -> None:
    files = opener()
    slots = FileRootSlots(files)
    whole = encode_slot(ONE)
    for position in range(60):
        torn = bytearray(whole)
        torn[position] ^= 0x20
        files.write("keyring/root.0", bytes(torn))
        assert slots.read(0) is None
    files.write("keyring/root.0", whole[:-1])
    assert slots.read(0) is None
    slots.write(0, TWO)
    assert slots.read(0) == TWO


def test_an_erased_root_is_overwritten_where_it_lay(tmp_path: Path) -> None:
    slots = FileRootSlots(LocalFiles(tmp_path))
    slots.write(0, ONE)
    with (tmp_path / "keyring" / "root.0").open("rb") as held:
        slots.erase(0)
        assert held.read() == bytes(4096)


def test_no_promise_is_made_about_the_medium(opener: Opener) -> None:
    times = FileRootSlots(opener()).erasure_times()
    assert times.unusable_after_ms == 0
    assert times.irrecoverable_after_ms is None
    assert "snapshots" in times.assumption
