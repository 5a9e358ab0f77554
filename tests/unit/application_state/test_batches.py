"""A batch's state and its results under holders who all believe that it is theirs."""

import json
from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.unit.application_state.conftest import MINE, OTHERS, House

from bailee.application_state import batches
from bailee.application_state.batches import (
    Batch,
    Batches,
    NewBatch,
    change_batch,
)
from bailee.application_state.carried import FencedError
from bailee.application_state.files import Files
from bailee.application_state.keeping import Keeping, KeptFor
from bailee.application_state.model import Kind
from bailee.custody.seal.part import Owner
from bailee.drivers.memory import MemoryObjects, SeededRandomness
from bailee.governance.tenancy.errors import CredentialRefused, Refusal
from bailee.governance.tenancy.standing import standing
from bailee.kernel.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable
from bailee.kernel.instants import DAY_MS, Instant
from bailee.policy.model import RetentionMode
from bailee.ports.keeper import WorkGrant
from bailee.serving.batching.answering import LineResult
from bailee.serving.batching.results import Results

CHAT = "/v1/chat/completions"


async def piece(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def begun(house: House, whose: KeptFor = MINE) -> tuple[Batches, Batch]:
    noun = Batches(Files(house.keeping, house.deletion))
    file = await noun.files.made(MINE, "in.jsonl", "batch", None, piece(b"{}\n"))
    new = NewBatch(CHAT, file.held.public_id, b"k" * 8, {"a": "b"}, None)
    return noun, await noun.create(whose, new)


def worker(house: House, batch: Batch, seed: int) -> tuple[Keeping, KeptFor]:
    """A worker's keeping, and the right that the batch's row gives it."""
    keeper = house.world.keeper.for_role("worker")
    objects = MemoryObjects(house.bucket, house.faults)
    keeping = Keeping(
        house.keeping.database,
        keeper,
        objects,
        house.world.clock,
        SeededRandomness(seed),
        house.keeping.identity,
    )
    grant = msgspec.msgpack.decode(batch.held.work_grant or b"", type=WorkGrant)
    return keeping, KeptFor(batch.held.owner, 0, grant)


def results_of(house: House, batch: Batch, seed: int) -> Results:
    keeping, whose = worker(house, batch, seed)
    until = Instant(house.world.clock.now() + DAY_MS)
    return Results(keeping, whose, batch.held.object, batch.details.seed, until)


def result(position: int, by: str = "", *, good: bool = True) -> LineResult:
    return LineResult(position, good, json.dumps({"line": position, "by": by}).encode())


async def told(results: Results) -> tuple[list[int], list[int]]:
    output, error = await results.files()
    lines = [
        [json.loads(line)["line"] for part in [part async for part in file]
         for line in part.splitlines()]
        for file in (output, error)
    ]  # fmt: skip
    return lines[0], lines[1]


async def test_a_batch_is_its_owners_alone_and_wants_a_batch_file(house: House) -> None:
    noun, batch = await begun(house)
    found = await noun.find(MINE, batch.held.public_id)
    assert (found.status, found.details.metadata) == (batches.VALIDATING, {"a": "b"})
    with pytest.raises(NotFound):
        await noun.find(OTHERS, batch.held.public_id)
    with pytest.raises(NotFound):
        await noun.cancel(OTHERS, batch.held.public_id)
    with pytest.raises(InvalidInput):
        await noun.create(OTHERS, NewBatch(CHAT, batch.details.input_file, b"k" * 8, None, None))


async def test_results_survive_a_holder_and_are_told_once(house: House) -> None:
    _, batch = await begun(house)
    first, second = results_of(house, batch, 1), results_of(house, batch, 2)
    await first.load()
    await second.load()
    for position in (2, 0):
        first.add(result(position, "first"))
    first.add(result(5, "first", good=False))
    assert await first.keep()
    # The second has not seen it: its number is taken, and what the first has is left out.
    for position in (0, 1, 5):
        second.add(result(position, "second"))
    assert await second.keep()
    assert second.done == {0, 1, 2, 5}
    assert second.counts(6) == batches.Counts(6, 3, 1)
    # The first goes on in the belief that it is alone.
    for position in (1, 3):
        first.add(result(position, "first"))
    assert await first.keep()
    assert not await first.keep()
    third = results_of(house, batch, 3)
    assert await told(third) == ([2, 0, 1, 3], [5])
    assert third.counts(6) == batches.Counts(6, 4, 1)
    await third.drop()
    assert await told(results_of(house, batch, 4)) == ([], [])


async def test_a_number_that_a_crash_left_unfinished_is_passed_over(house: House) -> None:
    _, batch = await begun(house)
    first = results_of(house, batch, 1)
    first.add(result(0))
    house.faults.fail("objects.put_stream", Unavailable("the store is away"))
    with pytest.raises(Unavailable):
        await first.keep()
    second = results_of(house, batch, 2)
    await second.load()
    second.add(result(0))
    assert await second.keep()
    assert await first.keep()
    assert await told(results_of(house, batch, 3)) == ([0], [])


async def test_a_holder_that_was_overtaken_changes_nothing(house: House) -> None:
    noun, batch = await begun(house)
    keeping, whose = worker(house, batch, 1)
    name = batch.held.object
    await change_batch(keeping, whose, name, 7, lambda details: details, batches.IN_PROGRESS)
    await change_batch(keeping, whose, name, 8, lambda details: details)
    with pytest.raises(FencedError):
        await change_batch(keeping, whose, name, 7, lambda details: details, batches.COMPLETED)
    assert (await noun.find(MINE, batch.held.public_id)).status == batches.IN_PROGRESS


async def test_a_cancelled_batch_is_not_begun_again(house: House) -> None:
    noun, batch = await begun(house)
    keeping, whose = worker(house, batch, 1)
    name, public_id = batch.held.object, batch.held.public_id
    assert (await noun.cancel(MINE, public_id)).status == batches.CANCELLING
    assert (await noun.cancel(MINE, public_id)).status == batches.CANCELLING
    for status in (batches.IN_PROGRESS, batches.FINALIZING):
        changed = await change_batch(keeping, whose, name, 1, lambda details: details, status)
        assert changed.status == batches.CANCELLING
    await change_batch(keeping, whose, name, 1, lambda details: details, batches.CANCELLED)
    with pytest.raises(Conflict):
        await noun.cancel(MINE, public_id)
    assert set((await noun.find(MINE, public_id)).details.times) == {"cancelling", "cancelled"}


async def test_the_grant_ends(house: House) -> None:
    noun, batch = await begun(house)
    keeping, whose = worker(house, batch, 1)
    house.world.clock.advance(2 * DAY_MS + 1)
    with pytest.raises(Forbidden):
        await change_batch(keeping, whose, batch.held.object, 1, lambda details: details)
    assert (await noun.find(MINE, batch.held.public_id)).status == batches.VALIDATING
    page = await house.keeping.page(MINE, Kind.ITEMS, parent=batch.held.object)
    assert page.objects == []


async def test_what_stands_of_a_project(house: House) -> None:
    owner, database = MINE.owner, house.keeping.database
    stands = await standing(database, owner)
    assert stands.retention_mode is RetentionMode.DEFAULT
    own = house.database.as_owner
    await own("UPDATE projects SET retention_mode = NULL WHERE project = $1", owner.project)
    await own(
        "UPDATE organisations SET retention_mode = 'zero_data_retention' WHERE tenant = $1",
        owner.tenant,
    )
    assert (await standing(database, owner)).retention_mode is RetentionMode.ZERO_DATA_RETENTION
    for status, refusal in (("suspended", Refusal.SUSPENDED), ("archived", Refusal.ARCHIVED)):
        await own("UPDATE projects SET status = $1 WHERE project = $2", status, owner.project)
        with pytest.raises(CredentialRefused) as refused:
            await standing(database, owner)
        assert refused.value.refusal is refusal
    with pytest.raises(CredentialRefused):
        await standing(database, Owner(owner.tenant, OTHERS.owner.project, owner.region))
