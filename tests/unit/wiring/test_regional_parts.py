"""Every part is one region's and takes nothing of another."""

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text
from tests.fixtures.custody_world import CHAT, World
from tests.fixtures.postgres import FreshDatabase
from tests.support.keeper_world import LOG, NOW, PROJECT, TENANT

from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.service import KeeperService
from bailee.custody.seal.part import Owner
from bailee.drivers.keys_file import FileRootSlots
from bailee.drivers.memory import (
    Disk,
    InlineOffload,
    ManualClock,
    MemoryFiles,
    MemoryObjects,
    SeededRandomness,
)
from bailee.drivers.objects import RegionalObjects
from bailee.drivers.postgres.home_region import mark_database
from bailee.drivers.postgres_embedded.initialise import OWNER_ROLE
from bailee.kernel.errors import Conflict, Forbidden, InvalidInput
from bailee.kernel.ids import (
    EpochKeyName,
    ObjectId,
    ObjectKeyName,
    Purpose,
    Region,
    ScopeKeyName,
)
from bailee.kernel.instants import epoch_of
from bailee.settings import Settings
from bailee.wiring.bench import bench_settings
from bailee.wiring.places import Places
from bailee.wiring.residency import check_region, residency_of
from bailee.wiring.trust import Trust, region_of

US, EU = Region("us"), Region("eu")
TRUST = Trust(origin="example.com/log", log_key=LOG.verifier.text, node="node", region="us")


async def test_a_keeper_makes_keys_of_its_region_alone() -> None:
    files = MemoryFiles(Disk())
    slots = FileRootSlots(files)
    keeper = KeeperService(
        *(Keyring(files, slots, SeededRandomness(1)), slots, ManualClock(NOW)),
        *(SeededRandomness(2), InlineOffload(), LOG.verifier),
        region=US,
    )
    await keeper.start()
    abuse, epoch = Purpose.ABUSE_MONITORING, epoch_of(NOW)
    await keeper.create_scope(ScopeKeyName(US, abuse, PROJECT))
    await keeper.epoch_public_key(EpochKeyName(US, abuse, epoch))
    with pytest.raises(Forbidden):
        await keeper.create_scope(ScopeKeyName(EU, abuse, PROJECT))
    with pytest.raises(Forbidden):
        await keeper.epoch_public_key(EpochKeyName(EU, abuse, epoch))
    with pytest.raises(Forbidden):
        await keeper.certify_boot_key("worker", EU, b"k" * 32)
    with pytest.raises(Forbidden):
        await keeper.create_objects([ObjectKeyName(EU, PROJECT, ObjectId(b"o" * 16))], 0, None)
    assert [region for region, _, _ in (await keeper.status()).live_epochs] == [US]


async def test_a_store_holds_its_region_alone() -> None:
    inner = MemoryObjects()
    objects = RegionalObjects(inner, US)
    for key in ("held/eu/00", "segments/eu/abuse_monitoring/1/x"):
        with pytest.raises(Forbidden):
            await objects.put(key, b"")
        with pytest.raises(Forbidden):
            await objects.put_if_absent(key, b"")
        with pytest.raises(Forbidden):
            await objects.get(key)
        with pytest.raises(Forbidden):
            await objects.list(key)
    assert inner.bucket.objects == {}
    assert await objects.mark() == US
    assert await RegionalObjects(inner, EU).mark() == US


async def test_a_recorder_opens_no_journal_of_another_region() -> None:
    world = World()
    with pytest.raises(Forbidden):
        await world.recorder.open(Owner(TENANT, PROJECT, EU), 0, CHAT)


async def test_a_database_is_marked_once(postgres_database: FreshDatabase) -> None:
    owner = postgres_database.url(OWNER_ROLE)
    assert await mark_database(owner, US) == US
    assert await mark_database(owner, EU) == US


async def test_a_database_of_another_region_is_not_marked(postgres_database: FreshDatabase) -> None:
    async with postgres_database.engine("bailee_administrator") as engine, engine.begin() as own:
        await own.execute(text("SELECT set_config('bailee.tenant', '00', true)"))
        await own.execute(
            text(
                "INSERT INTO organisations (tenant, name, status, created_at)"
                " VALUES ('\\x00', 'Acme', 'active', 0)"
            )
        )
        await own.execute(
            text(
                "INSERT INTO projects (project, tenant, name, region, status, created_at)"
                " VALUES ('\\x01', '\\x00', 'one', 'eu', 'active', 0)"
            )
        )
    with pytest.raises(Conflict, match="projects of another region"):
        await mark_database(postgres_database.url(OWNER_ROLE), US)
    assert await mark_database(postgres_database.url(OWNER_ROLE), EU) == EU


def test_a_data_folder_stays_in_its_region() -> None:
    settings = bench_settings(Path("data"), 1, region="eu")
    with pytest.raises(Conflict, match="is of the region `us` and stays there"):
        region_of(settings, TRUST)
    assert region_of(settings, msgspec.structs.replace(TRUST, region=None)) == EU


async def test_all_that_is_of_another_region_is_named(
    postgres_database: FreshDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def url_of(settings: Settings, places: Places, role: str | None) -> object:
        return postgres_database.url(OWNER_ROLE)

    monkeypatch.setattr("bailee.wiring.residency.database_url", url_of)
    us = bench_settings(tmp_path, 1)
    await check_region(us, Places(tmp_path), TRUST)
    await check_region(us, Places(tmp_path), TRUST)
    eu = bench_settings(tmp_path, 1, region="eu")
    with pytest.raises(InvalidInput) as refused:
        await check_region(eu, Places(tmp_path), msgspec.structs.replace(TRUST, region=None))
    assert "its database is of `us`; its object store is of `us`" in str(refused.value)


def test_one_region_alone_has_no_others() -> None:
    assert residency_of(bench_settings(Path("data"), 1)).region == US
