"""Looking for words in everything that processes leave: files, open files, arguments, environment.

A word is looked for as it is and as text usually disguises it, and in what zstd and gzip packed.
Words are ASCII. What is packed otherwise, or encrypted, is not seen through.
"""

import base64
import contextlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import zstandard

_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_GZIP: Final = b"\x1f\x8b\x08"
_UNPACKED_BYTES: Final = 1 << 20
_BASE64_SHIFTS: Final = 3


class Trace(NamedTuple):
    """A word that was found."""

    place: str
    form: str
    word: bytes


def forms(word: bytes) -> dict[str, bytes]:
    """How a word may lie somewhere."""
    found = {
        "raw": word,
        "hex": word.hex().encode(),
        "HEX": word.hex().upper().encode(),
        "JSON escapes": b"".join(b"\\u%04x" % byte for byte in word),
        "utf-16": b"".join(bytes((byte, 0)) for byte in word),
    }
    for shift in range(_BASE64_SHIFTS):
        # The characters that depend on the word alone, whatever stands before and after it.
        encoded = base64.b64encode(bytes(shift) + word)
        begin, end = (4 if shift else 0), len(encoded) - 4
        found[f"base64 at {shift}"] = encoded[begin:end]
        found[f"base64url at {shift}"] = encoded[begin:end].translate(_URL_SAFE)
    return found


_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def files_below(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, with its name as a first line: a name can betray as well."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                yield str(path), str(path).encode() + b"\n" + path.read_bytes()


def processes(pids: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    """Arguments, environment, and files that are open and have no name any more."""
    for pid in pids:
        folder = Path(f"/proc/{pid}")
        for name in ("cmdline", "environ", "comm"):
            with contextlib.suppress(OSError):  # it has ended since it was listed
                yield f"{folder}/{name}", (folder / name).read_bytes()
        for descriptor in _open_files(folder):
            with contextlib.suppress(OSError):
                if descriptor.readlink().name.endswith(" (deleted)"):
                    yield str(descriptor), descriptor.read_bytes()


def _open_files(folder: Path) -> list[Path]:
    try:
        return list((folder / "fd").iterdir())
    except OSError:
        return []


def processes_of(*folders: Path) -> list[int]:
    """The processes that name one of these folders in their arguments (Linux)."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (path / "cmdline").read_bytes()
            if any(bytes(folder) in arguments for folder in folders):
                found.append(int(path.name))
    return found


def search(places: Iterable[tuple[str, bytes]], words: Iterable[bytes]) -> list[Trace]:
    """Every place that holds a word in any form."""
    wanted = [(form, needle, word) for word in words for form, needle in forms(word).items()]
    found = []
    for place, data in places:
        for layer, content in _layers(data):
            found += [
                Trace(place, f"{layer}{form}", word)
                for form, needle, word in wanted
                if needle in content
            ]
    return found


def _layers(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "", data
    for at in _occurrences(data, _ZSTD):
        with contextlib.suppress(zstandard.ZstdError):
            unpacked = zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
            yield "zstd, ", unpacked[:_UNPACKED_BYTES]
    for at in _occurrences(data, _GZIP):
        with contextlib.suppress(zlib.error):
            yield "gzip, ", zlib.decompressobj(31).decompress(data[at:], _UNPACKED_BYTES)


def _occurrences(data: bytes, magic: bytes) -> Iterator[int]:
    at = data.find(magic)
    while at >= 0:
        yield at
        at = data.find(magic, at + 1)
