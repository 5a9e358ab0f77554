"""A sealed part opens in its own place, whole and unchanged, or not at all."""

from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from bailee.custody.keeper import keys
from bailee.custody.seal import opening
from bailee.custody.seal.part import KIND_PROMPT, NO_HASH, Owner, PartHeader, SealedPart, Wrap
from bailee.custody.seal.session import ScopeFrame, Session, SessionFrame, seal_part
from bailee.drivers.memory import SeededRandomness
from bailee.kernel.errors import TamperedContent
from bailee.kernel.ids import (
    EpochKeyName,
    JournalId,
    ProjectId,
    Purpose,
    RecordId,
    Region,
    ScopeKeyName,
    TenantId,
)
from bailee.kernel.instants import Epoch, Instant

EPOCH = EpochKeyName(Region("us"), Purpose.ABUSE_MONITORING, Epoch(900_000))
SCOPE = ScopeKeyName(Region("us"), Purpose.ABUSE_MONITORING, ProjectId(b"P" * 16))
OWNER = Owner(TenantId(b"T" * 16), SCOPE.project, SCOPE.region)
EPOCH_SECRET, SCOPE_SECRET = b"\x01" * 32, b"\x02" * 32
RECORD = RecordId(EPOCH.epoch, JournalId(5), 3)


class Sealed(NamedTuple):
    part: SealedPart
    session: SessionFrame
    scope: ScopeFrame


def _epoch_keys(
    name: EpochKeyName, secret: bytes = EPOCH_SECRET
) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    return keys.epoch_mlkem_key(name, secret), keys.epoch_x25519_key(name, secret)


def _seal(content: bytes, steps: int = 0) -> Sealed:
    mlkem, x25519 = _epoch_keys(EPOCH)
    session = Session(
        EPOCH,
        mlkem.public_key().public_bytes_raw(),
        x25519.public_key().public_bytes_raw(),
        SeededRandomness(1),
    )
    scope_key = keys.scope_x25519_key(SCOPE, SCOPE_SECRET).public_key().public_bytes_raw()
    chain, frame = session.chain(SCOPE, scope_key)
    assert frame is not None
    for _ in range(steps):
        chain.wrap(b"k" * 32, b"")
    header = PartHeader(
        kind=KIND_PROMPT,
        flags=0,
        endpoint=1,
        status=0,
        part=0,
        record=RECORD,
        sealed_at=Instant(1_620_000_000_000),
        tenant_pseudonym=b"t" * 16,
        project_pseudonym=b"p" * 16,
        generation=0,
        previous=NO_HASH,
        receipt_commitment=NO_HASH,
        key_commitment=b"",
        content_bytes=0,
    )
    content_key = SeededRandomness(2).random_bytes(32)
    part, _ = seal_part(RECORD, 0, header.start(), content, content_key, OWNER, (chain,))
    return Sealed(part, session.frame, frame)


def _open(
    sealed: Sealed,
    *,
    epoch: EpochKeyName = EPOCH,
    scope: ScopeKeyName = SCOPE,
    owner: Owner = OWNER,
    epoch_secret: bytes = EPOCH_SECRET,
    scope_secret: bytes = SCOPE_SECRET,
) -> bytes:
    chain_key = opening.first_chain_key(
        epoch,
        scope,
        _epoch_keys(epoch, epoch_secret),
        keys.scope_x25519_key(scope, scope_secret),
        sealed.session,
        sealed.scope,
    )
    wrap = Wrap.decode(sealed.part.wraps[0])
    content_key = opening.unwrap(chain_key, wrap, owner, sealed.part.header)
    return bytes(opening.open_content(sealed.part, content_key, owner))


STANDARD = _seal(b"what somebody asked of a model, in confidence")


