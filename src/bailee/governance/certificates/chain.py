"""Whether the certificates that a client showed lead to one of the active ones.

RFC 5280 path building and checking is the library's (`cryptography.x509.verification`). What is
asked of extensions is less than of the certificates of web sites: private authorities leave out
names and key usages. Revocation lists are not asked: an organisation deactivates.
"""

import datetime
from collections.abc import Sequence
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from bailee.governance.certificates.reading import CLIENT_USAGES, is_authority
from bailee.kernel.instants import MINUTE_MS, Instant

INTERMEDIATES_MAX: Final = 8
_REFUSED_FOR_MS: Final = MINUTE_MS
"""How long a refusal stands: a certificate may not be valid yet."""


class Verdict(NamedTuple):
    """What was found, and how long it stands."""

    accepted: bool
    until: Instant


def judge(shown: Sequence[bytes], active: Sequence[bytes], now: Instant) -> Verdict:
    """Whether what a client showed is, or chains to, one of the `active` certificates (all DER).

    The first of `shown` is the client's own, whose private key it has proven to hold. What cannot
    be read leads nowhere.
    """
    refused = Verdict(False, Instant(now + _REFUSED_FOR_MS))
    if not shown:
        return refused
    try:
        own = x509.load_der_x509_certificate(shown[0])
        if shown[0] in active:
            return _within_its_time(own, now) or refused
        between = [x509.load_der_x509_certificate(der) for der in shown[1 : INTERMEDIATES_MAX + 1]]
        anchors = [x509.load_der_x509_certificate(der) for der in active if der]
        anchors = [anchor for anchor in anchors if is_authority(anchor)]
        if not anchors:
            return refused
        verifier = (
            PolicyBuilder()
            .store(Store(anchors))
            .time(_moment(now))
            .extension_policies(ca_policy=_AUTHORITY, ee_policy=_CLIENT)
            .build_client_verifier()
        )
        found = verifier.verify(own, between).chain
    except (ValueError, VerificationError, x509.DuplicateExtension):
        return refused
    return Verdict(True, min(map(_ends, found)))


def _within_its_time(own: x509.Certificate, now: Instant) -> Verdict | None:
    if not own.not_valid_before_utc <= _moment(now) <= own.not_valid_after_utc:
        return None
    return Verdict(True, _ends(own))


def _ends(certificate: x509.Certificate) -> Instant:
    return Instant(int(certificate.not_valid_after_utc.timestamp()) * 1000)


def _moment(now: Instant) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(now // 1000, datetime.UTC)


def _vouches(_policy: Policy, _of: x509.Certificate, found: x509.BasicConstraints) -> None:
    if not found.ca:
        raise ValueError("no authority")


def _signs(_policy: Policy, _of: x509.Certificate, found: x509.KeyUsage | None) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("signs no certificates")


def _for_clients(
    _policy: Policy, _of: x509.Certificate, found: x509.ExtendedKeyUsage | None
) -> None:
    if found is not None and not CLIENT_USAGES.intersection(found):
        raise ValueError("not for clients")


_AUTHORITY: Final = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _vouches)
    .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _signs)
)
_CLIENT: Final = ExtensionPolicy.permit_all().may_be_present(
    x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _for_clients
)
