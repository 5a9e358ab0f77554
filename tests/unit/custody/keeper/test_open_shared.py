"""What was shared for training: it opens for that while sharing stands, and never after."""

import pytest
from msgspec.structs import replace
from tests.support.keeper_world import (
    ABUSE,
    NOW,
    OTHER_PROJECT,
    OTHER_TENANT,
    OWNER,
    PROJECT,
    REGION,
    SCOPE,
    SealedRecord,
    World,
    epoch_name,
)

from bailee.custody.seal import opening
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import DestroyedKey, Forbidden, TamperedContent, UnknownKey
from bailee.kernel.ids import Purpose, Region, ScopeKeyName
from bailee.kernel.instants import Instant, epoch_deadline, epoch_of
from bailee.ports.keeper import OpenPart, TrainingScope

TRAINING = Purpose.TRAINING


def scope(generation: int = 0) -> ScopeKeyName:
    return ScopeKeyName(REGION, TRAINING, PROJECT, generation)


def ended(generation: int = 0) -> TrainingScope:
    return TrainingScope(REGION, PROJECT, generation, bytes((generation,)) * 32)


async def share(world: World, generation: int = 0, journal: int = 7) -> SealedRecord:
    await world.keeper.create_scope(scope(generation))
    return await world.seal_record(
        owner=OWNER, scope=scope(generation), purpose=TRAINING, journal=journal
    )


async def test_what_is_shared_opens_until_it_is_withdrawn() -> None:
    world = await World().begin()
    record = await share(world)
    for number, content in enumerate(record.contents):
        request = await world.request(record, number)
        key = await world.keeper.open_shared(OWNER, request)
        assert opening.open_content(record.stored[number].part, key, OWNER) == content
    request = await world.request(record)
    await world.keeper.for_role("gateway").destroy_training([ended()])
    for _ in range(2):
        with pytest.raises(DestroyedKey):
            await world.keeper.open_shared(OWNER, request)
        await world.restart()
    again = await share(world, generation=1, journal=8)
    assert len(await world.keeper.open_shared(OWNER, await world.request(again))) == 32
    with pytest.raises(DestroyedKey):
        await world.keeper.open_shared(OWNER, await world.request(record))


async def test_what_was_sealed_for_another_purpose_does_not_open() -> None:
    world = await World().begin()
    await share(world)
    kept = await world.seal_record(journal=9)
    request = await world.request(kept)
    assert request.purpose is ABUSE
    with pytest.raises(Forbidden):
        await world.keeper.open_shared(OWNER, request)
    with pytest.raises(TamperedContent):
        await world.keeper.open_shared(OWNER, replace(request, purpose=TRAINING))
    shared = await world.request(await share(world, journal=10))
    with pytest.raises(Forbidden):
        await world.keeper.open_part(shared)
    with pytest.raises((TamperedContent, Forbidden)):
        await world.keeper.open_part(replace(shared, purpose=ABUSE))


async def test_it_opens_as_its_owners_alone() -> None:
    world = await World().begin()
    request = await world.request(await share(world))
    other = ScopeKeyName(REGION, TRAINING, OTHER_PROJECT)
    with pytest.raises(UnknownKey):
        await world.keeper.open_shared(Owner(OTHER_TENANT, OTHER_PROJECT, REGION), request)
    await world.keeper.create_scope(other)
    for owner in (
        Owner(OTHER_TENANT, OTHER_PROJECT, REGION),
        OWNER._replace(tenant=OTHER_TENANT),
        OWNER._replace(region=Region("eu")),
    ):
        with pytest.raises((TamperedContent, Forbidden)):
            await world.keeper.open_shared(owner, request)


async def test_the_deadline_is_the_half_hours() -> None:
    world = await World().begin()
    request: OpenPart = await world.request(await share(world))
    deadline = epoch_deadline(epoch_of(NOW))
    world.clock.set(Instant(deadline - 1))
    assert len(await world.keeper.open_shared(OWNER, request)) == 32
    world.clock.set(deadline)
    with pytest.raises(DestroyedKey):
        await world.keeper.open_shared(OWNER, request)
    await world.keeper.destroy_epochs([epoch_name(purpose=TRAINING)])
    with pytest.raises(DestroyedKey):
        await world.keeper.open_shared(OWNER, request)


async def test_monitoring_goes_on_when_sharing_ends() -> None:
    world = await World().begin()
    await share(world)
    kept = await world.seal_record(scope=SCOPE, journal=9)
    await world.keeper.destroy_training([ended()])
    assert len(await world.keeper.open_part(await world.request(kept))) == 32
