"""The keyring file and the root that makes older copies useless. Format: docs/formats/keyring.md.

Promises: whatever call fails or is never returned from, what `load` finds next is the state before
or after the commit under way, never a mixture; and once a commit with `roll` has returned, no
earlier copy of the keyring file opens with anything that is left on disk. Synchronous, for one
caller at a time; `commits` serialises. Deliberately knows nothing of clocks, roles or deadlines.
"""

import struct
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bailee.custody.keeper.state import SECRET_BYTES, KeyringState
from bailee.custody.seal.wipe import wipe
from bailee.kernel.encoding import fields
from bailee.kernel.errors import Conflict, DestroyedKey, TamperedContent
from bailee.kernel.instants import Instant
from bailee.ports.files import Files
from bailee.ports.randomness import Randomness
from bailee.ports.root_slots import RootSlot, RootSlots

MAGIC: Final = b"BAILEEKR"
VERSION: Final = 1
ROOT_BYTES: Final = 32
FIRST_GENERATION: Final = 1

_PREFIX: Final = struct.Struct(">8sBQ")
_NONCE_BYTES: Final = 12


def seal_keyring(plaintext: bytes, generation: int, root: bytes, nonce: bytes) -> bytes:
    """The keyring file of a plaintext."""
    prefix = _PREFIX.pack(MAGIC, VERSION, generation)
    key = _file_key(root, generation)
    try:
        return prefix + nonce + AESGCM(key).encrypt(nonce, plaintext, prefix)
    finally:
        wipe(key)


def open_keyring(data: bytes, root: bytes) -> bytes:
    """The plaintext of a keyring file. Raises TamperedContent."""
    generation = file_generation(data)
    prefix, rest = data[: _PREFIX.size], data[_PREFIX.size :]
    key = _file_key(root, generation)
    try:
        return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], prefix)
    except (InvalidTag, ValueError):
        raise TamperedContent(
            "the keyring does not authenticate under its root; put back the file that was in force"
        ) from None
    finally:
        wipe(key)


def file_generation(data: bytes) -> int:
    """The generation that a keyring file names. Raises TamperedContent."""
    if len(data) >= _PREFIX.size:
        magic, version, generation = _PREFIX.unpack_from(data)
        if magic == MAGIC and version == VERSION:
            return int(generation)
    raise TamperedContent("the keyring file is not of version 1; upgrade Bailee to read it")


def _file_key(root: bytes, generation: int) -> bytes:
    info = fields("bailee/1/keyring", generation.to_bytes(8, "big"))
    return HKDF(SHA256(), 32, salt=None, info=info).derive(root)


class Keyring:
    """The keyring of one installation: `state`, made durable by `commit`.

    `folder` is where `keyring` and `keyring.new` lie in `files`.
    """

    def __init__(
        self, files: Files, slots: RootSlots, randomness: Randomness, folder: str = "keyring"
    ) -> None:
        self._files = files
        self._slots = slots
        self._randomness = randomness
        self._folder = folder
        self._path = f"{folder}/keyring"
        self._new_path = f"{folder}/keyring.new"
        self._state: KeyringState | None = None
        self._root = b""
        self._slot = 0
        self._generation = 0
        self._uncertain = False

    @property
    def state(self) -> KeyringState:
        """What is durable. Never changed in place."""
        if self._state is None:
            raise Conflict("the keyring is not loaded; start the keeper first")
        return self._state

    @property
    def generation(self) -> int:
        """Of the root that is in force."""
        return self._generation

    @property
    def uncertain(self) -> bool:
        """Whether a commit failed where old and new are both possible: `load` decides."""
        return self._uncertain

    def load_or_create(self, now: Instant) -> None:
        """Load the keyring, or make the first one of a new installation.

        A crash while the first one is made leaves at most a root of generation 1 without a
        keyring, which has never protected anything. A later root without a keyring means that the
        file was lost or moved: making a new one would forget every tombstone, so it is refused.

        Raises:
            Conflict: a root exists whose keyring is missing.
            DestroyedKey, TamperedContent: as `load`.
        """
        try:
            self.load()
        except FileNotFoundError:
            found = [self._slots.read(slot) for slot in (0, 1)]
            if any(held is not None and held.generation > FIRST_GENERATION for held in found):
                raise Conflict(
                    "the keyring's root is there and its file is not; put back the file "
                    "`keyring`, or move both roots away to begin with nothing"
                ) from None
            identity = self._randomness.random_bytes(SECRET_BYTES)
            pepper = self._randomness.random_bytes(SECRET_BYTES)
            self._generation = FIRST_GENERATION - 1
            self._roll(KeyringState(identity, pepper, now, now), old_slot=1)

    def load(self) -> None:
        """Read what is in force and finish what a crash interrupted.

        The keyring file's generation g decides which slot counts. Before the other slot, which may
        hold the root of g - 1 (crash after the rename) or of g + 1 (crash before it), is
        overwritten, two things must hold: the file opens under g's root, so that a wrong file put
        in its place costs nothing; and the rename that made the file visible is durable, or a
        second crash could bring back the file of g - 1 whose root is then gone.

        Raises:
            FileNotFoundError: there is no keyring.
            DestroyedKey: no root of the file's generation is left: an older or foreign copy.
            TamperedContent: the file does not authenticate.
        """
        data = self._files.read(self._path)
        generation = file_generation(data)
        slot = self._slot_of(generation)
        held = None if slot is None else self._slots.read(slot)
        if slot is None or held is None:
            raise DestroyedKey(
                f"the root of keyring generation {generation} is gone: this is not the keyring "
                "in force; put back the file that was"
            )
        plaintext = open_keyring(data, held.root)
        state = KeyringState.decode(plaintext)
        wipe(plaintext)
        self._files.sync_folder(self._folder)
        self._slots.erase(1 - slot)
        self._remove_leftover()
        self._state, self._slot, self._root = state, slot, held.root
        self._generation, self._uncertain = generation, False

    def commit(self, state: KeyringState, *, roll: bool) -> None:
        """Make `state` durable; with `roll`, under a new root, so that older copies are dead.

        Without `roll` the file is replaced under the same root: an older copy of it could be put
        back until the next roll, so only what adds may go without.

        Raises OSError when it could not be made durable. Unless `uncertain`, the old state is
        then still in force, here and on disk.
        """
        if self._state is None or self._uncertain:
            raise Conflict("the keyring is not loaded; load it before changing it")
        if roll:
            self._roll(state, old_slot=self._slot)
        else:
            self._replace(state, self._generation, self._root)
            self._state = state

    def _roll(self, state: KeyringState, old_slot: int) -> None:
        """Replace root and file. Crash after

        - writing the new root: the file still names g; `load` overwrites the new root.
        - writing or syncing `keyring.new`: likewise; the leftover opens under no root.
        - the rename: the file names g or, once durable, g + 1, both of whose roots exist; `load`
          makes whichever is visible durable and overwrites the other root.
        - overwriting the old root: done, though nobody was told; doing it again is harmless.
        """
        generation = self._generation + 1
        root = self._randomness.random_bytes(ROOT_BYTES)
        self._slots.write(1 - old_slot, RootSlot(generation, root))
        self._replace(state, generation, root)
        try:
            self._slots.erase(old_slot)
        except OSError:
            self._uncertain = True
            raise
        spent, self._root = self._root, root
        wipe(spent)
        self._state, self._slot, self._generation = state, 1 - old_slot, generation

    def _replace(self, state: KeyringState, generation: int, root: bytes) -> None:
        """Write the file beside the one in force, check it, and move it over.

        Up to the rename a failure leaves the old file in force. From the rename on nobody can
        tell, so the keyring must be loaded again before it is used.
        """
        plaintext = state.encode()
        nonce = self._randomness.random_bytes(_NONCE_BYTES)
        data = seal_keyring(plaintext, generation, root, nonce)
        wipe(plaintext)
        # A leftover may be a file whose sync failed: such a file is never believed again.
        self._remove_leftover()
        self._files.write(self._new_path, data)
        if self._files.read(self._new_path) != data:
            raise OSError("the keyring that was read back is not the one that was written")
        try:
            self._files.rename(self._new_path, self._path)
            self._files.sync_folder(self._folder)
        except OSError:
            self._uncertain = True
            raise

    def _slot_of(self, generation: int) -> int | None:
        for slot in (0, 1):
            held = self._slots.read(slot)
            if held is not None and held.generation == generation:
                return slot
        return None

    def _remove_leftover(self) -> None:
        try:
            self._files.remove(self._new_path)
        except FileNotFoundError:
            return
        self._files.sync_folder(self._folder)
