"""Certificates: what may be uploaded, whom they recognise, and what commands leave behind."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.authorities import BEGIN, LASTING, Identity
from tests.unit.governance.conftest import PEPPER, Installation
from tests.unit.governance.test_snapshot import NoChanges

from bailee.drivers.memory import ManualClock
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.model import Wanted
from bailee.governance.audit.service import AuditLog, AuditTrail
from bailee.governance.certificates.chain import judge
from bailee.governance.certificates.reading import pem_of, read_certificate
from bailee.governance.certificates.service import CERTIFICATES_MAX, Certificates
from bailee.governance.tenancy.model import CreatedKey
from bailee.governance.tenancy.snapshot import FactsSnapshot
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import DAY_MS, Instant

NOW = Instant(1_795_419_000_000)
AUTHORITY = Identity.authority("Acme")
CLIENT = Identity.client("client", AUTHORITY)


def pem(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
    *extensions: x509.ExtensionType,
    ends: datetime.datetime = LASTING,
) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(BEGIN)
        .not_valid_after(ends)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = builder.sign(key, algorithm)
    return made.public_bytes(serialization.Encoding.PEM).decode()


def usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


P256 = ec.generate_private_key(ec.SECP256R1())
CA = x509.BasicConstraints(ca=True, path_length=None)
SERVERS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
GOOD = {
    "an authority's": AUTHORITY.pem,
    "an intermediate authority's": Identity.authority("below", AUTHORITY).pem,
    "a client's": CLIENT.pem,
    "a client's by itself": Identity.client("alone", None).pem,
    "without extensions": pem(P256),
    "with a word before it": "Subject: x\n" + CLIENT.pem + "\n\n",
    "RSA of 2048 bits": pem(rsa.generate_private_key(65537, 2048), CA, usage(signs=True)),
    "P-384": pem(ec.generate_private_key(ec.SECP384R1()), CA),
}
BAD = {
    "not a certificate": ("hello", "in PEM"),
    "empty": ("", "in PEM"),
    "letters beyond ASCII": ("인증서", "in PEM"),
    "no certificate inside": (
        "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n",
        "in PEM",
    ),
    "a private key": (CLIENT.key_pem, "private key"),
    "both": (CLIENT.pem + CLIENT.key_pem, "private key"),
    "two": (CLIENT.pem + AUTHORITY.pem, "more than one"),
    "too long": (CLIENT.pem + "\n" * 40_000, "longer than"),
    "expired": (pem(P256, ends=BEGIN + datetime.timedelta(days=1)), "expired at 2020-01-02"),
    "a weak key": (pem(rsa.generate_private_key(65537, 1024)), "Its key is neither"),  # noqa: S505
    "another curve": (pem(ec.generate_private_key(ec.SECP256K1())), "Its key is neither"),
    "another kind of key": (pem(ed25519.Ed25519PrivateKey.generate()), "Its key is neither"),
    "an authority's that may not sign": (pem(P256, CA, usage(signs=False)), "may not sign"),
    "for servers": (pem(P256, SERVERS), "clientAuth"),
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_what_may_be_uploaded(text: str) -> None:
    read = read_certificate(text, NOW)
    assert (read.valid_at, read.expires_at) == (
        int(BEGIN.timestamp()) * 1000,
        int(LASTING.timestamp()) * 1000,
    )
    assert pem_of(read.content).strip() in text
    assert read_certificate(pem_of(read.content), NOW) == read


@pytest.mark.parametrize(("text", "why"), BAD.values(), ids=BAD)
def test_what_may_not_be_uploaded(text: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why) as refused:
        read_certificate(text, NOW)
    assert refused.value.field == "certificate"
    assert "hello" not in str(refused.value)


def test_version_1_is_refused() -> None:
    """What `openssl x509 -req` makes without an extension file, in older releases."""
    with pytest.raises(InvalidInput, match="version 3"):
        read_certificate(VERSION_1, NOW)


def test_whom_certificates_recognise() -> None:
    below = Identity.authority("below", AUTHORITY)
    deep = Identity.client("deep", below)
    other = Identity.authority("Acme")
    ends = BEGIN + datetime.timedelta(days=4000)
    ending = Identity.client("ending", AUTHORITY, ends=ends)
    end = Instant(int(ends.timestamp()) * 1000)

    def recognised(shown: tuple[bytes, ...], *active: bytes, at: Instant = NOW) -> bool:
        return judge(shown, active, at).accepted

    assert recognised(CLIENT.chain, AUTHORITY.der)
    assert recognised(CLIENT.chain, other.der, AUTHORITY.der)
    assert recognised(CLIENT.chain, CLIENT.der)
    assert recognised(deep.chain, AUTHORITY.der)
    assert recognised(deep.chain[:1], below.der), "an authority may stand below another"
    assert recognised((*CLIENT.chain, other.der, below.der), AUTHORITY.der), "more than needed"
    assert not recognised((), AUTHORITY.der)
    assert not recognised(CLIENT.chain, other.der)
    assert not recognised(deep.chain[:1], AUTHORITY.der)
    assert not recognised((CLIENT.der, AUTHORITY.der), other.der)
    assert not recognised((b"no certificate",), AUTHORITY.der)
    assert not recognised(CLIENT.chain, b""), "one that has just been deleted recognises nobody"
    assert not recognised(Identity.client("x", CLIENT).chain, CLIENT.der)
    assert judge(ending.chain, (AUTHORITY.der,), NOW).until == end, "the first to end"
    assert not recognised(ending.chain, AUTHORITY.der, at=Instant(end + 1000))
    assert not recognised((ending.der,), ending.der, at=Instant(end + 1000))
    assert judge(CLIENT.chain, (other.der,), NOW).until > NOW


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def key(installation: Installation) -> CreatedKey:
    organisation = await installation.tenancy.create_organisation("Acme")
    project = await installation.tenancy.create_project(organisation.tenant, "one", Region("us"))
    return await installation.tenancy.create_key(project.tenant, project.project, "laptop")


@pytest.fixture
def tenant(key: CreatedKey) -> TenantId:
    return key.key.tenant


@pytest.fixture
def certificates(administrator_engine: AsyncEngine, clock: ManualClock) -> Certificates:
    randomness = SystemRandomness()
    trail = AuditTrail("operator", clock, randomness)
    return Certificates(PostgresDatabase(administrator_engine), clock, randomness, trail)


async def test_activating_is_all_or_nothing_and_repeatable(
    certificates: Certificates,
    tenant: TenantId,
    key: CreatedKey,
    administrator_engine: AsyncEngine,
) -> None:
    project = key.key.project
    one = (await certificates.upload(tenant, AUTHORITY.pem, "one")).certificate
    two = (await certificates.upload(tenant, CLIENT.pem, None)).certificate

    async def active(scope: ProjectId | None) -> list[bytes]:
        listed = await certificates.all(tenant, scope)
        return [found.known.certificate for found in listed if found.active]

    with pytest.raises(NotFound):
        await certificates.activate(tenant, None, [one, bytes(16)])
    assert await active(None) == []
    for wrong in ([], [one] * 11):
        with pytest.raises(InvalidInput):
            await certificates.activate(tenant, None, wrong)
    with pytest.raises(NotFound):
        await certificates.activate(tenant, ProjectId(bytes(16)), [one])
    for _ in range(2):
        toggled = await certificates.activate(tenant, project, [two, one, two])
        assert [(found.known.certificate, found.active) for found in toggled] == [
            (two, True),
            (one, True),
        ]
    assert (await active(project), await active(None)) == ([one, two], [])
    await certificates.activate(tenant, None, [one])
    await certificates.deactivate(tenant, project, [one])
    assert (await active(project), await active(None)) == ([two], [one])
    for held in (one, two):
        with pytest.raises(Conflict, match="Deactivate"):
            await certificates.remove(tenant, held)
    await certificates.deactivate(tenant, None, [one, two])
    await certificates.deactivate(tenant, project, [one, two])
    await certificates.remove(tenant, two)
    with pytest.raises(NotFound):
        await certificates.one(tenant, two)
    events = await AuditLog(PostgresDatabase(administrator_engine)).events(tenant, Wanted(), 20)
    assert [event.type for event in events] == [
        "certificate.deleted",
        "certificates.deactivated",
        "certificates.deactivated",
        "certificates.deactivated",
        "certificates.activated",
        "certificates.activated",
        "certificate.created",
        "certificate.created",
    ], "what changed nothing is no event"
    assert events[0].details["certificate"] == CLIENT.pem
    assert events[5].project == project


async def test_as_many_as_may_be(
    certificates: Certificates, tenant: TenantId, clock: ManualClock
) -> None:
    first = await certificates.upload(tenant, AUTHORITY.pem, "first")
    with pytest.raises(Conflict, match="has this certificate"):
        await certificates.upload(tenant, "again\n" + AUTHORITY.pem, "again")
    for number in range(CERTIFICATES_MAX - 1):
        await certificates.upload(tenant, Identity.client(f"{number}", AUTHORITY).pem, None)
    with pytest.raises(Conflict, match="at most 50"):
        await certificates.upload(tenant, CLIENT.pem, None)
    await certificates.remove(tenant, first.certificate)
    await certificates.upload(tenant, CLIENT.pem, "last")
    with pytest.raises(InvalidInput) as refused:
        await certificates.upload(tenant, CLIENT.pem, " ")
    assert refused.value.field == "name"


async def test_an_expired_one_is_not_activated_and_can_still_be_deactivated(
    certificates: Certificates, tenant: TenantId, clock: ManualClock
) -> None:
    ends = datetime.datetime.fromtimestamp(NOW / 1000, datetime.UTC) + datetime.timedelta(days=1)
    soon = await certificates.upload(tenant, Identity.client("s", None, ends=ends).pem, None)
    named = [soon.certificate]
    await certificates.activate(tenant, None, named)
    clock.advance(2 * DAY_MS)
    await certificates.activate(tenant, None, named)
    await certificates.deactivate(tenant, None, named)
    with pytest.raises(Conflict, match="expired"):
        await certificates.activate(tenant, None, named)


async def test_gateways_learn_what_is_active(
    certificates: Certificates,
    tenant: TenantId,
    key: CreatedKey,
    gateway_engine: AsyncEngine,
) -> None:
    clock = SystemClock()
    facts = FactsSnapshot(PostgresDatabase(gateway_engine), NoChanges(), clock, PEPPER)

    async def wanted() -> tuple[bytes, ...]:
        await facts.refresh()
        return facts.authenticate(bytes(key.credential), clock.now()).client_certificates

    assert await wanted() == ()
    one = (await certificates.upload(tenant, AUTHORITY.pem, "one")).certificate
    two = (await certificates.upload(tenant, CLIENT.pem, "two")).certificate
    assert await wanted() == ()
    await certificates.activate(tenant, key.key.project, [two])
    assert await wanted() == (CLIENT.der,)
    await certificates.activate(tenant, None, [one])
    assert await wanted() == (AUTHORITY.der, CLIENT.der)
    fresh = FactsSnapshot(PostgresDatabase(gateway_engine), NoChanges(), clock, PEPPER)
    await fresh.refresh()
    known = fresh.authenticate(bytes(key.credential), clock.now())
    assert known.client_certificates == (AUTHORITY.der, CLIENT.der)
    await certificates.deactivate(tenant, key.key.project, [two])
    await certificates.deactivate(tenant, None, [one])
    await certificates.remove(tenant, one)
    assert await wanted() == ()


VERSION_1 = """\
-----BEGIN CERTIFICATE-----
MIIBFDCBuwIUYWZGj1j/pY3LpT1GMuR5hk0BN1IwCgYIKoZIzj0EAwIwDDEKMAgG
A1UEAwwBeDAgFw0yNjExMjYwMzQyMzlaGA8yMTI2MTEwMjAzNDIzOVowDDEKMAgG
A1UEAwwBeDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHOAZAqlXAGK9wR8Z0Vs
+t9yxM7Oa7yuk8K2MMvwBZ83BHSpkvd9cPMdFCyXQerugh8N3OgVCRlBj7u6ubrI
QTQwCgYIKoZIzj0EAwIDSAAwRQIhANSgfm/PxZEkEGB6916vh/AIhH6XQ4KbnDM+
49vci7RvAiB8Mr4kuswuWy+CduTY1aPVV6ccXyKlIvuCBRxs5D6SOw==
-----END CERTIFICATE-----
"""