def _flipped(data: bytes, position: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[position % len(data)] ^= 1 << bit
    return bytes(changed)


@given(content=st.binary(max_size=3000), steps=st.integers(0, 20))
@settings(deadline=None, max_examples=50)
def test_what_was_sealed_opens(content: bytes, steps: int) -> None:
    assert _open(_seal(content, steps)) == content


@given(
    where=st.sampled_from(["header", "wrap", "ciphertext", "session", "scope"]),
    position=st.integers(0, 1 << 16),
    bit=st.integers(0, 7),
)
@settings(deadline=None, max_examples=300)
def test_any_flipped_bit_fails(where: str, position: int, bit: int) -> None:
    part, session, scope = STANDARD
    match where:
        case "header":
            part = part._replace(header=_flipped(part.header, position, bit))
        case "wrap":
            wrap = part.wraps[0]
            # Session and scope number name frames; the chain index and the rest are the crypto's.
            at = (0, *range(21, len(wrap)))[position % (len(wrap) - 20)]
            part = part._replace(wraps=(_flipped(wrap, at, bit),))
        case "ciphertext":
            part = part._replace(ciphertext=_flipped(part.ciphertext, position, bit))
        case "session":
            changed = _flipped(session.encapsulation, position, bit)
            session = session._replace(encapsulation=changed)
        case "scope":
            scope = scope._replace(encapsulation=_flipped(scope.encapsulation, position, bit))
    with pytest.raises(TamperedContent):
        _open(Sealed(part, session, scope))


@given(tenant=st.binary(min_size=16, max_size=16), project=st.binary(min_size=16, max_size=16))
@settings(deadline=None)
def test_another_asserted_owner_does_not_open(tenant: bytes, project: bytes) -> None:
    for owner in (
        OWNER._replace(tenant=TenantId(tenant)),
        OWNER._replace(project=ProjectId(project)),
        OWNER._replace(region=Region("eu")),
    ):
        with pytest.raises(TamperedContent):
            _open(STANDARD, owner=owner)


@given(
    epoch=st.builds(
        EpochKeyName,
        st.sampled_from([Region("us"), Region("eu")]),
        st.sampled_from(Purpose),
        st.sampled_from([EPOCH.epoch, Epoch(EPOCH.epoch + 1)]),
    ),
    scope=st.builds(
        ScopeKeyName,
        st.sampled_from([Region("us"), Region("eu")]),
        st.sampled_from(Purpose),
        st.sampled_from([SCOPE.project, ProjectId(b"Q" * 16)]),
        st.integers(0, 1),
    ),
)
@settings(deadline=None, max_examples=150)
def test_a_part_opens_in_its_own_cell_only(epoch: EpochKeyName, scope: ScopeKeyName) -> None:
    """Even if two cells had the same secrets, the names are bound."""
    if (epoch, scope) == (EPOCH, SCOPE):
        return
    with pytest.raises(TamperedContent):
        _open(STANDARD, epoch=epoch, scope=scope)


@given(record=st.builds(RecordId, st.just(EPOCH.epoch), st.integers(0, 9), st.integers(0, 9)))
@settings(deadline=None)
def test_a_part_does_not_open_as_another_record(record: RecordId) -> None:
    header = PartHeader.decode(STANDARD.part.header)
    moved = STANDARD.part._replace(header=header._replace(record=record).encode())
    if record == RECORD:
        assert _open(STANDARD._replace(part=moved))
        return
    with pytest.raises(TamperedContent):
        _open(STANDARD._replace(part=moved))


def test_both_secrets_are_needed() -> None:
    assert _open(STANDARD)
    with pytest.raises(TamperedContent):
        _open(STANDARD, epoch_secret=b"\x03" * 32)
    with pytest.raises(TamperedContent):
        _open(STANDARD, scope_secret=b"\x03" * 32)


def test_another_content_key_is_refused_by_the_commitment() -> None:
    with pytest.raises(TamperedContent, match="commits"):
        opening.open_content(STANDARD.part, b"k" * 32, OWNER)


def test_nothing_expands_beyond_what_its_header_admits() -> None:
    """A worker that lies about a part's length makes what nobody opens."""
    sealed = _seal(b"\x00" * 10_000_000)
    assert len(sealed.part.ciphertext) < 2000
    lying = PartHeader.decode(sealed.part.header)._replace(content_bytes=10)
    with pytest.raises(TamperedContent):
        _open(sealed._replace(part=sealed.part._replace(header=lying.encode())))


def test_a_chain_keeps_nothing_that_opens_what_it_wrapped() -> None:
    """G2 at this level: with all that a worker holds afterwards, no earlier wrap opens."""
    mlkem, x25519 = _epoch_keys(EPOCH)
    session = Session(
        EPOCH,
        mlkem.public_key().public_bytes_raw(),
        x25519.public_key().public_bytes_raw(),
        SeededRandomness(3),
    )
    public = keys.scope_x25519_key(SCOPE, SCOPE_SECRET).public_key().public_bytes_raw()
    chain, _ = session.chain(SCOPE, public)
    before = chain._key
    remembered = bytes(bytearray(before))
    wrapped = Wrap.decode(chain.wrap(b"k" * 32, b""))
    assert before == bytes(32), "the spent key was overwritten where it lay"
    header = STANDARD.part.header
    with pytest.raises(TamperedContent):
        opening.unwrap(bytes(bytearray(chain._key)), wrapped, OWNER, header)
    assert remembered != chain._key
    after = chain._key
    session.end()
    assert after == bytes(32)
