"""Where a gateway worker listens, and what every server does once it has started."""

import gc
from pathlib import Path
from typing import Final, NamedTuple, Self

from bailee.kernel.errors import InvalidInput

LOOPBACK: Final = "127.0.0.1"
_GC_THRESHOLDS: Final = (50_000, 20, 50)


class Listener(NamedTuple):
    """An address, and a certificate. Made by the two functions below alone."""

    host: str
    port: int
    certificate_file: Path | None
    key_file: Path | None

    @classmethod
    def over_tls(cls, host: str, port: int, certificate_file: Path, key_file: Path) -> Self:
        """The only listener that an installation has."""
        for file in (certificate_file, key_file):
            if not file.is_file():
                raise InvalidInput(f"{file} is missing; TLS cannot be served without it")
        return cls(host, port, certificate_file, key_file)

    @classmethod
    def plain_for_benchmark(cls, port: int) -> Self:
        """Plain HTTP on loopback: for `bailee bench`, which compares with peers that have none."""
        return cls(LOOPBACK, port, None, None)


def settle_memory() -> None:
    """Take what was made at start out of the collector's sight, and let it look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
