"""A keeper keeps what the port promises of things that are kept until they are deleted."""

from itertools import count
from typing import NamedTuple

import msgspec
import pytest
from msgspec.structs import replace
from tests.support.keeper_served import KeeperFor
from tests.support.keeper_world import (
    ABUSE,
    CREDENTIAL,
    NOW,
    OTHER_CREDENTIAL,
    OTHER_PROJECT,
    OWNER,
    PROJECT,
    REGION,
    SCOPE,
    World,
    epoch_name,
)

from bailee.custody.keeper import keys
from bailee.custody.keeper.signatures import (
    verify_object_public_key,
    verify_statement,
    verify_work_grant,
)
from bailee.custody.seal.held import (
    CHUNK_BYTES,
    HeldKey,
    KeyBlock,
    Recipient,
    new_held_key,
    unwrap_held_key,
)
from bailee.drivers.memory import SeededRandomness
from bailee.kernel.errors import (
    DestroyedKey,
    Forbidden,
    InvalidInput,
    TamperedContent,
    UnknownKey,
)
from bailee.kernel.ids import ObjectId, ObjectKeyName, ProjectId, Purpose, ScopeKeyName
from bailee.kernel.instants import DAY_MS, HOUR_MS, Instant, epoch_due
from bailee.ports.keeper import KeeperAdministration, SealedKey

STATE = Purpose.APPLICATION_STATE
NUMBERS = count(1)


def new_name(project: ProjectId = PROJECT) -> ObjectKeyName:
    return ObjectKeyName(REGION, project, ObjectId(next(NUMBERS).to_bytes(16, "big")))


class Held(NamedTuple):
    """A thing, sealed as a gateway does it."""

    name: ObjectKeyName
    key: HeldKey
    block: KeyBlock

    @property
    def sealed(self) -> SealedKey:
        return SealedKey(self.name, self.block.encode())


async def hold(
    keeper: KeeperAdministration,
    name: ObjectKeyName | None = None,
    deadline: Instant | None = None,
    *more: Recipient,
) -> Held:
    name = name or new_name()
    (public,) = await keeper.create_objects([name], 0, deadline)
    verify_object_public_key((await keeper.status()).identity, public)
    state = Recipient(ScopeKeyName(REGION, STATE, name.project, 0), public.scope_key)
    object_keys = (public.mlkem_key, public.x25519_key)
    key, block = new_held_key(
        name, OWNER, object_keys, (state, *more), SeededRandomness(next(NUMBERS))
    )
    return Held(name, key, block)


async def test_an_owner_opens_what_a_gateway_sealed(keeper_for: KeeperFor) -> None:
    held = await hold(keeper_for("gateway"))
    contents = [b"x" * CHUNK_BYTES, b"the end"]
    chunks = [
        held.key.seal_chunk(number, content, final=number == 1)
        for number, content in enumerate(contents)
    ]
    details = held.key.seal_details(b"name", b"n" * 12)
    held.key.forget()
    (key,) = await keeper_for("gateway").open_objects(CREDENTIAL, [held.sealed])
    opened = HeldKey.opened(held.name, OWNER, held.block, key)
    assert [opened.open_chunk(n, c, final=n == 1) for n, c in enumerate(chunks)] == contents
    assert opened.open_details(details) == b"name"
    for number, final in ((0, True), (1, False), (2, False)):
        with pytest.raises(TamperedContent):
            opened.open_chunk(number, chunks[0], final=final)


async def test_a_thing_is_its_project_s_alone(keeper_for: KeeperFor) -> None:
    gateway = keeper_for("gateway")
    held = await hold(gateway)
    with pytest.raises(Forbidden):
        await gateway.open_objects(OTHER_CREDENTIAL, [held.sealed])
    with pytest.raises(Forbidden):
        await gateway.open_objects(b"sk-bailee-00112233445566aa-" + b"x" * 43, [held.sealed])
    with pytest.raises(Forbidden):
        await gateway.destroy_own_objects(OTHER_CREDENTIAL, [held.name])
    with pytest.raises(Forbidden):
        await gateway.grant_work(OTHER_CREDENTIAL, [held.name], "work", NOW)
    renamed = held.name._replace(project=OTHER_PROJECT)
    (_,) = await gateway.create_objects([renamed], 0, None)
    with pytest.raises(TamperedContent):
        await gateway.open_objects(OTHER_CREDENTIAL, [SealedKey(renamed, held.block.encode())])
    assert len(await gateway.open_objects(CREDENTIAL, [held.sealed])) == 1


