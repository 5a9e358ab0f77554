"""Reading an uploaded certificate: one, of X.509 version 3, by which clients can be recognised.

It is either an authority's, and then vouches for the certificates of clients, or a client's own.
Whether anybody should believe it is not asked here: that is what uploading it says.
"""

from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from bailee.governance.certificates.model import Read
from bailee.kernel.errors import InvalidInput
from bailee.kernel.instants import Instant, to_rfc3339

Extension = TypeVar("Extension", bound=x509.ExtensionType)

FIELD: Final = "certificate"
_TEXT_MAX: Final = 32 * 1024
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_RSA_BITS_MIN: Final = 2048
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
CLIENT_USAGES: Final = frozenset(
    {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
)


def read_certificate(text: str, now: Instant) -> Read:
    """Read a certificate in PEM. Raises InvalidInput for one that cannot do what it is for."""
    certificate = _parsed(text)
    expires_at = Instant(int(certificate.not_valid_after_utc.timestamp()) * 1000)
    if expires_at <= now:
        raise _refused(f"It expired at {to_rfc3339(expires_at)}. Upload one that is valid.")
    _check_key(certificate)
    try:
        _check_use(certificate)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise _refused("Its extensions cannot be read. Have it issued anew.") from None
    return Read(
        certificate.public_bytes(Encoding.DER),
        Instant(int(certificate.not_valid_before_utc.timestamp()) * 1000),
        expires_at,
    )


def pem_of(content: bytes) -> str:
    """A certificate as PEM."""
    return x509.load_der_x509_certificate(content).public_bytes(Encoding.PEM).decode("ascii")


def _parsed(text: str) -> x509.Certificate:
    if len(text) > _TEXT_MAX:
        raise _refused(f"It is longer than {_TEXT_MAX} characters. Upload one certificate alone.")
    if "PRIVATE KEY-----" in text:
        raise _refused(
            "It holds a private key, which belongs to your client alone. Upload the certificate, "
            "and replace the key: it has been sent."
        )
    if text.count(_BEGIN) > 1:
        raise _refused("It is more than one certificate. Upload each by itself.")
    try:
        certificate = x509.load_pem_x509_certificate(text.encode("ascii"))
        version = certificate.version
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise _refused(
            f"It is not a certificate in PEM, which begins with {_BEGIN}. Upload one."
        ) from None
    if version is not x509.Version.v3:
        raise _refused("It is not of X.509 version 3. Have it issued anew, with extensions.")
    return certificate


def _check_key(certificate: x509.Certificate) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    strong_rsa = isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS_MIN
    known_curve = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
    if not strong_rsa and not known_curve:
        raise _refused(
            f"Its key is neither RSA of at least {_RSA_BITS_MIN} bits nor on the curve P-256, "
            "P-384 or P-521. Have it issued for such a key."
        )


def _check_use(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    if is_authority(certificate):
        usage = _extension(extensions, x509.KeyUsage)
        if usage is not None and not usage.key_cert_sign:
            raise _refused("It is an authority's that may not sign certificates. Upload another.")
        return
    purposes = _extension(extensions, x509.ExtendedKeyUsage)
    if purposes is not None and not CLIENT_USAGES.intersection(purposes):
        raise _refused("It may not be used by clients (clientAuth). Have it issued for that.")


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate says that it may vouch for others."""
    constraints = _extension(certificate.extensions, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _extension(extensions: x509.Extensions, kind: type[Extension]) -> Extension | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _refused(why: str) -> InvalidInput:
    return InvalidInput(f"The certificate cannot be used. {why}", field=FIELD)
