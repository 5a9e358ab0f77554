"""The Responses API on a real installation with its real model, by the official SDK."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, OpenAI
from openai.types.responses import Response
from tests.fixtures.clients import REAL, Mirror, await_model, backend, in_client_environment
from tests.fixtures.installation import Installation, installation
from tests.fixtures.model import model_file
from tests.fixtures.waiting import until

pytestmark = pytest.mark.journey

TOOL: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object"},
    "strict": True,
}


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    with Mirror().running() as made:
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mirror: Mirror) -> Iterator[Installation]:
    with installation(
        tmp_path_factory.mktemp("responses"),
        model_file=model_file(),
        settings=backend("mirror", mirror.url, {"mirror": "mirror"}),
    ) as made:
        await_model(made)
        with in_client_environment(made):
            yield made


@pytest.fixture
def client(place: Installation) -> Iterator[OpenAI]:
    with OpenAI(max_retries=0) as made:
        yield made


def test_the_real_model_answers(client: OpenAI) -> None:
    options: Any = {"model": REAL, "input": "Say hi", "temperature": 0, "extra_body": {"seed": 7}}
    raw = client.responses.with_raw_response.create(max_output_tokens=4, **options)
    whole = raw.parse()
    assert whole.output_text
    assert (whole.status, whole.usage and whole.usage.output_tokens) == ("incomplete", 4)
    assert whole.incomplete_details is not None
    assert whole.incomplete_details.reason == "max_output_tokens"
    assert raw.headers["bailee-record"].startswith("rec_")
    with client.responses.stream(max_output_tokens=4, **options) as stream:
        events = list(stream)
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.output_text == whole.output_text
    assert events[-1].response.usage == whole.usage


async def test_the_real_model_answers_the_async_client(place: Installation) -> None:
    async with AsyncOpenAI(max_retries=0) as client:
        answer = await client.responses.create(
            model=REAL,
            instructions="Answer in one word.",
            input=[{"role": "user", "content": [{"type": "input_text", "text": "Say hi"}]}],
            max_output_tokens=16,
            include=["message.output_text.logprobs"],
            top_logprobs=2,
        )
    (message,) = answer.output
    assert message.type == "message"
    (text,) = message.content
    assert text.type == "output_text"
    assert len((text.logprobs or [])[0].top_logprobs) == 2


def test_the_real_model_keeps_to_a_schema(client: OpenAI) -> None:
    schema: Any = {"type": "json_schema", "name": "x", "schema": {"enum": ["a lock", "a tide"]}}
    answer = client.responses.create(
        model=REAL, input="Say hi", max_output_tokens=16, text={"format": schema}
    )
    assert json.loads(answer.output_text) in ("a lock", "a tide")


def test_a_tool_of_the_mirror_is_called(client: OpenAI) -> None:
    answer = client.responses.create(model="mirror", input="Weather in Busan?", tools=[TOOL])
    (call,) = answer.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Busan"}


# What is kept for its owner.


def items_said(place: Mirror) -> Any:
    return [
        (message["role"], message["content"])
        for message in json.loads(place.calls()[-1].body)["messages"]
    ]


def test_a_response_is_stored_read_listed_and_deleted(client: OpenAI) -> None:
    raw = client.responses.with_raw_response.create(
        model="mirror", input="lemon", metadata={"a": "b"}
    )
    made = raw.parse()
    assert "application_state=(" in raw.headers["bailee-handling"]
    assert client.responses.retrieve(made.id) == made
    told = list(client.responses.retrieve(made.id, stream=True))
    assert told[-1].type == "response.completed"
    assert told[-1].response == made
    rest = list(client.responses.retrieve(made.id, stream=True, starting_after=3))
    assert rest == told[4:]
    (item,) = client.responses.input_items.list(made.id).data
    assert item.type == "message"
    assert item.to_dict()["content"] == [{"type": "input_text", "text": "lemon"}]
    client.responses.delete(made.id)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(NotFoundError):
        client.responses.delete(made.id)


def test_a_response_that_is_not_stored_cannot_be_asked_for(client: OpenAI) -> None:
    made = client.responses.create(model="mirror", input="hi", store=False)
    with pytest.raises(NotFoundError):
        client.responses.retrieve(made.id)


def test_a_chain_remembers_until_one_of_it_is_deleted(client: OpenAI, mirror: Mirror) -> None:
    first = client.responses.create(model="mirror", input="one", instructions="not carried over")
    with client.responses.stream(
        model="mirror", input="two", previous_response_id=first.id
    ) as stream:
        second = stream.get_final_response()
    third = client.responses.create(
        model="mirror", input="three", previous_response_id=second.id, instructions="now"
    )
    assert items_said(mirror) == [
        ("system", "now"),
        ("user", "one"),
        ("assistant", "you said one"),
        ("user", "two"),
        ("assistant", "yousaidtwo"),
        ("user", "three"),
    ]
    assert third.previous_response_id == second.id
    client.responses.delete(first.id)
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model="mirror", input="four", previous_response_id=third.id)
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"


def test_a_conversation_keeps_what_is_said_in_it(client: OpenAI, mirror: Mirror) -> None:
    conversation = client.conversations.create(
        metadata={"topic": "fruit"}, items=[{"role": "user", "content": "lemon"}]
    )
    client.conversations.items.create(
        conversation.id, items=[{"role": "assistant", "content": "sour"}]
    )
    made = client.responses.create(model="mirror", input="and?", conversation=conversation.id)
    assert made.conversation is not None
    assert made.conversation.id == conversation.id
    assert items_said(mirror) == [("user", "lemon"), ("assistant", "sour"), ("user", "and?")]
    items = list(client.conversations.items.list(conversation.id, order="asc", limit=2))
    texts = [item.to_dict()["content"][0]["text"] for item in items]  # type: ignore[index]
    assert texts == ["lemon", "sour", "and?", "you said and?"]
    name = items[1].id or ""
    found = client.conversations.items.retrieve(name, conversation_id=conversation.id)
    assert found == items[1]
    client.conversations.items.delete(name, conversation_id=conversation.id)
    client.responses.create(model="mirror", input="so", conversation={"id": conversation.id})
    assert items_said(mirror) == [
        ("user", "lemon"),
        ("user", "and?"),
        ("assistant", "you said and?"),
        ("user", "so"),
    ]
    wrong: Any
    spoken = {"role": "user", "content": [{"type": "output_text", "text": "lemon"}]}
    for wrong, field in (
        ([5], "items[0]"),
        ([{"type": {}}], "items[0].type"),
        ([{"role": "user", "content": "fits"}, spoken], "items[1].content[0].type"),
    ):
        with pytest.raises(BadRequestError) as refused:
            client.conversations.items.create(conversation.id, items=wrong)
        assert refused.value.param == field
    changed = client.conversations.update(conversation.id, metadata={"topic": "more"})
    assert client.conversations.retrieve(conversation.id) == changed
    assert changed.metadata == {"topic": "more"}
    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(NotFoundError):
        client.conversations.items.list(conversation.id)
    with pytest.raises(BadRequestError):
        client.responses.create(model="mirror", input="so", conversation=conversation.id)


def test_a_response_is_made_in_the_background(client: OpenAI) -> None:
    queued = client.responses.create(model="mirror", input="slowly", background=True)
    assert (queued.status, queued.output) == ("queued", [])
    finished = polled(client, queued.id)
    assert (finished.status, finished.output_text) == ("completed", "you said slowly")
    assert client.responses.cancel(queued.id).status == "completed"
    broken = client.responses.create(model="mirror", input="[fail]", background=True)
    failed = polled(client, broken.id)
    assert failed.status == "failed"
    assert failed.error is not None
    assert list(client.responses.retrieve(broken.id, stream=True))[-1].type == "response.failed"


def test_a_response_in_the_background_is_cancelled(client: OpenAI, mirror: Mirror) -> None:
    queued = client.responses.create(model="mirror", input="[wait]", background=True)
    until(lambda: b"[wait]" in mirror.calls()[-1].body, "the backend has the request")
    assert client.responses.cancel(queued.id).status == "cancelled"
    until(mirror.left, "the backend was let go")
    assert client.responses.retrieve(queued.id).status == "cancelled"
    with pytest.raises(BadRequestError, match="was cancelled") as refused:
        client.responses.retrieve(queued.id, stream=True)
    assert refused.value.param == "stream"


def test_only_a_stored_response_is_made_in_the_background(client: OpenAI) -> None:
    with pytest.raises(BadRequestError):
        client.responses.create(model="mirror", input="x", background=True, store=False)
    made = client.responses.create(model="mirror", input="x")
    with pytest.raises(BadRequestError):
        client.responses.cancel(made.id)


def test_chat_completions_are_stored_when_asked(client: OpenAI) -> None:
    names = []
    for word in ("one", "two", "three"):
        made = client.chat.completions.create(
            model="mirror",
            messages=[{"role": "user", "content": word}],
            store=True,
            metadata={"batch": "a" if word != "two" else "b"},
        )
        names.append(made.id)
    assert len(set(names)) == 3
    assert client.chat.completions.retrieve(names[0]).choices[0].message.content == "you said one"
    listed = [one.id for one in client.chat.completions.list(limit=1, metadata={"batch": "a"})]
    assert listed == [names[0], names[2]]
    changed = client.chat.completions.update(names[0], metadata={"batch": "c"})
    assert changed.to_dict()["metadata"] == {"batch": "c"}
    (message,) = client.chat.completions.messages.list(names[0]).data
    assert (message.role, message.content) == ("user", "one")
    assert client.chat.completions.delete(names[0]).deleted
    with pytest.raises(NotFoundError):
        client.chat.completions.retrieve(names[0])


def test_metadata_of_another_type_is_named(client: OpenAI) -> None:
    metadata: Any = {"SECRET": 1}
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(
            model="mirror",
            messages=[{"role": "user", "content": "x"}],
            store=True,
            metadata=metadata,
        )
    assert refused.value.param == "metadata"
    assert "SECRET" not in str(refused.value)


IMAGE: Any = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"input": [{"role": "user", "content": [IMAGE]}]}, "input[0].content[0]"),
        ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": []}, "input"),
    ],
)
def test_the_local_models_refusals_name_what_the_client_sent(
    client: OpenAI, members: dict[str, Any], param: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        client.responses.create(model=REAL, **members)
    assert refused.value.param == param
    assert f"'{param}'" in str(refused.value)


def test_a_streamed_chat_completion_is_stored_as_it_was_told(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model="mirror", messages=[{"role": "user", "content": "x"}], store=True, stream=True
    )
    chunks = list(stream)
    (name,) = {chunk.id for chunk in chunks}
    stored = client.chat.completions.retrieve(name)
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert stored.choices[0].message.content == told
    assert stored.choices[0].finish_reason == "stop"


def polled(client: OpenAI, name: str) -> Response:
    def over() -> bool:
        return client.responses.retrieve(name).status not in ("queued", "in_progress")

    until(over, "the Response is over")
    return client.responses.retrieve(name)
