"""Admin keys as authorities before the keeper, called directly or over its socket."""

import pytest
from msgspec.structs import replace
from tests.support.keeper_served import KeeperFor
from tests.support.keeper_world import (
    ADMIN_KEY,
    CREDENTIAL,
    OTHER_ADMIN_KEY,
    OTHER_CREDENTIAL,
    OTHER_PROJECT,
    OTHER_TENANT,
    PROJECT,
    TENANT,
    World,
)

from bailee.kernel.errors import Forbidden, InvalidInput
from bailee.kernel.ids import ProjectId
from bailee.kernel.instants import Instant
from bailee.ports.keeper import KeeperAdministration

NEW = b"sk-bailee-00112233445566ee-" + b"E" * 43
NEW_ADMIN = b"sk-admin-00112233445566ff-" + b"F" * 43
NEW_PROJECT = ProjectId(b"n" * 16)


@pytest.fixture
async def gateway(keeper_for: KeeperFor) -> KeeperAdministration:
    """A gateway, after two organisations have got an admin key each."""
    administrator = keeper_for("administrator")
    await administrator.register_administrator(ADMIN_KEY, TENANT, None)
    await administrator.register_administrator(OTHER_ADMIN_KEY, OTHER_TENANT, None)
    return keeper_for("gateway")


async def test_a_gateway_registers_and_revokes_with_an_admin_key_alone(
    gateway: KeeperAdministration, world: World
) -> None:
    record = await world.seal_record()
    request = replace(await world.request(record), credential=NEW)
    for authority in (b"", CREDENTIAL, OTHER_ADMIN_KEY, NEW_ADMIN, b"sk-admin-no"):
        with pytest.raises(Forbidden):
            await gateway.register_credential(NEW, TENANT, PROJECT, None, authority)
        with pytest.raises(Forbidden):
            await gateway.register_administrator(NEW_ADMIN, TENANT, None, authority)
        with pytest.raises(Forbidden):
            await gateway.revoke_credential(b"00112233445566aa", authority)
    with pytest.raises(Forbidden):
        await gateway.open_part(request)
    await gateway.register_credential(NEW, TENANT, PROJECT, None, ADMIN_KEY)
    assert await gateway.open_part(request)
    await gateway.revoke_credential(b"00112233445566ee", ADMIN_KEY)
    with pytest.raises(Forbidden):
        await gateway.open_part(request)
    assert await gateway.open_part(replace(request, credential=CREDENTIAL))


async def test_an_authority_does_not_reach_another_organisations_project(
    gateway: KeeperAdministration,
) -> None:
    with pytest.raises(Forbidden):
        await gateway.register_credential(NEW, TENANT, OTHER_PROJECT, None, ADMIN_KEY)
    with pytest.raises(Forbidden):
        await gateway.register_credential(NEW, OTHER_TENANT, OTHER_PROJECT, None, ADMIN_KEY)
    await gateway.register_credential(NEW, TENANT, NEW_PROJECT, None, ADMIN_KEY)


async def test_an_admin_key_opens_nothing(gateway: KeeperAdministration, world: World) -> None:
    request = await world.request(await world.seal_record())
    for credential in (ADMIN_KEY, OTHER_CREDENTIAL):
        with pytest.raises(Forbidden):
            await gateway.open_part(replace(request, credential=credential))
    with pytest.raises(Forbidden):
        await gateway.open_objects(ADMIN_KEY, [])
    with pytest.raises(InvalidInput):
        await gateway.register_credential(NEW_ADMIN, TENANT, PROJECT, None, ADMIN_KEY)
    with pytest.raises(InvalidInput):
        await gateway.register_administrator(NEW, TENANT, None, ADMIN_KEY)


async def test_a_revoked_or_expired_admin_key_is_no_authority(
    gateway: KeeperAdministration, world: World
) -> None:
    end = Instant(world.clock.now() + 1000)
    await gateway.register_administrator(NEW_ADMIN, TENANT, end, ADMIN_KEY)
    await gateway.register_credential(NEW, TENANT, PROJECT, None, NEW_ADMIN)
    await gateway.revoke_credential(b"admin-00112233445566cc", NEW_ADMIN)
    with pytest.raises(Forbidden):
        await gateway.register_credential(NEW, TENANT, PROJECT, None, ADMIN_KEY)
    world.clock.set(end)
    with pytest.raises(Forbidden):
        await gateway.register_credential(NEW, TENANT, PROJECT, None, NEW_ADMIN)


async def test_admin_keys_outlive_a_restart(gateway: KeeperAdministration, world: World) -> None:
    await gateway.register_administrator(NEW_ADMIN, TENANT, None, ADMIN_KEY)
    await world.restart()
    await world.keeper.register_credential(NEW, TENANT, PROJECT, None, NEW_ADMIN)
