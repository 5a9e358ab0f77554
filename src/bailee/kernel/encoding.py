"""An unambiguous byte encoding for what is hashed, signed or authenticated.

`fields` is the one way in which Bailee turns several values into the bytes of an HPKE info
string, an AEAD's additional data, a signature's message or a key-derivation info string: a label
that names the use, then each field behind its length. Two different lists never encode alike.
It is not a storage format and cannot be decoded.
"""


def fields(label: str, *values: bytes) -> bytes:
    """Encode `values` under `label`.

    Each of the label (UTF-8) and the values is written behind its length as a 4-byte big-endian
    unsigned integer.
    """
    parts = [_framed(label.encode())]
    parts.extend(_framed(value) for value in values)
    return b"".join(parts)


def _framed(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value
