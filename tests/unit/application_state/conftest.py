"""What is kept until it is deleted, with a real database and a real keeper."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest
from tests.fixtures.postgres import FreshDatabase
from tests.support.keeper_world import (
    CREDENTIAL,
    OTHER_CREDENTIAL,
    OTHER_PROJECT,
    OTHER_TENANT,
    OWNER,
    PROJECT,
    REGION,
    TENANT,
    World,
)

from bailee.application_state.deletion import Deletion
from bailee.application_state.keeping import Keeping, KeptFor
from bailee.custody.seal.part import Owner
from bailee.drivers.memory import Bucket, Faults, MemoryObjects, SeededRandomness
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.kernel.redacted import Secret
from bailee.schema.roles import CLERK, GATEWAY

MINE = KeptFor(OWNER, 0, Secret(CREDENTIAL))
OTHERS = KeptFor(Owner(OTHER_TENANT, OTHER_PROJECT, REGION), 0, Secret(OTHER_CREDENTIAL))


class House(NamedTuple):
    """One installation, as far as keeping goes."""

    world: World
    bucket: Bucket
    faults: Faults
    keeping: Keeping
    deletion: Deletion
    clerk: Deletion
    database: FreshDatabase


@pytest.fixture
async def house(postgres_database: FreshDatabase) -> AsyncIterator[House]:
    """Two projects of two organisations."""
    world, bucket, faults = await World().begin(), Bucket(), Faults()
    for tenant, project in ((TENANT, PROJECT), (OTHER_TENANT, OTHER_PROJECT)):
        await postgres_database.as_owner(
            "INSERT INTO organisations VALUES ($1, 'one', 'active', 1)", tenant
        )
        await postgres_database.as_owner(
            "INSERT INTO projects (project, tenant, name, region, retention_mode, status, "
            "created_at) VALUES ($1, $2, 'main', 'us', 'default', 'active', 1)",
            project,
            tenant,
        )
    async with postgres_database.engine(GATEWAY) as own, postgres_database.engine(CLERK) as clerks:
        objects = MemoryObjects(bucket, faults)
        gateway, clerk = world.keeper.for_role("gateway"), world.keeper.for_role("clerk")
        database = PostgresDatabase(own)
        identity = (await gateway.status()).identity
        yield House(
            world,
            bucket,
            faults,
            Keeping(database, gateway, objects, world.clock, SeededRandomness(77), identity),
            Deletion(database, gateway, objects, world.clock),
            Deletion(PostgresDatabase(clerks), clerk, objects, world.clock),
            postgres_database,
        )
