"""No content, no row and no key of a project ever crosses into another region.

Topologies (how many regions, under which names and hosts) are drawn by Hypothesis, requests and
administrative acts by a generator with a drawn seed. Every act is sent to the gateway of a drawn
region under a drawn host name; a model says whether it may succeed. At the end every store of each
region is searched for anything of the others.
"""

import asyncio
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fixtures.postgres import FreshDatabase, fresh_databases
from tests.fixtures.regions import ABROAD, Answered, House, regions
from tests.fixtures.upstream import Received

from bailee.drivers.postgres_embedded import EmbeddedPostgres
from bailee.kernel.ids import Region
from bailee.kernel.regions import region_mark
from bailee.wiring.bench import MODEL

ACTS: Final = 500
"""Acts in each of the two topologies of `make test`: 1 % of the campaign."""
CAMPAIGN_TOPOLOGIES: Final = 20
CAMPAIGN_ACTS: Final = 5_000
Databases = Callable[[], FreshDatabase]
Topology = Mapping[Region, tuple[str, ...]]

names = st.text("abcdefgh0123456789-", min_size=1, max_size=12).map(Region)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Two to four regions, some of them told apart by their ports alone."""
    drawn = draw(st.lists(names, min_size=2, max_size=4, unique_by=region_mark))
    return {
        region: (
            draw(st.sampled_from([f"r{number}.api.example", f"localhost:{9000 + number}"])),
            f"also-{number}.example",
        )
        for number, region in enumerate(drawn)
    }


@pytest.fixture
def databases(postgres_server: EmbeddedPostgres) -> Iterator[Databases]:
    with fresh_databases(postgres_server) as fresh:
        yield fresh


class Acts:
    """Drawn acts and what must come of them."""

    def __init__(self, houses: list[House], seed: int) -> None:
        self.houses = houses
        self.chance = random.Random(seed)
        self.done = 0
        self.refused = 0
        self.answered = 0
        self._canaries = 0

    async def run(self, count: int) -> None:
        """Do `count` acts."""
        for house in self.houses:
            await self._make_project(house)
        kinds = [
            *[self._chat] * 10,
            *[self._chat_abroad] * 2,
            *[self._keep] * 2,
            *[self._read] * 3,
            *[self._list] * 2,
            *[self._batch],
            *[self._make, self._move, self._revoke],
        ]
        while self.done < count:
            await self.chance.choice(kinds)()
            self.done += 1

    async def _at(
        self,
        whose: House,
        method: str,
        path: str,
        key: str,
        body: object = None,
        form: tuple[bytes, str] | None = None,
    ) -> Answered | None:
        """Send to a drawn region under a drawn name; None: it was the wrong one, and said so."""
        chance = self.chance
        right = chance.random() < 0.5
        where = whose if right else chance.choice(self.houses)
        named = where if right or chance.random() < 0.5 else chance.choice(self.houses)
        host = chance.choice((*named.hosts, "10.0.0.1", "somewhere.example"))
        if host in named.hosts and chance.random() < 0.2 and ":" not in host:
            host = f"{host.upper()}:443"
        got = await where.ask(method, path, key, host, body, form=form)
        foreign = named is not where and host.lower().removesuffix(":443") in named.hosts
        if where is whose and not foreign:
            assert got.code != "incorrect_hostname" or path.endswith("/projects"), (path, got)
            self.answered += got.status == 200
            return got
        assert (got.status, got.code) == (401, "incorrect_hostname"), (path, got)
        assert got.document["error"]["message"].endswith(f" {whose.hosts[0]}"), got
        self.refused += 1
        return None

    def _key(self) -> tuple[House, str, bool]:
        """A key, whose it is, and whether it still lets its bearer in."""
        house = self.chance.choice(self.houses)
        key = self.chance.choice(list(house.keys))
        return house, key, key not in house.revoked

    def _canary(self, house: House) -> str:
        self._canaries += 1
        canary = f"canary-{house.region}-{self._canaries:08d}-{self.chance.getrandbits(64):016x}"
        house.names.add(canary)
        return canary

    async def _chat(self) -> None:
        house, key, good = self._live_key()
        said = [{"role": "user", "content": self._canary(house)}]
        body = {"model": MODEL, "messages": said, "store": self.chance.random() < 0.3}
        got = await self._at(house, "POST", "/v1/chat/completions", key, body)
        assert got is None or got.status == (200 if good else 401), got

    async def _chat_abroad(self) -> None:
        house, key, good = self._live_key()
        said = [{"role": "user", "content": self._canary(house)}]
        body = {"model": ABROAD, "messages": said}
        got = await self._at(house, "POST", "/v1/chat/completions", key, body)
        if got is not None:
            assert (got.status, got.code) == (403, "backend_terms") if good else (401, None), got

    async def _keep(self) -> None:
        house, key, good = self._live_key()
        form = _form(self._canary(house).encode())
        got = await self._at(house, "POST", "/v1/files", key, form=form)
        if got is not None and good:
            assert got.status == 200, got
            house.files.append(got.document["id"])

    async def _read(self) -> None:
        house, key, good = self._live_key()
        owner = self.chance.choice(self.houses)
        if owner.files:
            method, end = self.chance.choice([("GET", ""), ("GET", "/content"), ("DELETE", "")])
            file = self.chance.choice(owner.files)
            got = await self._at(house, method, f"/v1/files/{file}{end}", key)
            if got is not None and good and owner is not house:
                assert got.status == 404, got

    async def _list(self) -> None:
        house, key, _ = self._live_key()
        path = self.chance.choice(["/v1/files", "/v1/models", "/v1/chat/completions"])
        await self._at(house, "GET", path, key)

    async def _batch(self) -> None:
        house, key, good = self._live_key()
        owner = self.chance.choice(self.houses)
        if owner.files:
            body = {
                "input_file_id": self.chance.choice(owner.files),
                "endpoint": "/v1/chat/completions",
                "completion_window": "24h",
            }
            got = await self._at(house, "POST", "/v1/batches", key, body)
            if got is not None and good and owner is not house:
                assert got.status in (400, 404), got

    async def _make(self) -> None:
        await self._make_project(self.chance.choice(self.houses))

    async def _make_project(self, house: House) -> None:
        """At its own host, asking for a drawn region; then a key of it."""
        wanted = self.chance.choice([None, *(other.region for other in self.houses)])
        self._canaries += 1
        body: dict[str, object] = {"name": f"project {self._canaries}"}
        if wanted is not None:
            body["residency"] = f"{wanted.upper()}_STORAGE_PROCESSING"
        path = "/v1/organization/projects"
        got = await house.ask("POST", path, house.admin_key, house.hosts[0], body)
        if wanted not in (None, house.region):
            assert (got.status, got.code) == (401, "incorrect_hostname"), got
            self.refused += 1
            if house.projects:
                return
            got = await house.ask(
                "POST", path, house.admin_key, house.hosts[0], {"name": body["name"]}
            )
        assert got.status == 200, got
        project = got.document["id"]
        assert got.document["residency"] == f"{house.region.upper()}_STORAGE_PROCESSING"
        house.projects.append(project)
        house.names.add(project.removeprefix("proj_"))
        await self._make_key(house, project)

    async def _make_key(self, house: House, project: str) -> None:
        path = f"/v1/organization/projects/{project}/service_accounts"
        got = await house.ask("POST", path, house.admin_key, house.hosts[0], {"name": "acts"})
        assert got.status == 200, got
        key = got.document["api_key"]["value"]
        house.keys[key] = project
        house.names.add(key.split("-")[2])
        await house.gateway.snapshot.refresh()

    async def _move(self) -> None:
        """Ask for another region; at any host."""
        house = self.chance.choice(self.houses)
        wanted = self.chance.choice(self.houses).region
        project = self.chance.choice(house.projects)
        change = self.chance.choice(
            [{"residency": f"{wanted.upper()}_STORAGE_PROCESSING"}, {"geography": wanted}]
        )
        path = f"/v1/organization/projects/{project}"
        got = await self._at(house, "POST", path, house.admin_key, change)
        if got is not None:
            assert got.status == (200 if wanted == house.region else 400), got
            assert wanted == house.region or "make a new project there" in got.body.decode()

    async def _revoke(self) -> None:
        house, key, good = self._key()
        if good and len(house.keys) - len(house.revoked) > 1:
            public = key.split("-")[2]
            path = f"/v1/organization/projects/{house.keys[key]}/api_keys/key_{public}"
            got = await self._at(house, "DELETE", path, house.admin_key)
            if got is not None:
                assert got.status == 200, got
                house.revoked.add(key)
                await house.gateway.snapshot.refresh()

    def _live_key(self) -> tuple[House, str, bool]:
        """Mostly one that lets its bearer in. A revoked one is told so by its region alone."""
        return self._key()


def _form(content: bytes) -> tuple[bytes, str]:
    body = (
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="f.txt"\r\n'
        b"content-type: text/plain\r\n\r\n" + content + b"\r\n--b--\r\n"
    )
    return body, "multipart/form-data; boundary=b"


async def crossings(houses: list[House]) -> list[str]:
    """Everything of a region that is found in another, by place."""
    found = []
    for house in houses:
        foreign = await house.regions() - {house.region}
        found += [f"{house.region}: something is of {region}" for region in foreign]
        strange = {name for other in houses if other is not house for name in other.names}
        places = [*house.searched(), *(("row", row.encode()) for row in await house.rows())]
        whole = b"\n".join(content for _, content in places)
        found += [
            f"{house.region}: {name}"
            for name in strange
            if name.encode() in whole or (len(name) == 32 and bytes.fromhex(name) in whole)
        ]
    return found


async def campaign(topology: Topology, seed: int, count: int, databases: Databases) -> Acts:
    """Acts in a topology, and the search after them."""
    with tempfile.TemporaryDirectory(prefix="bailee-regions-") as root:
        async with regions(topology, Path(root), databases) as houses:
            acts = Acts(houses, seed)
            await acts.run(count)
            assert await crossings(houses) == []
            for house in houses:
                own = b"\n".join(content for _, content in house.searched())
                assert any(name.encode() in own for name in house.names), "the search finds nothing"
            return acts


async def planted(topology: Topology, databases: Databases) -> None:
    with tempfile.TemporaryDirectory(prefix="bailee-regions-") as root:
        async with regions(topology, Path(root), databases) as houses:
            await Acts(houses, 1).run(0)
            one, other = houses
            assert await crossings(houses) == []
            project = other.projects[0].removeprefix("proj_")
            for plant, take in _plants(one, bytes.fromhex(project)):
                plant()
                assert await crossings(houses) == [f"{one.region}: {project}"]
                take()
            key = f"held/{other.region}/00"
            one.bucket.store(key, b"")
            assert await crossings(houses) == [f"{one.region}: something is of {other.region}"]
            del one.bucket.objects[key]
            with pytest.raises(asyncpg.CheckViolationError):
                await one.database.as_owner("UPDATE projects SET region = $1", other.region)
            assert await crossings(houses) == []


def _plants(house: House, foreign: bytes) -> Iterator[tuple[Callable[[], object], ...]]:
    place = f"held/{house.region}/x"
    file, bucket, received = house.folder / "left", house.bucket, house.upstream.received
    yield partial(file.write_bytes, foreign), file.unlink
    yield partial(bucket.store, place, foreign), partial(bucket.objects.pop, place)
    sent = Received("POST", "/", {}, foreign.hex().encode(), 1)
    yield partial(received.append, sent), received.pop


def test_what_crossed_would_be_found(databases: Databases) -> None:
    topology = {Region("us"): ("us.example",), Region("eu"): ("eu.example",)}
    asyncio.run(planted(topology, databases))


once = settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@once
@given(topologies(), st.integers(0, 2**32))
def test_nothing_crosses(databases: Databases, topology: Topology, seed: int) -> None:
    acts = asyncio.run(campaign(topology, seed, ACTS, databases))
    assert acts.done == ACTS
    assert acts.refused > ACTS / 10
    assert acts.answered > ACTS / 10


@pytest.mark.soak
@pytest.mark.timeout(0)
@settings(once, max_examples=CAMPAIGN_TOPOLOGIES)
@given(topologies(), st.integers(0, 2**32))
def test_nothing_crosses_in_a_hundred_thousand_acts(
    databases: Databases, topology: Topology, seed: int
) -> None:
    acts = asyncio.run(campaign(topology, seed, CAMPAIGN_ACTS, databases))
    assert acts.done == CAMPAIGN_ACTS