async def test_creating_again_gives_the_same_key(keeper_for: KeeperFor, world: World) -> None:
    gateway, name = keeper_for("gateway"), new_name()
    first = await gateway.create_objects([name], 0, None)
    assert await gateway.create_objects([name], 0, None) == first
    await world.restart()
    assert await world.keeper.create_objects([name], 0, None) == first, "durable before it is given"


async def test_destruction_is_final_and_stated(keeper_for: KeeperFor, world: World) -> None:
    gateway = keeper_for("gateway")
    held, kept = await hold(gateway), await hold(gateway)
    before = await gateway.status()
    (statement,) = await gateway.destroy_own_objects(CREDENTIAL, [held.name])
    assert (await gateway.status()).generation == before.generation + 1, "the root has rolled"
    verify_statement(before.identity, statement)
    said = msgspec.json.decode(statement.document)
    assert (said["subject"], said["lateness_ms"]) == (held.name.subject, 0)
    assert PROJECT.hex() not in statement.document.decode()
    assert await gateway.destroy_own_objects(CREDENTIAL, [held.name]) == [statement]
    assert await keeper_for("clerk").pending_statements() == [statement]
    with pytest.raises(DestroyedKey):
        await gateway.open_objects(CREDENTIAL, [kept.sealed, held.sealed])
    with pytest.raises(DestroyedKey):
        await gateway.create_objects([held.name], 0, None)
    with pytest.raises(UnknownKey):
        await gateway.destroy_own_objects(CREDENTIAL, [new_name()])
    assert len(await gateway.open_objects(CREDENTIAL, [kept.sealed])) == 1
    await world.restart()
    with pytest.raises(DestroyedKey):
        await world.keeper.open_objects(CREDENTIAL, [held.sealed])


async def test_a_deadline_is_kept_by_the_keeper_itself(keeper_for: KeeperFor, world: World) -> None:
    gateway, clerk = keeper_for("gateway"), keeper_for("clerk")
    deadline = Instant(NOW + HOUR_MS)
    held = await hold(gateway, None, deadline)
    assert await clerk.objects_due(Instant(deadline - 1)) == []
    assert await clerk.objects_due(deadline) == [held.name]
    world.clock.set(Instant(deadline - 1))
    assert len(await gateway.open_objects(CREDENTIAL, [held.sealed])) == 1
    world.clock.set(deadline)
    with pytest.raises(DestroyedKey):
        await gateway.open_objects(CREDENTIAL, [held.sealed])
    (statement,) = await world.keeper.destroy_unasked()
    assert msgspec.json.decode(statement.document)["lateness_ms"] == 0
    assert await clerk.objects_due(deadline) == []
    with pytest.raises(InvalidInput):
        await gateway.create_objects([new_name()], 0, deadline)


async def test_a_deadline_is_brought_forward_and_never_back(keeper_for: KeeperFor) -> None:
    gateway, clerk = keeper_for("gateway"), keeper_for("clerk")
    name, late, soon = new_name(), Instant(NOW + DAY_MS), Instant(NOW + HOUR_MS)
    for deadline in (None, late, soon, late, None):
        await gateway.create_objects([name], 0, deadline)
    assert await clerk.objects_due(soon) == [name]


