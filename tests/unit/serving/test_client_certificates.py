"""What is remembered of a connection's certificates holds as long as it is true, and no longer."""

import datetime

import pytest
from tests.fixtures.authorities import BEGIN, Identity
from tests.fixtures.gateway import CALLER

from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.serving.client_certificates import ClientCertificates, ShownCertificates
from bailee.serving.errors import Because, CallRefused

OURS = Identity.authority("Acme")
OTHERS = Identity.authority("Rival")
BEGINS = Instant(int(BEGIN.timestamp()) * 1000)
DURING = Instant(BEGINS + 1000)


class Came:
    """A request over a connection."""

    def __init__(self, shown: ShownCertificates | None) -> None:
        self.shown_certificates = shown


def test_it_holds_until_the_first_certificate_ends() -> None:
    ends = BEGIN + datetime.timedelta(days=1)
    shown = ShownCertificates(Identity.client("client", OURS, ends=ends).chain)
    end = Instant(int(ends.timestamp()) * 1000)
    assert [shown.lead_to((OURS.der,), at) for at in (DURING, Instant(end - 1), end)] == [
        True,
        True,
        True,
    ], "a certificate is valid in its last second"
    assert not shown.lead_to((OURS.der,), Instant(end + 1000))


def test_a_refusal_is_looked_at_again() -> None:
    shown = ShownCertificates(Identity.client("client", OURS).chain)
    early = Instant(BEGINS - MINUTE_MS)
    assert not shown.lead_to((OURS.der,), early), "not valid yet"
    assert shown.lead_to((OURS.der,), Instant(BEGINS + 1000))


def test_each_set_is_another() -> None:
    shown = ShownCertificates(Identity.client("client", OURS).chain)
    sets = [(OURS.der,), (OTHERS.der,), (OTHERS.der, OURS.der), (b"",), (OURS.der,)]
    assert [shown.lead_to(active, DURING) for active in sets] == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("shown", "port", "because", "said"),
    [
        (None, None, Because.CERTIFICATE_MISSING, "set server.client_certificate_port"),
        (None, 8444, Because.CERTIFICATE_MISSING, "port 8444 in the base URL"),
        ((), 8444, Because.CERTIFICATE_MISSING, "none was shown"),
        ((OTHERS.der,), 8444, Because.CERTIFICATE_REFUSED, "Show another"),
    ],
)
def test_a_refusal_says_what_to_do(
    shown: tuple[bytes, ...] | None, port: int | None, because: Because, said: str
) -> None:
    came = Came(None if shown is None else ShownCertificates(shown))
    check = ClientCertificates(port).check
    check(CALLER, came, DURING)
    with pytest.raises(CallRefused, match=said) as refused:
        check(CALLER._replace(client_certificates=(OURS.der,)), came, DURING)
    assert refused.value.because is because
