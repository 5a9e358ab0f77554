"""Reading a LoRA adapter's GGUF file as `drivers.trainer_local` writes it, from memory."""

import struct
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bailee.kernel.errors import InvalidInput

_MAGIC: Final = b"GGUF"
_STRING: Final = 8
_ARRAY: Final = 9
_SCALARS: Final = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_DTYPES: Final = {0: np.dtype("<f4"), 1: np.dtype("<f2")}
_ALIGNMENT: Final = 32


class GgufAdapter(NamedTuple):
    """What is in the file."""

    values: dict[str, Any]
    tensors: dict[str, NDArray[Any]]


def read_adapter(data: bytes) -> GgufAdapter:
    """Read the file. Raises InvalidInput for what is none, or is cut short."""
    try:
        return _Reader(data).whole()
    except (struct.error, KeyError, ValueError, IndexError, UnicodeDecodeError):
        raise InvalidInput("this is no adapter in GGUF; train the model again") from None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def whole(self) -> GgufAdapter:
        if self._data[:4] != _MAGIC:
            raise ValueError
        self._at = 4
        _version, tensors, values = self._scalar("<I"), self._scalar("<Q"), self._scalar("<Q")
        known = {self._string(): self._value(self._scalar("<I")) for _ in range(values)}
        shapes = [self._shape() for _ in range(tensors)]
        alignment = known.get("general.alignment", _ALIGNMENT)
        begin = -(-self._at // alignment) * alignment
        return GgufAdapter(known, {name: self._tensor(begin, *rest) for name, *rest in shapes})

    def _scalar(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return value

    def _string(self) -> str:
        length = self._scalar("<Q")
        begin, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError
        return self._data[begin : self._at].decode()

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            inner, length = self._scalar("<I"), self._scalar("<Q")
            return [self._value(inner) for _ in range(min(length, len(self._data)))]
        return self._scalar(_SCALARS[kind])

    def _shape(self) -> tuple[str, tuple[int, ...], Any, int]:
        name = self._string()
        dimensions = tuple(self._scalar("<Q") for _ in range(self._scalar("<I")))
        kind, offset = self._scalar("<I"), self._scalar("<Q")
        return name, dimensions[::-1], _DTYPES[kind], offset

    def _tensor(
        self, begin: int, shape: tuple[int, ...], dtype: "np.dtype[Any]", offset: int
    ) -> NDArray[Any]:
        count = 1
        for length in shape:
            count *= length
        found = np.frombuffer(self._data, dtype, count, begin + offset)
        return found.reshape(shape)
