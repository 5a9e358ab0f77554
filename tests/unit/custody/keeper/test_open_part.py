"""What stands between a request and a content key."""

import pytest
from msgspec.structs import replace
from tests.support.keeper_world import (
    CREDENTIAL,
    LOG,
    NOW,
    OTHER_CREDENTIAL,
    OTHER_PROJECT,
    OTHER_SCOPE,
    OTHER_TENANT,
    OWNER,
    PROJECT,
    REGION,
    SCOPE,
    TENANT,
    SealedRecord,
    World,
    epoch_name,
    lease,
    sign_root,
)

from bailee.custody.journal.root import BootKey
from bailee.custody.unseal import open_for_owner
from bailee.drivers.memory import SeededRandomness
from bailee.kernel.errors import (
    Conflict,
    DestroyedKey,
    Forbidden,
    InvalidInput,
    TamperedContent,
)
from bailee.kernel.ids import Purpose, ScopeKeyName
from bailee.kernel.instants import (
    DAY_MS,
    Instant,
    epoch_deadline,
    epoch_of,
)
from bailee.ports.keeper import OpeningProof
from bailee.transparency.checkpoint import sign_checkpoint
from bailee.transparency.note import Signer


async def _opened(world: World, record: SealedRecord) -> list[bytes]:
    contents = []
    for stored, proof in zip(record.stored, record.proofs, strict=True):

        async def prove(_: int, proof: OpeningProof = proof) -> OpeningProof:
            return await world.prove(proof)

        keeper = world.keeper.for_role("gateway")
        contents.append(bytes(await open_for_owner(keeper, lease(), stored, prove)))
    return contents


async def test_an_owner_reads_prompt_and_answer() -> None:
    world = await World().begin()
    record = await world.seal_record((b"what was asked", b"", b"what was answered" * 999), before=5)
    world.log(record.proofs[0].log_leaf.replace(b'"parts":8', b'"parts":9'))
    assert await _opened(world, record) == record.contents


async def test_opening_goes_on_while_the_log_grows_and_after_a_restart() -> None:
    world = await World().begin()
    first = await world.seal_record(journal=1)
    assert await _opened(world, first) == first.contents
    second = await world.seal_record(journal=2)
    assert await _opened(world, second) == second.contents
    await world.restart()
    assert (await world.keeper.status()).log_size == 2
    assert await _opened(world, first) == first.contents


async def test_the_deadline_is_exact() -> None:
    world = await World().begin()
    record = await world.seal_record()
    request = await world.request(record)
    deadline = epoch_deadline(epoch_of(NOW))
    world.clock.set(Instant(deadline - 1))
    assert len(await world.keeper.open_part(request)) == 32
    world.clock.set(deadline)
    with pytest.raises(DestroyedKey):
        await world.keeper.open_part(request)
    assert (await world.keeper.status()).live_epochs, "refused although nothing was destroyed yet"


async def test_time_that_goes_back_reopens_nothing() -> None:
    world = await World().begin()
    record = await world.seal_record()
    request = await world.request(record)
    world.clock.set(epoch_deadline(epoch_of(NOW)))
    with pytest.raises(DestroyedKey):
        await world.keeper.open_part(request)
    world.clock.set(NOW)
    with pytest.raises(DestroyedKey):
        await world.keeper.open_part(request)


async def test_what_was_destroyed_does_not_open() -> None:
    world = await World().begin()
    record = await world.seal_record()
    request = await world.request(record)
    await world.keeper.destroy_scopes([SCOPE])
    with pytest.raises(DestroyedKey):
        await world.keeper.open_part(request)


@pytest.mark.parametrize(
    "credential",
    [
        b"",
        b"sk-bailee-",
        CREDENTIAL[:-1] + b"B",
        CREDENTIAL + b"A",
        b"sk-bailee-00112233445566cc-" + b"A" * 43,
    ],
)
async def test_a_wrong_credential_opens_nothing(credential: bytes) -> None:
    world = await World().begin()
    record = await world.seal_record()
    with pytest.raises(Forbidden):
        await world.keeper.open_part(await world.request(record, credential=credential))


async def test_another_projects_credential_opens_nothing() -> None:
    world = await World().begin()
    record = await world.seal_record()
    with pytest.raises(Forbidden):
        await world.keeper.open_part(await world.request(record, credential=OTHER_CREDENTIAL))


async def test_a_revoked_or_expired_credential_opens_nothing() -> None:
    world = await World().begin()
    record = await world.seal_record()
    request = await world.request(record)
    expires_at = Instant(NOW + DAY_MS)
    await world.keeper.register_credential(CREDENTIAL, TENANT, PROJECT, expires_at)
    assert len(await world.keeper.open_part(request)) == 32
    world.clock.set(expires_at)
    with pytest.raises(Forbidden):
        await world.keeper.open_part(request)
    await world.keeper.register_credential(CREDENTIAL, TENANT, PROJECT, None)
    assert len(await world.keeper.open_part(request)) == 32
    await world.keeper.revoke_credential(b"00112233445566aa")
    await world.keeper.revoke_credential(b"00112233445566aa")
    with pytest.raises(Forbidden):
        await world.keeper.open_part(request)
    await world.restart()
    with pytest.raises(Forbidden):
        await world.keeper.open_part(request)
    with pytest.raises(Conflict):
        await world.keeper.register_credential(CREDENTIAL, TENANT, PROJECT, None)


async def test_a_key_revoked_before_it_was_registered_stays_revoked() -> None:
    world = await World().begin()
    await world.keeper.revoke_credential(b"00112233445566cc")
    with pytest.raises(Conflict):
        await world.keeper.register_credential(
            b"sk-bailee-00112233445566cc-" + b"C" * 43, TENANT, PROJECT, None
        )


