"""BLAKE2b written out from RFC 7693, to derive a vector's keys with other code than the product's.

Slow, and for tests alone. Personalisation is that of BLAKE2's parameter block (section 2.5 of the
RFC leaves it zero; libsodium's crypto_kdf and Python's hashlib place it in the last two words).
"""

from typing import Final

_MASK: Final = 0xFFFFFFFFFFFFFFFF
_START: Final = (
    0x6A09E667F3BCC908,
    0xBB67AE8584CAA73B,
    0x3C6EF372FE94F82B,
    0xA54FF53A5F1D36F1,
    0x510E527FADE682D1,
    0x9B05688C2B3E6C1F,
    0x1F83D9ABFB41BD6B,
    0x5BE0CD19137E2179,
)
_ORDER: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
_MIXED: Final = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)


def blake2b(message: bytes, size_bytes: int, key: bytes = b"", person: bytes = b"") -> bytes:
    """The digest of `size_bytes` bytes."""
    parameters = bytes((size_bytes, len(key), 1, 1)).ljust(48, b"\x00") + person.ljust(16, b"\x00")
    words = [int.from_bytes(parameters[at : at + 8], "little") for at in range(0, 64, 8)]
    state = [start ^ word for start, word in zip(_START, words, strict=True)]
    data = (key.ljust(128, b"\x00") if key else b"") + message
    blocks = [data[at : at + 128] for at in range(0, len(data), 128)] or [b""]
    for index, block in enumerate(blocks):
        final = index == len(blocks) - 1
        counted = len(data) if final else 128 * (index + 1)
        state = _compressed(state, block.ljust(128, b"\x00"), counted, final=final)
    return b"".join(word.to_bytes(8, "little") for word in state)[:size_bytes]


def _compressed(state: list[int], block: bytes, counted: int, *, final: bool) -> list[int]:
    """F of section 3.2."""
    message = [int.from_bytes(block[at : at + 8], "little") for at in range(0, 128, 8)]
    work = state + list(_START)
    work[12] ^= counted & _MASK
    work[13] ^= counted >> 64
    if final:
        work[14] ^= _MASK
    for turn in range(12):
        order = _ORDER[turn % 10]
        for index, places in enumerate(_MIXED):
            _mix(work, places, message[order[2 * index]], message[order[2 * index + 1]])
    return [state[at] ^ work[at] ^ work[at + 8] for at in range(8)]


def _mix(work: list[int], places: tuple[int, int, int, int], first: int, second: int) -> None:
    """G of section 3.1."""
    a, b, c, d = places
    for added, one, other in ((first, 32, 24), (second, 16, 63)):
        work[a] = (work[a] + work[b] + added) & _MASK
        work[d] = _rotated(work[d] ^ work[a], one)
        work[c] = (work[c] + work[d]) & _MASK
        work[b] = _rotated(work[b] ^ work[c], other)


def _rotated(word: int, by_bits: int) -> int:
    return (word >> by_bits) | (word << (64 - by_bits)) & _MASK
