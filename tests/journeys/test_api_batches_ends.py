"""How batches end before their time: the window closes, the project's retention changes; and what
else they call: other endpoints, counted and recorded as single calls are."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.fixtures.batches import await_completed, begin, jsonl, line, results, sdk, settled
from tests.fixtures.clients import Mirror, backend, run_command
from tests.fixtures.echo import MODEL
from tests.fixtures.installation import Installation, installation
from tests.fixtures.tables import look
from tests.fixtures.waiting import until

from bailee.kernel.ids import parse_project
from bailee.kernel.instants import DAY_MS, HOUR_MS

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    with Mirror().running() as made:
        yield made


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, mirror: Mirror) -> Iterator[Installation]:
    more = backend("mirror", mirror.url, {"mirror": "mirror", "other": "mirror-embedding"})
    with installation(tmp_path_factory.mktemp("ends"), settings=more) as made:
        yield made


@pytest.fixture
def client(place: Installation) -> Iterator[openai.OpenAI]:
    with sdk(place, place.demo) as made:
        yield made


def test_a_batch_expires_with_what_was_answered(tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("window")
    with installation(root, simulated=True) as place, sdk(place, place.demo) as client:
        lines = [line(f"quick-{number}", "hello") for number in range(4)]
        lines += [line(f"slow-{number}", "[wait]") for number in range(9)]
        with place.time_passes():
            batch = begin(client, jsonl(lines))
            await_completed(client, batch.id, 4)
        place.advance(DAY_MS - HOUR_MS)
        assert client.batches.retrieve(batch.id).status == "in_progress"
        place.advance(HOUR_MS)
        with place.time_passes():
            done = settled(client, batch.id)
        assert done.status == "expired"
        assert done.expired_at >= done.expires_at
        counts = done.request_counts
        assert (counts.total, counts.completed, counts.failed) == (13, 4, 9)
        told = results(client, done.output_file_id)
        assert {one["custom_id"] for one in told} == {f"quick-{number}" for number in range(4)}
        left = results(client, done.error_file_id)
        assert {one["custom_id"] for one in left} == {f"slow-{number}" for number in range(9)}
        assert {(one["error"]["code"], one["response"]) for one in left} == {
            ("batch_expired", None)
        }


def test_zero_retention_refuses_batches_and_ends_what_goes_on(place: Installation) -> None:
    tenant = place.tenant("careful")
    with sdk(place, tenant) as client:
        batch = begin(client, jsonl([line(f"slow-{number}", "[wait]") for number in range(9)]))
        settled(client, batch.id, ("in_progress",))
        run_command(place, "projects", "set", tenant.project, "--retention", "zero_data_retention")

        def refused() -> bool:
            try:
                client.batches.create(
                    input_file_id=batch.input_file_id,
                    endpoint="/v1/chat/completions",
                    completion_window="24h",
                )
            except openai.PermissionDeniedError:
                return True
            return False

        until(refused, "zero retention is known")
        wanted = "SELECT label FROM held_objects WHERE public_id = $1"
        until(lambda: look(place, wanted, batch.id)[0]["label"] == "failed", "the batch ends")
        # Under the default again, so that it can be looked at.
        own = parse_project(tenant.project)
        look(place, "UPDATE projects SET retention_mode = NULL WHERE project = $1", own)

        def readable() -> Any:
            try:
                return client.batches.retrieve(batch.id)
            except openai.PermissionDeniedError:
                return None

        failed = until(readable, "the default is known")
    assert failed.status == "failed"
    assert len(failed.errors.data) == 1
    assert failed.output_file_id is None
    (row,) = look(place, "SELECT work_grant FROM held_objects WHERE public_id = $1", batch.id)
    assert row["work_grant"] is None


def test_lines_may_ask_other_endpoints(client: openai.OpenAI, mirror: Mirror) -> None:
    asked: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("/v1/completions", {"model": "mirror", "prompt": "say"}, "text_completion"),
        ("/v1/embeddings", {"model": "other", "input": ["one", "two"]}, "list"),
        ("/v1/responses", {"model": "mirror", "input": "hello", "store": True}, "response"),
    )
    for endpoint, body, kind in asked:
        entry = {"custom_id": "only", "method": "POST", "url": endpoint, "body": body}
        done = settled(client, begin(client, jsonl([entry]), endpoint).id)
        assert done.status == "completed"
        (told,) = results(client, done.output_file_id)
        assert told["response"]["body"]["object"] == kind
        if kind == "response":
            # It is kept for its owner, as that of a single call is.
            kept = client.responses.retrieve(told["response"]["body"]["id"])
            assert kept.output_text == "you said hello"


def test_trouble_that_passes_is_tried_again_and_other_trouble_told(
    client: openai.OpenAI, mirror: Mirror
) -> None:
    before = len(mirror.calls())
    body = {"model": "mirror", "messages": [{"role": "user", "content": "[429]"}]}
    entry = {"custom_id": "busy", "method": "POST", "url": "/v1/chat/completions", "body": body}
    done = settled(client, begin(client, jsonl([entry])).id)
    assert (done.status, done.output_file_id) == ("completed", None)
    (told,) = results(client, done.error_file_id)
    assert told["response"]["status_code"] == 429
    assert told["response"]["body"]["error"]["code"] == "rate_limit_exceeded"
    assert len(mirror.calls()) - before == 4


def test_a_batch_may_be_cancelled_while_nobody_carries_it(
    place: Installation, client: openai.OpenAI
) -> None:
    file = client.files.create(
        file=("lines.jsonl", jsonl([line("only", "hello")] )), purpose="batch"
    )  # fmt: skip
    former = place.kill("worker")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    client.batches.cancel(batch.id)
    place.await_return("worker", former)
    done = settled(client, batch.id)
    assert done.status == "cancelled"
    assert (done.output_file_id, done.error_file_id) == (None, None)


def test_what_lines_use_is_counted_for_the_key_that_began_the_batch(
    place: Installation,
) -> None:
    tenant = place.tenant("counted")
    with sdk(place, tenant) as client:
        done = settled(client, begin(client, jsonl([line(str(n), "x") for n in range(7)])).id)
        assert done.status == "completed"

    key = tenant.key.split("-")[2]
    statement = """SELECT sum(requests) AS requests, sum(input_tokens) AS input_tokens
        FROM usage_minutes WHERE public_id = $1 AND model = $2"""

    def seen() -> bool:
        (row,) = look(place, statement, key, MODEL)
        return (row["requests"], row["input_tokens"]) == (7, 35)

    until(seen, "usage of the lines")
