"""The keyring survives a crash at every call, and none of its older copies opens."""

import errno
import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.support.keeper_world import ABUSE, NOW, REGION, new_keyring

from bailee.custody.keeper.keyring import Keyring
from bailee.drivers.memory import Disk, Faults, MemoryFiles, SimulatedCrash
from bailee.kernel.errors import Conflict, DestroyedKey, TamperedContent, UnknownKey
from bailee.kernel.ids import EpochKeyName, Region
from bailee.kernel.instants import Epoch, Instant

DOOMED = EpochKeyName(REGION, ABUSE, Epoch(10))
KEPT = EpochKeyName(REGION, ABUSE, Epoch(11))


def _begun(seed: int = 0) -> Disk:
    """A disk with a keyring that holds both epochs."""
    disk = Disk(seed)
    keyring = new_keyring(disk)
    keyring.load_or_create(NOW)
    state = keyring.state.copy()
    state.epochs = {DOOMED: b"d" * 32, KEPT: b"k" * 32}
    keyring.commit(state, roll=True)
    return disk


def _loaded(disk: Disk, faults: Faults | None = None, seed: int = 1) -> Keyring:
    keyring = new_keyring(disk, seed, faults)
    keyring.load()
    return keyring


def _destroy(keyring: Keyring) -> None:
    state = keyring.state.copy()
    state.destroy_epoch(DOOMED)
    keyring.commit(state, roll=True)


def _load_and_destroy(keyring: Keyring) -> None:
    keyring.load()
    _destroy(keyring)


def _files(disk: Disk) -> dict[str, bytes]:
    files = MemoryFiles(disk)
    return {path: files.read(path) for path in files.list("keyring")}


def _calls_of_a_destruction() -> int:
    faults = Faults()
    _destroy(_loaded(_begun(), faults))
    return faults.calls


def _die_destroying(disk: Disk, crash_at: int, *, after: bool, power: bool) -> None:
    """A process that dies at a call of loading and destroying."""
    # A call that raises of itself has no instant after its effect: then nothing crashes.
    with suppress(SimulatedCrash):
        _destroy(_loaded(disk, Faults(crash_at, after=after)))
    if power:
        disk.crash()


CRASHES = list(itertools.product(range(_calls_of_a_destruction()), (False, True), (False, True)))


@pytest.mark.parametrize(("crash_at", "after", "power"), CRASHES)
def test_a_crash_leaves_the_old_or_the_new_state(crash_at: int, after: bool, power: bool) -> None:
    for seed in range(12 if power else 1):
        disk = _begun(seed)
        _die_destroying(disk, crash_at, after=after, power=power)
        keyring = _loaded(disk)
        assert keyring.state.epoch_secret(KEPT) == b"k" * 32
        if DOOMED in keyring.state.epochs:
            assert keyring.state.epoch_secret(DOOMED) == b"d" * 32
            _destroy(keyring)
        if power:
            disk.crash()
        with pytest.raises(DestroyedKey):
            _loaded(disk).state.epoch_secret(DOOMED)


@pytest.mark.parametrize(("crash_at", "after", "power"), CRASHES)
def test_a_crash_while_recovering_from_a_crash(crash_at: int, after: bool, power: bool) -> None:
    for again, later in itertools.product(range(12), (False, True)):
        disk = _begun(crash_at * 100 + again)
        _die_destroying(disk, crash_at, after=after, power=power)
        try:
            _loaded(disk, Faults(again, after=later))
        except SimulatedCrash:
            disk.crash()
        assert _loaded(disk).state.epoch_secret(KEPT) == b"k" * 32


def test_what_was_acknowledged_is_not_undone_by_losing_power() -> None:
    for seed in range(50):
        disk = _begun(seed)
        _destroy(_loaded(disk))
        disk.crash()
        with pytest.raises(DestroyedKey):
            _loaded(disk).state.epoch_secret(DOOMED)


