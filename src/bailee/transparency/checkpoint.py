"""Checkpoints: a log's signed size and root (C2SP tlog-checkpoint).

The log's key has the origin as its name. Extension lines are neither written nor believed: what
must be believed is in a leaf.
"""

import re
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.transparency.base64 import from_base64, to_base64
from bailee.transparency.note import Signer, VerifierKey, open_note
from bailee.transparency.tree import HASH_BYTES

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Checkpoint(NamedTuple):
    """A log's state."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text: origin, size, root."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"


def sign_checkpoint(size: int, root: bytes, signer: Signer) -> bytes:
    """A signed checkpoint of the log that `signer` names. Deterministic."""
    return signer.sign(Checkpoint(signer.verifier.name, size, root).text)


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Read a note's text as a checkpoint. Raises InvalidInput."""
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]):
        raise InvalidInput("a checkpoint has an origin, a size and a root, each on its line")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size):
        raise InvalidInput("a checkpoint's size is a decimal number without leading zeros")
    return Checkpoint(origin, int(size), from_base64(root, "a checkpoint's root", HASH_BYTES))


def open_checkpoint(note: bytes, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note that the log's key signed. Raises InvalidInput."""
    checkpoint = parse_checkpoint_text(open_note(note, key))
    if checkpoint.origin != key.name:
        raise InvalidInput("the checkpoint is of another log than the key's name says")
    return checkpoint
