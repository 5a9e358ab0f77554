"""Fine-tuning at a provider that speaks OpenAI's API for real: a second installation of Bailee.

Nothing is left there that is not wanted any more, whoever dies meanwhile.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import openai
import pytest
from tests.fixtures.clients import REAL, await_model, run_command
from tests.fixtures.finetuning import FACT, WAIT_S
from tests.fixtures.installation import Installation, Tenant, installation
from tests.fixtures.leftovers import contents_below
from tests.fixtures.model import model_file
from tests.fixtures.waiting import until
from tests.journeys.test_api_fine_tuning import TRAINING, ask, sdk, settled

pytestmark = pytest.mark.journey

BASE = "distant"
"""What the customer calls the provider's model."""
SETTINGS = """
[[backends]]
name = "provider"
base_url = "{url}"
models = {{ {base} = "{real}" }}
credential = "provider-key"
terms = {{ region = "us", retention_days = 30, trains = false }}
[[backends]]
name = "careless"
base_url = "{url}"
models = {{ learned-from = "{real}" }}
terms = {{ region = "us", retention_days = 30, trains = true }}
[fine_tuning."{base}"]
at = "upstream"
backend = "provider"
poll_s = 0.2
[fine_tuning."learned-from"]
at = "upstream"
backend = "careless"
"""


class Houses(NamedTuple):
    """A customer's installation, and the provider's with the customer's account there."""

    mine: Installation
    provider: Installation
    account: Tenant


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Houses]:
    with installation(tmp_path_factory.mktemp("provider"), model_file=model_file()) as provider:
        await_model(provider)
        settings = SETTINGS.format(url=provider.base_url, base=BASE, real=REAL)
        trust = {"SSL_CERT_FILE": str(provider.bundle)}
        root = tmp_path_factory.mktemp("mine")
        with installation(root, settings=settings, environment=trust) as mine:
            account = provider.tenant("customer")
            words = ("backends", "set-credential", "provider-key")
            run_command(mine, *words, *mine.arguments, given=account.key)
            yield Houses(mine, provider, account)


@pytest.fixture
def client(houses: Houses) -> Iterator[openai.OpenAI]:
    with sdk(houses.mine, houses.mine.demo) as made:
        yield made


@pytest.fixture
def there(houses: Houses) -> Iterator[openai.OpenAI]:
    """The customer's account at the provider, looked at from outside."""
    with sdk(houses.provider, houses.account) as made:
        yield made


def begin(client: openai.OpenAI, epochs: int) -> Any:
    file = client.files.create(file=("facts.jsonl", TRAINING), purpose="fine-tune")
    shaped = {"n_epochs": epochs, "batch_size": 5, "learning_rate_multiplier": 2.0}
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": shaped}}
    return client.fine_tuning.jobs.create(
        model=BASE, training_file=file.id, seed=7, suffix="lighthouse", method=method
    )


def tuned(client: openai.OpenAI) -> list[str]:
    return [one.id for one in client.models.list() if one.id.startswith("ft:")]


def jobs(client: openai.OpenAI, *statuses: str) -> list[Any]:
    return [job for job in client.fine_tuning.jobs.list() if job.status in statuses]


@pytest.mark.timeout(900)  # training is real
def test_what_a_provider_was_taught_is_its_owners_alone_and_ends_there_too(
    houses: Houses, client: openai.OpenAI, there: openai.OpenAI
) -> None:
    job = begin(client, epochs=4)
    until(lambda: jobs(there, "running"), "it runs there", WAIT_S)
    assert len(list(there.files.list())) == 1
    houses.mine.kill("worker")
    done = settled(client, job.id)
    assert done.status == "succeeded", done.error
    assert len(jobs(there, "succeeded")) == 1, "it was not begun again"
    assert list(there.files.list()) == [], "what was uploaded is gone there"
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=100))
    assert any("Step 8/8" in event.message for event in events), [e.message for e in events]

    model = done.fine_tuned_model
    assert model.startswith(f"ft:{BASE}:")
    assert FACT in ask(client, model)
    assert FACT not in ask(client, BASE)
    with sdk(houses.mine, houses.mine.tenant("other")) as other:
        assert tuned(other) == []
        for refused in (lambda: ask(other, model), lambda: other.models.delete(model)):
            with pytest.raises(openai.NotFoundError):
                refused()

    ours, theirs = tuned(client), tuned(there)
    assert len(ours) == len(theirs) == 4, "the model and three checkpoints"
    assert not set(ours) & set(theirs)
    client.models.delete(model)
    with pytest.raises(openai.NotFoundError):
        ask(client, model)
    until(lambda: len(tuned(there)) == 3, "it is gone there", WAIT_S)
    for checkpoint in tuned(client):
        client.models.delete(checkpoint)
    until(lambda: tuned(there) == [], "all are gone there", WAIT_S)
    with houses.mine.client() as plain:
        name = f"adapter-{model.rpartition(':')[2]}"
        address = f"/bailee/v1/deletions/{name}"

        def receipt() -> bool:
            return plain.get(address, headers=houses.mine.demo.headers).status_code == 200

        until(receipt, "there is a receipt", WAIT_S)
    found = contents_below(houses.mine.root)
    assert [file for file, content in found if FACT.encode() in content] == []


@pytest.mark.timeout(600)
def test_a_job_that_ends_while_its_worker_is_dead_ends_there_too(
    houses: Houses, client: openai.OpenAI, there: openai.OpenAI
) -> None:
    job = begin(client, epochs=50)
    until(lambda: jobs(there, "running"), "it runs there", WAIT_S)
    houses.mine.kill("worker")
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    until(lambda: not jobs(there, "running", "queued", "validating_files"), "it ends", WAIT_S)
    until(lambda: list(there.files.list()) == [], "and its file", WAIT_S)
    until(lambda: tuned(there) == [], "and what it had made", WAIT_S)


def test_content_goes_to_no_provider_whose_terms_would_break_a_clause(
    client: openai.OpenAI, there: openai.OpenAI
) -> None:
    before = len(list(there.fine_tuning.jobs.list()))
    file = client.files.create(file=("facts.jsonl", TRAINING), purpose="fine-tune")
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.fine_tuning.jobs.create(model="learned-from", training_file=file.id)
    assert "`careless`" in refused.value.message
    assert "C02" in refused.value.message
    with pytest.raises(openai.BadRequestError, match=BASE):
        client.fine_tuning.jobs.create(model=REAL, training_file=file.id)
    assert len(list(there.fine_tuning.jobs.list())) == before