class _FailOnce(Faults):
    """The call with this number fails."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        if self.calls == self._number:
            self.calls += 1
            raise OSError(errno.ENOSPC, "no space is left")
        with super().call(name):
            yield


@pytest.mark.parametrize("number", range(_calls_of_a_destruction()))
def test_a_failing_disk_loses_nothing_and_is_overcome(number: int) -> None:
    for seed in range(8):
        disk = _begun(seed)
        keyring = new_keyring(disk, 1, _FailOnce(number))
        with pytest.raises(OSError, match="no space"):
            _load_and_destroy(keyring)
        try:
            certain = not keyring.uncertain and keyring.state.epoch_secret(DOOMED) == b"d" * 32
        except Conflict:
            certain = False
        if not certain:
            keyring.load()
        if DOOMED in keyring.state.epochs:
            _destroy(keyring)
        disk.crash()
        state = _loaded(disk).state
        assert state.epoch_secret(KEPT) == b"k" * 32
        with pytest.raises(DestroyedKey):
            state.epoch_secret(DOOMED)


def test_no_older_copy_opens_with_what_is_left() -> None:
    disk = _begun()
    copies = [_files(disk)]
    keyring = _loaded(disk)
    _destroy(keyring)
    for _ in range(4):
        copies.append(_files(disk))
        keyring.commit(keyring.state.copy(), roll=True)
    for copy in copies:
        restored = _disk_with(_files(disk) | {"keyring/keyring": copy["keyring/keyring"]})
        with pytest.raises(DestroyedKey):
            _loaded(restored)
        # Putting the right file back is all it takes: the refusal destroyed nothing.
        MemoryFiles(restored).write("keyring/keyring", _files(disk)["keyring/keyring"])
        assert _loaded(restored).state.epoch_secret(KEPT)


def test_an_older_copy_does_not_open_with_another_ages_root() -> None:
    disk = _begun()
    copies = []
    keyring = _loaded(disk)
    for _ in range(5):
        copies.append(_files(disk))
        keyring.commit(keyring.state.copy(), roll=True)
    for one, other in itertools.permutations(range(5), 2):
        for root in ("keyring/root.0", "keyring/root.1"):
            mixed = {
                "keyring/keyring": copies[one]["keyring/keyring"],
                root: next(data for path, data in copies[other].items() if "root" in path),
            }
            assert not _opens(mixed)


def test_roots_of_other_generations_are_erased_on_loading() -> None:
    disk = _begun()
    old = _files(disk)
    keyring = _loaded(disk)
    keyring.commit(keyring.state.copy(), roll=True)
    (root,) = [path for path in old if "root" in path]
    assert root not in _files(disk)
    MemoryFiles(disk).write(root, old[root])
    _loaded(disk)
    assert root not in _files(disk)


def test_a_changed_keyring_is_refused_and_its_roots_stay() -> None:
    disk = _begun()
    before = _files(disk)
    data = bytearray(before["keyring/keyring"])
    for position in range(0, len(data), 7):
        data[position] ^= 1
        changed = _disk_with(before | {"keyring/keyring": bytes(data)})
        with pytest.raises((TamperedContent, DestroyedKey)):
            _loaded(changed)
        assert _files(changed) == before | {"keyring/keyring": bytes(data)}
        data[position] ^= 1


def test_a_lost_keyring_is_not_silently_replaced() -> None:
    disk = _begun()
    MemoryFiles(disk).remove("keyring/keyring")
    with pytest.raises(Conflict):
        new_keyring(disk).load_or_create(NOW)


def test_a_first_start_that_crashed_begins_again() -> None:
    faults = Faults()
    new_keyring(Disk(), 0, faults).load_or_create(NOW)
    for crash_at, after in itertools.product(range(faults.calls), (False, True)):
        for seed in range(4):
            disk = Disk(seed)
            with suppress(SimulatedCrash):
                new_keyring(disk, 0, Faults(crash_at, after=after)).load_or_create(NOW)
            disk.crash()
            new_keyring(disk, 1).load_or_create(Instant(NOW + 1))
            _loaded(disk)


def test_unknown_and_destroyed_stay_different_after_loading() -> None:
    disk = _begun()
    _destroy(_loaded(disk))
    state = _loaded(disk).state
    with pytest.raises(DestroyedKey):
        state.epoch_secret(DOOMED)
    with pytest.raises(UnknownKey):
        state.epoch_secret(KEPT._replace(epoch=Epoch(12)))
    with pytest.raises(UnknownKey):
        state.epoch_secret(DOOMED._replace(region=Region("eu")))


def test_no_secret_lies_in_any_file_in_the_clear() -> None:
    disk = _begun()
    secrets = _loaded(disk).state.secrets()
    assert secrets
    for data in _files(disk).values():
        assert not any(secret in data for secret in secrets)


def _disk_with(files: dict[str, bytes]) -> Disk:
    disk = Disk()
    for path, data in files.items():
        MemoryFiles(disk).write(path, data)
    return disk


def _opens(files: dict[str, bytes]) -> bool:
    try:
        _loaded(_disk_with(files))
    except (DestroyedKey, TamperedContent):
        return False
    return True
