"""Base64 as RFC 4648 section 4 writes it, read strictly.

One text for each value: padding is needed, and bits that stand for nothing must be zero, so that a
changed character never goes unnoticed.
"""

import base64
import binascii

from bailee.kernel.errors import InvalidInput


def to_base64(data: bytes) -> str:
    """Write bytes."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, what: str, size_bytes: int | None = None) -> bytes:
    """Read bytes. Raises InvalidInput naming `what` when the text or the length is wrong."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{what} is not base64; take it unchanged from its source") from None
    if to_base64(data) != text:
        raise InvalidInput(f"{what} is not canonical base64; take it unchanged from its source")
    if size_bytes is not None and len(data) != size_bytes:
        raise InvalidInput(f"{what} has {len(data)} bytes, not {size_bytes}")
    return data
