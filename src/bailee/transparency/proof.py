"""An entry's proof as text: index, path and checkpoint (C2SP tlog-proof, version 1).

The optional extra line is refused: it is not authenticated, and nothing here needs it.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.transparency.base64 import from_base64, to_base64
from bailee.transparency.tree import HASH_BYTES

_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


class LogProof(NamedTuple):
    """Where an entry stands in a log, not yet verified."""

    entry_index: int
    path: tuple[bytes, ...]
    """RFC 6962 inclusion path, the leaf's sibling first."""
    checkpoint: bytes
    """The signed checkpoint, verbatim."""


def format_proof(index: int, path: Sequence[bytes], checkpoint: bytes) -> str:
    """Write a proof."""
    lines = [_FIRST_LINE, f"index {index}", *(to_base64(item) for item in path), ""]
    return "\n".join(lines) + "\n" + checkpoint.decode()


def parse_proof(text: str) -> LogProof:
    """Read a proof. Raises InvalidInput."""
    head, gap, checkpoint = text.partition("\n\n")
    first, *rest = head.split("\n")
    matched = _INDEX.fullmatch(rest[0]) if rest else None
    if first != _FIRST_LINE or not matched or not gap:
        raise InvalidInput("this is not a log proof of version 1 without extra data")
    path = tuple(from_base64(line, "a hash of the log path", HASH_BYTES) for line in rest[1:])
    return LogProof(int(matched[1]), path, checkpoint.encode())
