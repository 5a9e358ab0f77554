"""Batches through the official SDK: answered on the road of single calls, delivered once each,
whatever is killed meanwhile, and to their owner alone."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import openai
import pytest
from tests.fixtures.batches import OVER, await_completed, begin, jsonl, line, results, sdk, settled
from tests.fixtures.echo import ANSWER_WORD, MODEL, answer_to
from tests.fixtures.installation import CHAT, Installation, installation
from tests.fixtures.leftovers import files_below, search

pytestmark = pytest.mark.journey

SECRET: Final = "corianderQz81"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("batches")) as made:
        yield made


@pytest.fixture
def client(place: Installation) -> Iterator[openai.OpenAI]:
    with sdk(place, place.demo) as made:
        yield made


def test_every_line_is_answered_once_and_told_in_the_apis_shapes(
    place: Installation, client: openai.OpenAI
) -> None:
    lines = [line(f"line-{number}", f"{SECRET} {number}") for number in range(12)]
    lines.append(line("line-x", f"{SECRET} [fail]"))
    batch = begin(
        client,
        jsonl(lines),
        metadata={"purpose": "herbs"},
        output_expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (batch.object, batch.status, batch.endpoint) == ("batch", "validating", CHAT)
    assert batch.expires_at == batch.created_at + 86_400
    done = settled(client, batch.id)
    assert done.status == "completed", done
    assert done.model == MODEL
    assert done.metadata == {"purpose": "herbs"}
    counts = done.request_counts
    assert (counts.total, counts.completed, counts.failed) == (13, 12, 1)
    assert done.created_at <= done.in_progress_at <= done.finalizing_at <= done.completed_at

    told = {one["custom_id"]: one for one in results(client, done.output_file_id)}
    assert len(told) == 12
    for number in range(12):
        answered = told[f"line-{number}"]
        assert answered["error"] is None
        assert answered["response"]["status_code"] == 200
        assert answered["response"]["request_id"].startswith("req_")
        content = answered["response"]["body"]["choices"][0]["message"]["content"]
        assert content == answer_to(f"{SECRET} {number}")
    assert len({one["id"] for one in told.values()}) == 12
    (failed,) = results(client, done.error_file_id)
    assert (failed["custom_id"], failed["response"]["status_code"]) == ("line-x", 500)

    output = client.files.retrieve(done.output_file_id)
    assert output.purpose == "batch_output"
    assert output.expires_at is not None
    assert 3598 <= output.expires_at - output.created_at <= 3600
    assert batch.id in [one.id for one in client.batches.list()]
    assert next(iter(client.batches.list(limit=1))).id == batch.id

    with sdk(place, place.tenant("other")) as other:
        assert list(other.batches.list()) == []
        for refused in (
            lambda: other.batches.retrieve(batch.id),
            lambda: other.batches.cancel(batch.id),
            lambda: other.files.content(done.output_file_id),
        ):
            with pytest.raises(openai.NotFoundError):
                refused()
        with pytest.raises(openai.BadRequestError) as refused_input:
            other.batches.create(
                input_file_id=batch.input_file_id, endpoint=CHAT, completion_window="24h"
            )
        assert refused_input.value.param == "input_file_id"

    words = [SECRET.encode(), ANSWER_WORD.encode()]
    assert search(files_below(place.data, place.temporary), words) == []


def test_what_is_wrong_with_the_input_is_told_by_line(client: openai.OpenAI) -> None:
    content = jsonl([line("a", "one"), line("a", SECRET), line("c", "two", stream=True)])
    content += b'{"custom_id": "' + SECRET.encode() + b"\n\n"
    content += jsonl([line("e", "three") | {"url": "/v1/embeddings"}, line("f", "x") | {"body": 3}])
    failed = settled(client, begin(client, content).id)
    assert failed.status == "failed"
    assert failed.failed_at >= failed.created_at
    assert failed.request_counts.total == 0
    assert failed.output_file_id is None
    assert [(one.line, one.code, one.param) for one in failed.errors.data] == [
        (2, "duplicate_custom_id", "custom_id"),
        (3, "unsupported_parameter", "body.stream"),
        (4, "invalid_json_line", None),
        (6, "invalid_url", "url"),
        (7, "invalid_type", "body"),
    ]
    assert SECRET not in failed.model_dump_json()


def test_requests_that_cannot_be_batches_are_refused(client: openai.OpenAI) -> None:
    file = client.files.create(file=("lines.jsonl", jsonl([line("a", "b")])), purpose="batch")
    notes = client.files.create(file=("notes.txt", b"notes"), purpose="user_data")
    asked: dict[str, Any] = {
        "input_file_id": file.id, "endpoint": CHAT, "completion_window": "24h"
    }  # fmt: skip
    for wrong, param in (
        ({"endpoint": "/v1/files"}, "endpoint"),
        ({"completion_window": "1h"}, "completion_window"),
        ({"input_file_id": "file-none"}, "input_file_id"),
        ({"input_file_id": notes.id}, "input_file_id"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 5}},
         "output_expires_after.seconds"),
    ):  # fmt: skip
        with pytest.raises(openai.BadRequestError) as refused:
            client.batches.create(**(asked | wrong))
        assert refused.value.param == param
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")


def test_an_unknown_model_fails_the_batch(client: openai.OpenAI) -> None:
    asked = line("a", "b")
    asked["body"]["model"] = "no-such-model"
    failed = settled(client, begin(client, jsonl([asked])).id)
    assert [(one.code, one.param) for one in failed.errors.data] == [
        ("model_not_found", "body.model")
    ]


def test_a_cancelled_batch_delivers_what_was_answered(
    place: Installation, client: openai.OpenAI
) -> None:
    lines = [line(f"quick-{number}", "hello") for number in range(20)]
    lines += [line(f"slow-{number}", "[wait]") for number in range(50)]
    batch = begin(client, jsonl(lines))

    await_completed(client, batch.id, 20)
    cancelling: Any = client.batches.cancel(batch.id)
    assert cancelling.status == "cancelling"
    assert cancelling.cancelling_at >= cancelling.created_at
    done = settled(client, batch.id)
    assert done.status == "cancelled"
    assert (done.request_counts.total, done.request_counts.completed) == (70, 20)
    assert {one["custom_id"] for one in results(client, done.output_file_id)} == {
        f"quick-{number}" for number in range(20)
    }
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_the_asynchronous_client_has_the_same(place: Installation) -> None:
    async def run() -> Any:
        async with openai.AsyncOpenAI(
            base_url=place.base_url,
            api_key=place.demo.key,
            http_client=httpx2.AsyncClient(verify=place.ssl_context(), timeout=60),
            max_retries=0,
        ) as client:
            file = await client.files.create(
                file=("lines.jsonl", jsonl([line("only", "hello")])), purpose="batch"
            )
            batch = await client.batches.create(
                input_file_id=file.id, endpoint=CHAT, completion_window="24h"
            )
            listed = [one.id async for one in client.batches.list()]
            assert batch.id in listed
            while batch.status not in OVER:
                batch = await client.batches.retrieve(batch.id)
            assert batch.output_file_id is not None
            return (await client.files.content(batch.output_file_id)).text

    told = json.loads(asyncio.run(run()))
    assert told["custom_id"] == "only"
    assert told["response"]["body"]["choices"][0]["message"]["content"] == answer_to("hello")


def test_a_deleted_input_takes_what_was_made_of_it_along_on_request(
    client: openai.OpenAI,
) -> None:
    content = jsonl([line("good", "hello"), line("bad", "[fail]")])
    kept, gone = (settled(client, begin(client, content).id) for _ in range(2))
    client.files.delete(kept.input_file_id)
    assert len(results(client, kept.output_file_id)) == 1
    client.files.delete(gone.input_file_id, extra_query={"derived": "true"})
    for file in (gone.input_file_id, gone.output_file_id, gone.error_file_id):
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(file)
    assert client.batches.retrieve(gone.id).status == "completed"
    assert len(results(client, kept.error_file_id)) == 1


def test_the_data_folder_is_as_its_page_says(place: Installation, client: openai.OpenAI) -> None:
    """Both ways: what the page names is there, and what is there is named."""
    client.files.create(file=("kept.txt", b"kept"), purpose="user_data")
    text = (Path(__file__).parents[2] / "docs/operating/data-folder.md").read_text("utf-8")
    said = set(re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE))
    later = {"objects/segments/"}  # journals are packed when their epoch is over
    assert {part for part in said - later if not (place.data / part).exists()} == set()
    named = {part.rstrip("/") for part in said} | {"trust"}
    there = [*place.data.iterdir(), *(place.data / "objects").iterdir()]
    locks = {"objects/.lock"}
    assert {str(path.relative_to(place.data)) for path in there} <= named | locks


def test_a_deleted_input_ends_the_batch(client: openai.OpenAI) -> None:
    batch = begin(client, jsonl([line(f"slow-{number}", "[wait]") for number in range(20)]))
    settled(client, batch.id, ("in_progress",))
    client.files.delete(batch.input_file_id)
    failed = settled(client, batch.id)
    assert failed.status == "failed"
    assert [one.code for one in failed.errors.data] == ["input_file_deleted"]


@pytest.mark.timeout(300)
def test_a_batch_outlives_whatever_is_killed(place: Installation, client: openai.OpenAI) -> None:
    lines = [line(f"line-{number}", f"{SECRET} {number} [slow]") for number in range(100)]
    batch = begin(client, jsonl(lines))
    victims = ("worker", "gateway-0", "worker", "clerk", "keeper", "database")
    for name, share in zip(victims, (5, 20, 35, 50, 65, 80), strict=True):
        await_completed(client, batch.id, share)
        place.await_return(name, place.kill(name))
    await_completed(client, batch.id, 90)
    place.kill_everything()
    place.start()
    done = settled(client, batch.id)
    assert done.status == "completed", done
    assert (done.request_counts.total, done.request_counts.completed) == (100, 100)
    told = results(client, done.output_file_id)
    assert sorted(one["custom_id"] for one in told) == sorted(one["custom_id"] for one in lines)
    for one in told:
        content = one["response"]["body"]["choices"][0]["message"]["content"]
        number = one["custom_id"].removeprefix("line-")
        assert content == answer_to(f"{SECRET} {number} [slow]")
