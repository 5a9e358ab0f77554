"""The drivers that each port's suite runs over. A new driver of a port is one line here.

Drivers that keep the ledger, the outbox and the leases together (they share transactions) are
registered in `database_drivers.py`.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from tests.contracts.database_drivers import DATABASES, DatabaseDriver, DatabasePorts, postgres
from tests.support.keeper_served import KeeperFor, served
from tests.support.keeper_world import World

from bailee.drivers.files_local import LocalFiles
from bailee.drivers.memory import (
    InlineOffload,
    MemoryFiles,
    MemoryObjects,
    MemoryRateLimit,
)
from bailee.drivers.objects import FolderObjects, RegionalObjects, RemoteObjects
from bailee.drivers.rate_limit_shared import LeasedRateLimit, SharedRateLimit
from bailee.kernel.ids import Region
from bailee.ports.files import Files
from bailee.ports.objects import Objects
from bailee.ports.rate_limit import RateLimit

FILES: dict[str, Callable[[Path], Files]] = {
    "memory": lambda _folder: MemoryFiles(),
    "files_local": LocalFiles,
}
OBJECTS: dict[str, Callable[[Path], Objects]] = {
    "memory": lambda _folder: MemoryObjects(),
    "folder": lambda folder: FolderObjects(folder, InlineOffload()),
    "obstore": lambda _folder: RemoteObjects(MemoryStore()),
    "regional": lambda _folder: RegionalObjects(MemoryObjects(), Region("us")),
}
RATE_LIMITS: dict[str, Callable[[Path], RateLimit]] = {
    "memory": lambda _folder: MemoryRateLimit(),
    "rate_limit_shared": lambda folder: SharedRateLimit(folder / "counts"),
    "rate_limit_shared_crowded": lambda folder: SharedRateLimit(
        folder / "counts", buckets=1, slots=1
    ),
    "rate_limit_leased": lambda folder: LeasedRateLimit(SharedRateLimit(folder / "counts")),
}


@pytest.fixture(params=list(FILES))
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return FILES[request.param](tmp_path / "files")


@pytest.fixture(params=list(OBJECTS))
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    return OBJECTS[request.param](tmp_path / "objects")


@pytest.fixture(params=list(RATE_LIMITS))
def rate_limit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RateLimit]:
    counts = RATE_LIMITS[request.param](tmp_path)
    yield counts
    if isinstance(counts, SharedRateLimit | LeasedRateLimit):
        counts.close()


@pytest.fixture(params=[*DATABASES, "postgres"])
def database_driver(request: pytest.FixtureRequest) -> DatabaseDriver:
    # PostgreSQL alone needs something that is started: no other driver waits for it.
    if request.param == "postgres":
        return partial(postgres, request.getfixturevalue("postgres_database"))
    return DATABASES[request.param]


@pytest.fixture
async def database(database_driver: DatabaseDriver) -> AsyncIterator[DatabasePorts]:
    async with database_driver() as ports:
        yield ports


@pytest.fixture
async def world() -> World:
    return await World().begin()


@pytest.fixture(params=["direct", "socket"])
async def keeper_for(
    request: pytest.FixtureRequest, world: World, tmp_path: Path
) -> AsyncIterator[KeeperFor]:
    if request.param == "direct":
        yield world.keeper.for_role
    else:
        async with served(world, tmp_path / "keeper.sock") as clients:
            yield clients