async def test_a_grant_opens_what_it_names_and_for_its_time(
    keeper_for: KeeperFor, world: World
) -> None:
    gateway, clerk = keeper_for("gateway"), keeper_for("worker")
    held, other = await hold(gateway), await hold(gateway)
    until = Instant(NOW + DAY_MS)
    grant = await gateway.grant_work(CREDENTIAL, [held.name], "batch/x", until)
    verify_work_grant((await gateway.status()).identity, grant)
    (key,) = await clerk.open_granted(grant, [held.sealed])
    HeldKey.opened(held.name, OWNER, held.block, key)
    for changed in (
        replace(grant, names=[held.name, other.name]),
        replace(grant, not_after=Instant(until + 1)),
        replace(grant, work="batch/y"),
    ):
        with pytest.raises(Forbidden):
            await clerk.open_granted(changed, [held.sealed])
    with pytest.raises(Forbidden):
        await clerk.open_granted(grant, [other.sealed])
    with pytest.raises(InvalidInput):
        await gateway.grant_work(CREDENTIAL, [held.name], "x", Instant(NOW + 31 * DAY_MS))
    world.clock.set(Instant(until + 1))
    with pytest.raises(Forbidden):
        await clerk.open_granted(grant, [held.sealed])
    world.clock.set(Instant(until + 2))
    await keeper_for("clerk").destroy_objects([held.name])
    with pytest.raises(DestroyedKey):
        await gateway.grant_work(CREDENTIAL, [held.name], "x", Instant(until + 3))


async def test_a_destroyed_project_takes_its_things_along(
    keeper_for: KeeperFor, world: World
) -> None:
    gateway = keeper_for("gateway")
    held = await hold(gateway)
    scope = ScopeKeyName(REGION, STATE, PROJECT, 0)
    await keeper_for("administrator").destroy_scopes([scope])
    with pytest.raises(DestroyedKey):
        await gateway.open_objects(CREDENTIAL, [held.sealed])
    with pytest.raises(DestroyedKey):
        await gateway.create_objects([new_name()], 0, None)
    assert len(await gateway.create_objects([new_name()], 1, None)) == 1, "another generation"


async def test_a_wrap_with_an_epoch_needs_all_three_keys(world: World) -> None:
    keeper = world.keeper
    epoch = epoch_name()
    public = await keeper.epoch_public_key(epoch)
    scope = await keeper.scope_public_key(SCOPE)
    monitoring = Recipient(SCOPE, scope.x25519_key, epoch, (public.mlkem_key, public.x25519_key))
    held = await hold(keeper, None, None, monitoring)
    state = keeper._keyring.state
    secret = state.object_secret(held.name).secret
    epoch_secret, scope_secret = state.epoch_secret(epoch), state.scope_secret(SCOPE)
    object_keys = (
        keys.object_mlkem_key(held.name, secret),
        keys.object_x25519_key(held.name, secret),
    )
    scope_key = keys.scope_x25519_key(SCOPE, scope_secret)
    epoch_keys = (
        keys.epoch_mlkem_key(epoch, epoch_secret),
        keys.epoch_x25519_key(epoch, epoch_secret),
    )
    key = unwrap_held_key(held.name, OWNER, held.block, ABUSE, object_keys, scope_key, epoch_keys)
    HeldKey.opened(held.name, OWNER, held.block, key)
    with pytest.raises(TamperedContent):
        unwrap_held_key(held.name, OWNER, held.block, ABUSE, object_keys, scope_key)
    with pytest.raises(TamperedContent):
        unwrap_held_key(held.name, OWNER, held.block, STATE, object_keys, scope_key)
    assert KeyBlock.decode(held.block.encode()) == held.block
    world.clock.set(epoch_due(epoch.epoch))
    await keeper.destroy_epochs([epoch])
    assert len(await keeper.open_objects(CREDENTIAL, [held.sealed])) == 1, "state outlives it"


@pytest.mark.parametrize("at", [0, 9, 30, 1200, 1230, 1240, -1])
async def test_a_changed_key_block_does_not_open(world: World, at: int) -> None:
    held = await hold(world.keeper)
    changed = bytearray(held.block.encode())
    changed[at] ^= 1

    async def open_it() -> None:
        sealed = SealedKey(held.name, bytes(changed))
        (key,) = await world.keeper.open_objects(CREDENTIAL, [sealed])
        HeldKey.opened(held.name, OWNER, held.block, key)

    with pytest.raises((TamperedContent, DestroyedKey, UnknownKey)):
        await open_it()
