"""Makes the local authority and the server's certificate (RFC 5280, P-256 throughout).

The authority carries critical name constraints (RFC 5280, 4.2.1.10): were its key stolen, it could
impersonate this installation's names and no other site.
"""

import datetime
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bailee.kernel.instants import DAY_MS, HOUR_MS, Instant

AUTHORITY_LIFETIME_MS: Final = 3650 * DAY_MS
SERVER_LIFETIME_MS: Final = 397 * DAY_MS
"""The longest that clients accept; measured from `not before`, which lies an hour back."""
RENEW_BEFORE_MS: Final = 30 * DAY_MS
ALWAYS_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_BACKDATED_MS: Final = HOUR_MS


class Issued(NamedTuple):
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_authority(names: Sequence[str], now: Instant) -> Issued:
    """A self-signed authority that may vouch for loopback and `names` only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name("Bailee local authority")
    networks = [x509.IPAddress(ip_network("127.0.0.0/8")), x509.IPAddress(ip_network("::1/128"))]
    domains: list[x509.GeneralName] = [x509.DNSName("localhost")]
    for name in names:
        address = _address(name)
        if address is None:
            domains.append(x509.DNSName(name.removeprefix("*.")))
        else:
            networks.append(x509.IPAddress(ip_network(address)))
    builder = (
        _dated(x509.CertificateBuilder(), now, AUTHORITY_LIFETIME_MS)
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints([*domains, *networks], None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Issued(builder.sign(key, hashes.SHA256()), key)


def make_server(authority: Issued, names: Sequence[str], now: Instant) -> Issued:
    """A server certificate for loopback and `names`, under `authority`, with a fresh key."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key())
    builder = (
        _dated(x509.CertificateBuilder(), now, SERVER_LIFETIME_MS)
        .subject_name(_name("Bailee"))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key),
            critical=False,
        )
    )
    return Issued(builder.sign(authority.key, hashes.SHA256()), key)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names and addresses that a server certificate is for; empty if it says none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def may_vouch_for(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    """Whether an authority made here was made for all of `names`."""
    try:
        limits = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    permitted = list(limits.permitted_subtrees or [])
    for name in names:
        address = _address(name)
        wanted: x509.GeneralName = (
            x509.DNSName(name.removeprefix("*."))
            if address is None
            else x509.IPAddress(ip_network(address))
        )
        if wanted not in permitted:
            return False
    return True


def expires_at(certificate: x509.Certificate) -> Instant:
    """The instant after which a certificate is not valid."""
    return Instant(int(certificate.not_valid_after_utc.timestamp()) * 1000)


def _dated(
    builder: x509.CertificateBuilder, now: Instant, lifetime_ms: int
) -> x509.CertificateBuilder:
    start = now - _BACKDATED_MS
    moment = datetime.datetime.fromtimestamp(start // 1000, datetime.UTC)
    # RFC 5280 counts both ends: one second less keeps the whole within the lifetime.
    length = datetime.timedelta(milliseconds=lifetime_ms) - datetime.timedelta(seconds=1)
    return builder.not_valid_before(moment).not_valid_after(moment + length)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys((*ALWAYS_NAMES, *names)):
        address = _address(name)
        found.append(x509.DNSName(name) if address is None else x509.IPAddress(ip_address(address)))
    return found


def _address(name: str) -> str | None:
    try:
        return str(ip_address(name))
    except ValueError:
        return None