@pytest.mark.parametrize("purpose", [Purpose.TRAINING, Purpose.LEGAL_HOLD, Purpose.SAFETY_SHARING])
async def test_an_owner_opens_only_for_an_owners_purposes(purpose: Purpose) -> None:
    world = await World().begin()
    scope = ScopeKeyName(REGION, purpose, PROJECT)
    await world.keeper.create_scope(scope)
    record = await world.seal_record(purpose=purpose, scope=scope)
    with pytest.raises(Forbidden):
        await world.keeper.open_part(await world.request(record))


async def test_keys_of_one_purpose_do_not_open_anothers_wrap() -> None:
    world = await World().begin()
    await world.keeper.create_scope(SCOPE._replace(purpose=Purpose.APPLICATION_STATE))
    await world.keeper.epoch_public_key(epoch_name(NOW, Purpose.APPLICATION_STATE))
    record = await world.seal_record()
    request = await world.request(record)
    # The pseudonyms in the header are the other epoch key's: already they do not fit.
    with pytest.raises(Forbidden):
        await world.keeper.open_part(replace(request, purpose=Purpose.APPLICATION_STATE))


async def _forged(world: World, record: SealedRecord, what: str) -> OpeningProof:
    proof = await world.prove(record.proofs[0])
    other = BootKey(SeededRandomness(99))
    epoch = epoch_of(NOW)
    match what:
        case "root signed by a key that was not certified":
            root = sign_root(other, REGION, epoch, 7, proof.count, proof.root)
            return replace(proof, root_signature=root)
        case "certificate with another key":
            certificate = replace(proof.certificate, public_key=other.public_key)
            root = sign_root(other, REGION, epoch, 7, proof.count, proof.root)
            return replace(proof, certificate=certificate, root_signature=root)
        case "another position":
            return replace(proof, frame=1)
        case "another journal":
            return replace(proof, journal=8)
        case "another count":
            return replace(proof, count=proof.count + 1)
        case "a path cut short":
            return replace(proof, path=proof.path[:-1])
        case "an entry of another journal":
            leaf = proof.log_leaf.replace(b"0000000000000007", b"0000000000000008")
            assert leaf != proof.log_leaf
            return await world.prove(replace(proof, log_leaf=leaf, log_index=world.log(leaf)))
        case "an entry that is not in the log":
            world.leaves[-1] = b"{}"
            return await world.prove(proof)
        case "a checkpoint by another log":
            stranger = Signer(LOG.verifier.name, b"M" * 32)
            return replace(
                proof, checkpoint=sign_checkpoint(len(world.leaves), world.log_root(), stranger)
            )
        case "no checkpoint":
            return replace(proof, checkpoint=b"")
    raise AssertionError(what)


@pytest.mark.parametrize(
    "what",
    [
        "root signed by a key that was not certified",
        "certificate with another key",
        "another position",
        "another journal",
        "another count",
        "a path cut short",
        "an entry of another journal",
        "an entry that is not in the log",
        "a checkpoint by another log",
        "no checkpoint",
    ],
)
async def test_nothing_opens_without_proof(what: str) -> None:
    world = await World().begin()
    record = await world.seal_record()
    proof = await _forged(world, record, what)
    request = replace(await world.request(record), proof=proof)
    with pytest.raises(InvalidInput):
        await world.keeper.open_part(request)


async def test_a_log_that_was_forked_or_rolled_back_is_refused() -> None:
    world = await World().begin()
    first = await world.seal_record(journal=1)
    early = await world.request(first)
    await world.seal_record(journal=2)
    await world.keeper.open_part(await world.request(first))
    with pytest.raises(Conflict):
        await world.keeper.open_part(early)
    world.leaves[1] = b"{}"
    with pytest.raises(InvalidInput):
        await world.keeper.open_part(await world.request(first))
    world.log(b"{}")
    with pytest.raises(Conflict):
        await world.keeper.open_part(await world.request(first))


async def test_a_certificate_counts_for_when_it_was_valid() -> None:
    world = await World().begin()
    record = await world.seal_record()
    world.clock.advance(8 * DAY_MS)
    assert len(await world.keeper.open_part(await world.request(record))) == 32


async def test_frames_of_another_session_are_refused() -> None:
    world = await World().begin()
    record = await world.seal_record(journal=1)
    other = await world.seal_record(journal=2)
    request = await world.request(record)
    for swapped in (
        replace(request, session=other.stored[0].session),
        replace(request, scope=other.stored[0].scope),
        replace(request, wrap=other.stored[0].part.wraps[0]),
        replace(request, wrap=record.stored[1].part.wraps[0]),
        replace(request, session=b""),
        replace(request, scope=b""),
    ):
        with pytest.raises(TamperedContent):
            await world.keeper.open_part(swapped)


async def test_another_projects_record_does_not_open_by_claiming_it() -> None:
    """A gateway that lies about the owner when it seals makes what nobody opens."""
    world = await World().begin()
    record = await world.seal_record(owner=OWNER, scope=OTHER_SCOPE)
    with pytest.raises(TamperedContent):
        await world.keeper.open_part(await world.request(record))
    lying = OWNER._replace(tenant=OTHER_TENANT, project=OTHER_PROJECT)
    record = await world.seal_record(owner=lying, scope=SCOPE, journal=8)
    with pytest.raises(TamperedContent):
        await world.keeper.open_part(await world.request(record, credential=OTHER_CREDENTIAL))
