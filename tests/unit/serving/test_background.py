"""Responses in the background and what is kept, with a real database and a real keeper."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.fixtures.waiting import until_async
from tests.unit.application_state.conftest import MINE, House, house

from bailee.application_state.chat_completions import ChatCompletions
from bailee.application_state.conversations import Conversations
from bailee.application_state.responses import Responses
from bailee.drivers.memory import SeededRandomness
from bailee.kernel.errors import InvalidInput, NotFound, Unavailable
from bailee.policy.decide import Decider
from bailee.policy.load import packaged_policy
from bailee.policy.model import BackendTerms, RetentionMode
from bailee.ports.backend import BackendAnswer, BackendCall
from bailee.serving.background import LONGEST_S, Background, Job
from bailee.serving.call import CHAT_COMPLETIONS, RESPONSES, Operation, parse
from bailee.serving.caller import Caller
from bailee.serving.errors import Because, CallRefused
from bailee.serving.kept import ApplicationState, KeptRecording, kept_until
from bailee.serving.prefix_cache import salt_from
from bailee.serving.recording import UNRECORDED
from bailee.serving.responding import Prepared, Responding
from bailee.serving.routing import Plan, Planner, Route, ServedModel

__all__ = ["house"]

CALLER = Caller(b"\x01" * 8, MINE.owner.tenant, MINE.owner.project, MINE.owner.region, 0)
ZERO = CALLER._replace(retention_mode=RetentionMode.ZERO_DATA_RETENTION)
MODIFIED = CALLER._replace(retention_mode=RetentionMode.MODIFIED_ABUSE_MONITORING)
CREDENTIAL = bytes(MINE.right).decode() if isinstance(MINE.right, bytes) else ""
CHAT_ANSWER = json.dumps(
    {"choices": [{"index": 0, "message": {"content": "done"}, "finish_reason": "stop"}]}
).encode()


class Answer:
    """An answer that comes when it is let."""

    status = 200
    content_type = "application/json"

    def __init__(self, let: asyncio.Event) -> None:
        self._let = let
        self.abandoned = False

    def retry_after_s(self) -> float | None:
        return None

    async def read(self) -> bytes:
        await self._let.wait()
        return CHAT_ANSWER

    async def chunks(self) -> AsyncIterator[bytes]:
        yield await self.read()

    def abandon(self) -> None:
        self.abandoned = True


class OneBackend:
    """A backend that gives one answer."""

    def __init__(self) -> None:
        self.let = asyncio.Event()
        self.answer = Answer(self.let)
        self.asked = asyncio.Event()

    async def send(self, call: BackendCall) -> BackendAnswer:
        self.asked.set()
        return self.answer

    async def check(self) -> None:
        """Nothing to check."""

    async def close(self) -> None:
        """Nothing to close."""


class Worker:
    """One worker of an installation, as far as Responses go."""

    def __init__(self, house: House) -> None:
        self.backend = OneBackend()
        clock = house.world.clock
        self.clock = clock
        terms = BackendTerms(CALLER.region, 0, False, True, True)
        served = ServedModel("m", 1, "bailee", (Route("one", self.backend, "m", terms),))
        self.planner = Planner(
            {"m": served},
            Decider(packaged_policy()),
            salt_of=salt_from(b"s" * 32),
            keeps_application_state=True,
        )
        self.state = ApplicationState(
            Responses(house.keeping, house.deletion),
            Conversations(house.keeping, house.deletion),
            ChatCompletions(house.keeping, house.deletion),
        )
        self.responding = Responding(self.planner, self.state, clock, SeededRandomness(5))
        self.background = Background(self.state.responses, clock)

    async def prepare(
        self, caller: Caller = CALLER, operation: Operation = RESPONSES, **members: Any
    ) -> tuple[Prepared, Plan]:
        given: dict[str, Any] = {"input": "hi"} if operation is RESPONSES else {"messages": []}
        body = json.dumps({"model": "m", **given, **members}).encode()
        call = parse(operation, body)
        plan = self.planner.plan(caller, call, self.clock.now())
        return await self.responding.prepare(call, plan, CREDENTIAL), plan

    async def begin(self) -> str:
        prepared, plan = await self.prepare(background=True)
        assert prepared.response is not None
        job = Job(
            prepared.call, plan.routes, prepared.response, kept_until(plan.decision), UNRECORDED,
            lambda _used: None, prepared.keep,
        )  # fmt: skip
        queued = json.loads(await self.background.begin(job))
        assert queued["status"] == "queued"
        name: str = queued["id"]
        return name

    async def read(self, name: str) -> dict[str, Any]:
        return await self.background.read(MINE, name)

    async def over(self, name: str, status: str) -> dict[str, Any]:
        """The Response once it has a status."""
        found: dict[str, Any] = {}

        async def look() -> bool:
            nonlocal found
            found = await self.read(name)
            return bool(found["status"] == status)

        async with asyncio.timeout(10):
            while not await look():  # noqa: ASYNC110 - a database is asked
                await asyncio.sleep(0.02)
        return found


async def test_it_is_queued_worked_on_and_completed(house: House) -> None:
    worker = Worker(house)
    name = await worker.begin()
    await worker.over(name, "in_progress")
    worker.backend.let.set()
    done = await worker.over(name, "completed")
    assert done["output"][0]["content"][0]["text"] == "done"
    assert (done["background"], done["store"]) == (True, True)
    assert await worker.background.cancel(MINE, name) == done


async def test_another_worker_cancels_it(house: House) -> None:
    worker, other = Worker(house), Worker(house)
    name = await worker.begin()
    await worker.backend.asked.wait()
    assert (await other.background.cancel(MINE, name))["status"] == "cancelled"
    await until_async(lambda: worker.backend.answer.abandoned, "the backend is let go")
    await worker.background.drain()
    assert (await worker.read(name))["status"] == "cancelled"


async def test_deleting_it_stops_it(house: House) -> None:
    worker = Worker(house)
    name = await worker.begin()
    await worker.backend.asked.wait()
    await worker.state.responses.delete(MINE, name)
    await until_async(lambda: worker.backend.answer.abandoned, "the backend is let go")
    await worker.background.drain()
    with pytest.raises(NotFound):
        await worker.read(name)


async def test_a_worker_that_stops_says_that_it_failed(house: House) -> None:
    worker = Worker(house)
    name = await worker.begin()
    await worker.backend.asked.wait()
    await worker.background.drain()
    failed = await worker.read(name)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")


async def test_a_worker_that_was_killed_is_noticed(house: House) -> None:
    worker, other = Worker(house), Worker(house)
    name = await worker.begin()
    await worker.over(name, "in_progress")
    house.world.clock.advance(int(LONGEST_S * 1000) + 1000)
    assert (await other.read(name))["status"] == "failed"
    await worker.background.drain()


async def test_only_background_work_is_cancelled(house: House) -> None:
    worker = Worker(house)
    prepared, _ = await worker.prepare()
    assert prepared.keep is not None
    translation = prepared.call.translation
    assert translation is not None
    translation.backend_call("m", native=False)
    worker.backend.let.set()
    response = json.loads(await translation.answer(worker.backend.answer).read())
    await prepared.keep()
    assert (await worker.read(response["id"]))["status"] == "completed"
    with pytest.raises(InvalidInput):
        await worker.background.cancel(MINE, response["id"])


# What is kept, and for whom it is not.


async def test_zero_retention_keeps_nothing_and_has_no_conversations(house: House) -> None:
    worker = Worker(house)
    prepared, plan = await worker.prepare(ZERO, store=True)
    assert prepared.keep is None
    assert not plan.recorded
    made = await worker.state.conversations.create(MINE, {}, [])
    with pytest.raises(CallRefused) as refused:
        await worker.prepare(ZERO, conversation=made["id"])
    assert refused.value.because is Because.POLICY
    with pytest.raises(CallRefused) as background:
        await worker.prepare(ZERO, background=True)
    assert background.value.field == "background"
    assert "nothing may be stored" in str(background.value)


async def test_modified_monitoring_keeps_state_and_makes_no_record(house: House) -> None:
    worker = Worker(house)
    prepared, plan = await worker.prepare(MODIFIED)
    assert prepared.keep is not None
    assert not plan.recorded


async def test_store_is_followed(house: House) -> None:
    worker = Worker(house)
    assert (await worker.prepare(store=False))[0].keep is None
    assert (await worker.prepare(store=True))[0].keep is not None
    assert (await worker.prepare(operation=CHAT_COMPLETIONS, store=True))[0].keep is not None
    _, plan = await worker.prepare(operation=CHAT_COMPLETIONS)
    assert not plan.decision.store


@pytest.mark.parametrize(
    ("members", "field", "code"),
    [
        (
            {"previous_response_id": "resp_none"},
            "previous_response_id",
            "previous_response_not_found",
        ),
        ({"conversation": "conv_none"}, "conversation", "conversation_not_found"),
        ({"conversation": 7}, "conversation", "invalid_value"),
        ({"conversation": "a", "previous_response_id": "b"}, "conversation", "invalid_value"),
        ({"background": True, "stream": True}, "stream", "unsupported_parameter"),
        ({"background": True, "store": False}, "background", "invalid_value"),
    ],
)  # fmt: skip
async def test_what_cannot_be_found_or_kept_is_refused(
    house: House, members: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(CallRefused) as refused:
        await Worker(house).prepare(**members)
    assert (refused.value.field, refused.value.name) == (field, code)


async def test_what_cannot_be_kept_is_not_answered() -> None:
    async def away() -> None:
        raise NotFound("it is gone")

    for status, broken, fails in ((200, False, True), (200, True, False), (502, False, False)):
        recording = KeptRecording(UNRECORDED, away)
        recording.answer(b"x", status, final=True, broken=broken)
        if fails:
            with pytest.raises(Unavailable):
                await recording.durable()
        else:
            await recording.durable()
