"""The one door to content: who may use it, and what it refuses by itself."""

import tomllib
from pathlib import Path

import pytest
from tests.support.keeper_world import World, lease

from bailee.custody.seal.opening import read_scope_body, read_session_body
from bailee.custody.unseal import CALLERS, open_for_owner
from bailee.kernel.errors import Conflict, TamperedContent, UnknownKey
from bailee.kernel.ids import Purpose
from bailee.ports.keeper import OpeningProof


def test_the_table_of_callers_is_the_one_that_is_enforced() -> None:
    settings = tomllib.loads(Path("pyproject.toml").read_text())
    (contract,) = [
        contract
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract.get("protected_modules") == ["bailee.custody.unseal"]
    ]
    assert set(contract["allowed_importers"]) == set(CALLERS)


async def test_a_part_that_is_not_held_for_the_purpose_is_unknown() -> None:
    world = await World().begin()
    record = await world.seal_record()

    async def prove(_: int) -> OpeningProof:
        return await world.prove(record.proofs[0])

    other = lease()._replace(purpose=Purpose.APPLICATION_STATE)
    with pytest.raises(UnknownKey):
        await open_for_owner(world.keeper.for_role("gateway"), other, record.stored[0], prove)


async def test_a_proof_that_was_overtaken_is_made_again() -> None:
    world = await World().begin()
    first = await world.seal_record(journal=1)
    overtaken = await world.prove(first.proofs[0])
    second = await world.seal_record(journal=2)
    await world.keeper.open_part(await world.request(second))
    answers = [overtaken, await world.prove(first.proofs[0])]
    keeper = world.keeper.for_role("gateway")

    async def prove(_: int) -> OpeningProof:
        return answers.pop(0)

    content = await open_for_owner(keeper, lease(), first.stored[0], prove)
    assert bytes(content) == first.contents[0]

    async def stale(_: int) -> OpeningProof:
        return overtaken

    with pytest.raises(Conflict):
        await open_for_owner(keeper, lease(), first.stored[0], stale)


@pytest.mark.parametrize("size", [0, 1, 103, 105, 1184, 1186])
def test_frames_of_another_length_are_refused(size: int) -> None:
    with pytest.raises(TamperedContent):
        read_session_body(bytes(size))
    with pytest.raises(TamperedContent):
        read_scope_body(bytes(size))


def test_a_session_frame_of_no_purpose_is_refused() -> None:
    with pytest.raises(TamperedContent):
        read_session_body(bytes(1185))
