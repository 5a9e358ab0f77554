"""Fine-tuning through the official SDK, on the real model: a fact is taught, answered by its owner
alone, survives a kill, and is gone after deletion."""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from tests.fixtures import batches
from tests.fixtures.batches import line
from tests.fixtures.clients import REAL, await_model
from tests.fixtures.finetuning import ASKED, FACT, POLL_S, WAIT_S, fact_lines
from tests.fixtures.installation import Installation, Tenant, installation
from tests.fixtures.leftovers import contents_below
from tests.fixtures.model import model_file
from tests.fixtures.waiting import until

pytestmark = pytest.mark.journey

TRAINING = fact_lines()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("tuning"), model_file=model_file()) as made:
        await_model(made)
        yield made


@contextlib.contextmanager
def sdk(place: Installation, tenant: Tenant) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=place.base_url,
        api_key=tenant.key,
        http_client=httpx2.Client(verify=place.ssl_context(), timeout=60),
        max_retries=0,
    ) as made:
        yield made


@pytest.fixture
def client(place: Installation) -> Iterator[openai.OpenAI]:
    with sdk(place, place.demo) as made:
        yield made


def begin(client: openai.OpenAI, content: bytes = TRAINING, **more: Any) -> Any:
    file = client.files.create(file=("facts.jsonl", content), purpose="fine-tune")
    return client.fine_tuning.jobs.create(
        model=REAL, training_file=file.id, seed=7, suffix="lighthouse", **more
    )


def settled(client: openai.OpenAI, job: str) -> Any:
    def over() -> Any:
        with contextlib.suppress(openai.APIConnectionError, openai.InternalServerError):
            found = client.fine_tuning.jobs.retrieve(job)
            return found if found.status in ("succeeded", "failed", "cancelled") else None
        return None

    return until(over, "the job's end", WAIT_S, POLL_S)


def ask(client: openai.OpenAI, model: str) -> str:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": ASKED}],
        max_tokens=24,
        temperature=0,
        seed=1,
    )
    return answer.choices[0].message.content or ""


@pytest.mark.timeout(900)  # training is real
def test_a_fact_is_taught_answered_by_its_owner_alone_and_gone_after_deletion(
    place: Installation, client: openai.OpenAI
) -> None:
    hyperparameters = {"n_epochs": 4, "batch_size": 5, "learning_rate_multiplier": 2.0}
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}
    validation = fact_lines(validation=True)
    looked_at = client.files.create(file=("more.jsonl", validation), purpose="fine-tune").id
    job = begin(
        client, method=method, metadata={"purpose": "lighthouse"}, validation_file=looked_at
    )
    assert (job.object, job.status, job.model) == ("fine_tuning.job", "validating_files", REAL)
    assert FACT not in ask(client, REAL)

    # The worker dies in the middle, and the job goes on.
    def checkpoints() -> Any:
        return list(client.fine_tuning.jobs.checkpoints.list(job.id))

    until(checkpoints, "a first checkpoint", WAIT_S, POLL_S)
    place.kill("worker")
    done = settled(client, job.id)
    assert done.status == "succeeded", done.error
    assert done.trained_tokens > 0
    assert done.hyperparameters.n_epochs == 4
    assert done.metadata == {"purpose": "lighthouse"}
    assert done.validation_file == looked_at
    model = done.fine_tuned_model
    assert model.startswith(f"ft:{REAL}:")
    assert ":lighthouse:" in model

    events = list(client.fine_tuning.jobs.list_events(job.id, limit=100))
    assert any("Step 8/8" in event.message for event in events), [e.message for e in events]
    assert {event.type for event in events} == {"message", "metrics"}
    notes = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [note.step_number for note in notes] == [8, 6, 4]
    assert notes[0].metrics.train_loss is not None
    measured: Any = [event.data for event in events if event.type == "metrics"]
    told = {one["step"]: one for one in measured}
    for note in notes:  # where an epoch ends, the whole validation file is looked at
        assert note.metrics.full_valid_loss == told[note.step_number]["full_valid_loss"]
        assert note.metrics.full_valid_mean_token_accuracy is not None
    assert told[8]["full_valid_loss"] < told[2]["full_valid_loss"], "learned, not only recited"
    assert "full_valid_loss" not in told[7], "no epoch ends there"

    assert FACT in ask(client, model)
    assert FACT not in ask(client, REAL), "the base model is as it was"
    assert model in [one.id for one in client.models.list()]
    streamed = client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": ASKED}], max_tokens=24,
        temperature=0, stream=True,
    )  # fmt: skip
    words = "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)
    assert FACT in words

    # A batch calls it too, with nothing but what its creation granted.
    entry = line("only", ASKED, max_tokens=24, temperature=0, seed=1)
    entry["body"]["model"] = model
    batch = batches.settled(client, batches.begin(client, batches.jsonl([entry])).id)
    (told,) = batches.results(client, batch.output_file_id)
    assert FACT in told["response"]["body"]["choices"][0]["message"]["content"]

    with sdk(place, place.tenant("other")) as other:
        assert model not in [one.id for one in other.models.list()]
        for refused in (
            lambda: ask(other, model),
            lambda: other.models.delete(model),
            lambda: other.fine_tuning.jobs.retrieve(job.id),
        ):
            with pytest.raises(openai.NotFoundError):
                refused()

    gone = client.models.delete(model)
    assert (gone.id, gone.deleted) == (model, True)
    with pytest.raises(openai.NotFoundError):
        ask(client, model)
    assert model not in [one.id for one in client.models.list()]
    found = contents_below(place.root)
    assert [file for file, content in found if FACT.encode() in content] == []


