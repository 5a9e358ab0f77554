"""The bundle of roots that clients on this machine trust: the system's, and one more."""

import importlib.util
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_KNOWN_PLACES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"


def system_roots(preferred: Path | None, bundle: Path) -> Path | None:
    """The file of the system's roots, or None where there is none.

    `preferred` is what the environment names (`SSL_CERT_FILE`), which counts unless it is the
    `bundle` that is made here: a shell that ran `bailee env` must not make it grow.
    """
    for candidate in _candidates(preferred):
        if candidate.is_file() and candidate.resolve() != bundle.resolve():
            return candidate
    return None


def bundle_text(roots: Path | None, *more: bytes) -> bytes:
    """The certificates of `roots`, followed by `more` (PEM)."""
    system = roots.read_bytes() if roots is not None else b""
    if _BEGIN not in system:
        system = b""
    return b"".join(part.rstrip(b"\n") + b"\n" for part in (system, *more) if part)


def _candidates(preferred: Path | None) -> Iterator[Path]:
    if preferred is not None:
        yield preferred
    # Not `cafile`, which SSL_CERT_FILE overrides: the place compiled into the library.
    yield Path(ssl.get_default_verify_paths().openssl_cafile)
    yield from map(Path, _KNOWN_PLACES)
    spec = importlib.util.find_spec("certifi")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).with_name("cacert.pem")
