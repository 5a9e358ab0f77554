"""How a key's public identifier says in which region the key was made.

Promises: the first two bytes of an identifier are the region's mark, so that the host of another
region can tell whoever holds the key where to go, without knowing anything about the key. Says
nothing about whether the key exists; identifiers from before marks begin with random bytes.
"""

import hashlib
from typing import Final

from bailee.kernel.encoding import fields
from bailee.kernel.ids import Region

MARK_BYTES: Final = 2


def region_mark(region: Region) -> bytes:
    """A region's mark, 2 bytes."""
    return hashlib.blake2b(
        fields("bailee/1/region-mark", region.encode()), digest_size=MARK_BYTES
    ).digest()


def mark_of(public_id: str) -> bytes:
    """The mark of a public identifier (hexadecimal). ValueError where there is none."""
    return bytes.fromhex(public_id[: 2 * MARK_BYTES])