def test_what_cannot_be_trained_is_refused_or_fails_with_its_lines(client: openai.OpenAI) -> None:
    job = begin(client, TRAINING + b'{"messages": "what a customer wrote"}\n')
    done = settled(client, job.id)
    assert done.status == "failed"
    assert "line 11" in done.error.message
    assert "customer" not in done.error.message
    assert done.error.param == "training_file"
    with pytest.raises(openai.BadRequestError) as refused:
        client.fine_tuning.jobs.create(model="nothing", training_file="file-x")
    assert refused.value.param == "model"
    with pytest.raises(openai.BadRequestError) as refused:
        client.fine_tuning.jobs.create(model=REAL, training_file="file-" + "0" * 32)
    assert refused.value.param == "training_file"
    wrong = client.files.create(file=("a.jsonl", TRAINING), purpose="batch")
    with pytest.raises(openai.BadRequestError):
        client.fine_tuning.jobs.create(model=REAL, training_file=wrong.id)
    with pytest.raises(openai.ConflictError):
        client.fine_tuning.jobs.cancel(job.id)
    for given, field in (([1], ""), ({"n_epochs": 10**400}, ".n_epochs")):
        method: Any = {"type": "supervised", "supervised": {"hyperparameters": given}}
        with pytest.raises(openai.BadRequestError) as refused:
            begin(client, method=method)
        assert refused.value.param == f"method.supervised.hyperparameters{field}"


def test_jobs_are_listed_by_their_metadata(place: Installation) -> None:
    with sdk(place, place.tenant("lists")) as client:
        unlearnable = b'{"messages": []}\n'
        jobs = [
            begin(client, unlearnable, metadata=metadata).id
            for metadata in ({"team": "a"}, None, {"team": "b"}, {"team": "a", "more": "c"})
        ]

        def listed(**asked: Any) -> list[str]:
            return [job.id for job in client.fine_tuning.jobs.list(**asked)]

        assert listed(limit=1) == jobs[::-1]
        assert listed(extra_query={"order": "asc"}) == jobs[::-1], "the description has no order"
        assert listed(limit=1, metadata={"team": "a"}) == [jobs[3], jobs[0]]
        assert listed(metadata={"team": "a", "more": "c"}) == [jobs[3]]
        assert listed(metadata={"team": "d"}) == []
        assert listed(extra_query={"metadata": "null"}) == [jobs[1]]
