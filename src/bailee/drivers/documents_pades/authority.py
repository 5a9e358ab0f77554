"""The certificate that seals documents, and the root above it (RFC 5280, P-256).

The root vouches for this one certificate: its key is gone once it has signed it, so that nobody can
make another. Both last for thirty years, because a document is checked long after it was made. One
that the operator supplies is used as it is.
"""

import datetime
import re
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import NameOID

from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import DAY_MS, HOUR_MS, Instant, to_rfc3339

LIFETIME_MS: Final = 30 * 365 * DAY_MS
_BLOCK: Final = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----\n?", re.DOTALL)
_RENEW_BEFORE_MS: Final = 365 * DAY_MS
_BACKDATED_MS: Final = HOUR_MS


class Seal(NamedTuple):
    """A key with its certificate and those above it, all in PEM."""

    key: bytes
    chain: bytes
    """The certificate first; the root last, where it is known."""

    def __repr__(self) -> str:
        return "<Seal>"


def seal_of(pem: bytes) -> Seal:
    """A key and its chain from one PEM text."""
    blocks = _BLOCK.findall(pem)
    keys = [block for block in blocks if b"PRIVATE KEY" in block]
    chain = [block for block in blocks if b"BEGIN CERTIFICATE" in block]
    return Seal(b"".join(keys), b"".join(chain))


def make_seal(origin: str, now: Instant) -> Seal:
    """A root for an installation, a certificate below it, and that one's key.

    `origin` is the name of the installation's log, by which the certificate can be told apart.
    """
    root_key = ec.generate_private_key(ec.SECP256R1())
    root_name = _name("Bailee document root", origin)
    root = (
        _dated(now)
        .subject_name(root_name)
        .issuer_name(root_name)
        .public_key(root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(root=True), critical=True)
        .add_extension(_identifier(root_key), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    certificate = (
        _dated(now)
        .subject_name(_name("Bailee documents", origin))
        .issuer_name(root_name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(root=False), critical=True)
        .add_extension(_identifier(key), critical=False)
        .add_extension(issuer, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    return Seal(_key_pem(key), _pem(certificate) + _pem(root))


def is_fit(seal: Seal, now: Instant) -> bool:
    """Whether key and certificate belong together and last for another year."""
    try:
        certificates = x509.load_pem_x509_certificates(seal.chain)
        key = serialization.load_pem_private_key(seal.key, password=None)
    except (ValueError, TypeError):
        return False
    return _fits(key, certificates[0]) and _ends(certificates[0]) - now > _RENEW_BEFORE_MS


def check_supplied(seal: Seal, now: Instant) -> None:
    """Return if a supplied key and certificate can seal. Raises InvalidInput saying why not."""
    names = "agreements.signing_certificate_file and agreements.signing_private_key_file"
    try:
        certificate = x509.load_pem_x509_certificates(seal.chain)[0]
        key = serialization.load_pem_private_key(seal.key, password=None)
    except (ValueError, TypeError) as error:
        raise InvalidInput(
            f"{names} cannot be read as PEM without a password ({type(error).__name__})"
        ) from None
    if not _fits(key, certificate):
        raise InvalidInput(f"{names} do not belong together; name both of one")
    if _ends(certificate) <= now:
        raise InvalidInput(
            f"agreements.signing_certificate_file expired at {to_rfc3339(_ends(certificate))};"
            " renew it"
        )


def root_of(chain: bytes) -> bytes:
    """The last certificate of a chain (PEM): what must be believed to check a document."""
    return _pem(x509.load_pem_x509_certificates(chain)[-1])


def _fits(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _ends(certificate: x509.Certificate) -> Instant:
    return Instant(int(certificate.not_valid_after_utc.timestamp()) * 1000)


def _dated(now: Instant) -> x509.CertificateBuilder:
    start = datetime.datetime.fromtimestamp((now - _BACKDATED_MS) // 1000, datetime.UTC)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(milliseconds=LIFETIME_MS))
    )


def _name(common_name: str, origin: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, origin[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _identifier(key: ec.EllipticCurvePrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _usage(*, root: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not root,
        content_commitment=not root,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=root,
        crl_sign=root,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
