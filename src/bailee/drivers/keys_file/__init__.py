"""The keyring's root in two files. Format: docs/formats/keyring.md.

Promises that an erased or replaced root is overwritten where it lay and that the overwriting was
synced. Deliberately promises nothing of what lies below the file system: see `erasure_times`.
"""

import struct
from typing import Final

import google_crc32c

from bailee.ports.files import Files
from bailee.ports.root_slots import ErasureTimes, RootSlot

MAGIC: Final = b"BAILEERT"
VERSION: Final = 1
SLOT_BYTES: Final = 4096
"""One block of the usual file systems, so that a slot is overwritten whole."""

_CONTENT: Final = struct.Struct(">8sBQ32s")
_CHECKSUM_BYTES: Final = 4
_ASSUMPTION: Final = (
    "overwriting a file in place and syncing it reaches the medium and leaves no older block: "
    "true of a plain disk with a file system that does not copy on write; flash translation "
    "layers, snapshots and backups of this folder may keep the former root"
)


def encode_slot(content: RootSlot) -> bytes:
    """A slot as it lies in its file: 4,096 bytes."""
    body = _CONTENT.pack(MAGIC, VERSION, content.generation, content.root)
    return (body + _checksum(body)).ljust(SLOT_BYTES, b"\x00")


def decode_slot(data: bytes) -> RootSlot | None:
    """The reverse; None for anything that `encode_slot` does not make."""
    end = _CONTENT.size + _CHECKSUM_BYTES
    if len(data) != SLOT_BYTES or any(data[end:]):
        return None
    body, checksum = data[: _CONTENT.size], data[_CONTENT.size : end]
    magic, version, generation, root = _CONTENT.unpack(body)
    if magic != MAGIC or version != VERSION:
        return None
    if _checksum(body) != checksum:
        return None
    return RootSlot(generation, root)


def _checksum(body: bytes) -> bytes:
    return int(google_crc32c.value(body)).to_bytes(_CHECKSUM_BYTES, "big")


class FileRootSlots:
    """`RootSlots` in the files `root.0` and `root.1` of `folder`.

    `files` may be another volume than the keyring's: one that is kept out of backups.
    """

    def __init__(self, files: Files, folder: str = "keyring") -> None:
        self._files = files
        self._folder = folder
        self._paths = (f"{folder}/root.0", f"{folder}/root.1")

    def read(self, slot: int) -> RootSlot | None:
        """What the slot holds, or None."""
        try:
            return decode_slot(self._files.read(self._paths[slot]))
        except FileNotFoundError:
            return None

    def write(self, slot: int, content: RootSlot) -> None:
        """Put a root into the slot, always in a file of its own.

        A file whose sync once failed may hold anything after a crash, whatever was written to it
        later, so none is written to twice but to erase it.
        """
        self.erase(slot)
        self._files.write(self._paths[slot], encode_slot(content))

    def erase(self, slot: int) -> None:
        """Overwrite the file with zeros where it lies, then take its name away."""
        path = self._paths[slot]
        try:
            self._files.size_bytes(path)
        except FileNotFoundError:
            return
        self._files.write(path, bytes(SLOT_BYTES))
        self._files.remove(path)
        self._files.sync_folder(self._folder)

    def erasure_times(self) -> ErasureTimes:
        """Gone for the installation at once; for the medium, no promise can be kept."""
        return ErasureTimes(0, None, _ASSUMPTION)
