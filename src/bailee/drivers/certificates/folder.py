"""The `tls` folder: keeps authority, server certificate and bundle there, and renews them.

Crash order: a key is written and renamed before the certificate that needs it; a certificate that
does not fit its key, or cannot be read, is made again at the next start.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bailee.drivers.certificates.bundle import bundle_text
from bailee.drivers.certificates.issue import (
    ALWAYS_NAMES,
    RENEW_BEFORE_MS,
    Issued,
    expires_at,
    make_authority,
    make_server,
    may_vouch_for,
    names_of,
)
from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import Instant, to_rfc3339


class CertificateFiles(NamedTuple):
    """Where everything lies, and what was made just now."""

    certificate: Path
    key: Path
    bundle: Path
    """The system's roots and whatever vouches for this installation: what clients trust."""
    names: tuple[str, ...]
    expires_at: Instant
    made: tuple[str, ...]
    """What was made by this call, in words; empty when everything was there."""


class Description(NamedTuple):
    """What a certificate file says."""

    names: tuple[str, ...]
    expires_at: Instant


def ensure_certificates(
    folder: Path, names: Sequence[str], now: Instant, roots: Path | None
) -> CertificateFiles:
    """Have an authority, a server certificate with ≥ 30 days left, and a bundle, in `folder`.

    `names` are those beyond loopback. `now` is real time, as clients see it, even in a
    simulation. `roots` is the file of the system's roots (`system_roots`). New names beyond the
    authority's constraints make a new authority, which clients must be told to trust.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []
    authority = _stored(folder, "authority")
    if (
        authority is None
        or not may_vouch_for(authority.certificate, names)
        or expires_at(authority.certificate) - now < RENEW_BEFORE_MS
    ):
        authority = make_authority(names, now)
        _store(folder, "authority", authority)
        made.append("a local authority")
    server = _stored(folder, "server")
    if server is None or not _serves(server, authority, names, now):
        server = make_server(authority, names, now)
        _store(folder, "server", server)
        made.append(f"a server certificate until {to_rfc3339(expires_at(server.certificate))}")
    bundle = folder / "bundle.pem"
    text = bundle_text(roots, _pem(authority.certificate))
    if not bundle.exists() or bundle.read_bytes() != text:
        _write(bundle, text, mode=0o644)
    return CertificateFiles(
        folder / "server.pem",
        folder / "server-key.pem",
        bundle,
        names_of(server.certificate),
        expires_at(server.certificate),
        tuple(made),
    )


def use_supplied(
    folder: Path, certificate: Path, key: Path, now: Instant, roots: Path | None
) -> CertificateFiles:
    """Serve with a certificate from elsewhere; only the bundle is written to `folder`.

    Raises:
        InvalidInput: if a file cannot be read, they do not fit together, or it has expired.
    """
    try:
        chain = certificate.read_bytes()
        first = x509.load_pem_x509_certificates(chain)[0]
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(
            "server.certificate_file or server.private_key_file cannot be read as PEM without a "
            f"password ({type(error).__name__}); name files that this user can read"
        ) from error
    if _public_bytes(private.public_key()) != _public_bytes(first.public_key()):
        raise InvalidInput(
            "server.private_key_file is not the key of server.certificate_file; name both of one"
        )
    if expires_at(first) <= now:
        raise InvalidInput(
            f"server.certificate_file expired at {to_rfc3339(expires_at(first))}; renew it"
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    bundle = folder / "bundle.pem"
    _write(bundle, bundle_text(roots, chain), mode=0o644)
    return CertificateFiles(certificate, key, bundle, names_of(first), expires_at(first), ())


def describe(certificate: Path) -> Description:
    """What the first certificate of a file is for, and until when.

    Raises:
        InvalidInput: if the file cannot be read.
    """
    try:
        first = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{certificate} holds no certificate; start `bailee serve`") from error
    return Description(names_of(first), expires_at(first))


def _serves(server: Issued, authority: Issued, names: Sequence[str], now: Instant) -> bool:
    certificate = server.certificate
    with contextlib.suppress(InvalidSignature, ValueError):
        certificate.verify_directly_issued_by(authority.certificate)
        wanted = {*ALWAYS_NAMES, *names}
        return (
            set(names_of(certificate)) == wanted
            and expires_at(certificate) - now >= RENEW_BEFORE_MS
        )
    return False


def _stored(folder: Path, name: str) -> Issued | None:
    """A certificate and key of `folder`; None if absent, unreadable or of two pairs."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())
        key = serialization.load_pem_private_key(
            (folder / f"{name}-key.pem").read_bytes(), password=None
        )
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    if _public_bytes(key.public_key()) != _public_bytes(certificate.public_key()):
        return None
    return Issued(certificate, key)


def _store(folder: Path, name: str, issued: Issued) -> None:
    private = issued.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(folder / f"{name}-key.pem", private, mode=0o600)
    _write(folder / f"{name}.pem", _pem(issued.certificate), mode=0o644)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _public_bytes(key: object) -> bytes:
    public_bytes = getattr(key, "public_bytes", None)
    if public_bytes is None:
        return b""
    encoded: bytes = public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded
