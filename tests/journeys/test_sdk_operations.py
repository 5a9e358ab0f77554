"""Every operation that the compatibility table marks as served, by the official SDKs.

The Node SDK in processes of its own, the asynchronous client of the Python SDK in this one; each
with nothing but what `bailee env` prints and, for administration, an admin key. Real: the
installation, TLS, every local model, training. A mirror stands in where an answer must not come.
Journeys assert what came back and what is gone afterwards; here it is seen that they leave no
operation out.
"""

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import openai
import pytest
from openai import AsyncOpenAI
from tests.fixtures.authorities import Identity
from tests.fixtures.calling import Calls, uncalled
from tests.fixtures.clients import (
    REAL,
    Mirror,
    ask_command,
    await_model,
    backend,
    client_environment,
    in_client_environment,
)
from tests.fixtures.finetuning import POLL_S, WAIT_S, fact_lines, preference_lines
from tests.fixtures.installation import Installation, installation
from tests.fixtures.model import model_file
from tests.fixtures.node import installed_sdk, node
from tests.fixtures.waiting import until
from tests.journeys.python import administration, answers, files, stored, tuning

from bailee.drivers.system import SystemClock

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]  # training is real

EMBEDDER: Final = "multilingual-e5-small"
CERTIFICATE: Final = Identity.authority("Acme").pem
JOURNEYS: Final = ("answers", "stored", "files", "tuning", "administration")
PRICES: Final = f"""
[prices."{REAL}"]
input_usd = 1000000.0
output_usd = 2000000.0
"""
Take = Callable[[str], frozenset[str]]
"""Takes a journey, once, and gives what succeeded of it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with (
        Mirror().running() as mirror,
        installation(
            tmp_path_factory.mktemp("operations"),
            model_file=model_file(),
            text_models=True,
            asks=True,
            settings=backend("mirror", mirror.url, {"mirror": "mirror"}) + PRICES,
        ) as made,
    ):
        await_model(made)
        await_model(made, "embedded-text")
        with in_client_environment(made):
            yield made


@pytest.fixture(scope="module")
def admin_key(place: Installation) -> str:
    key = str(ask_command(place, "admin", "bootstrap")["key"])
    joined(place, key, "founder@example.org", "owner")  # the last owner may neither go nor change
    return key


class Paused(NamedTuple):
    """A fine-tuning job that was paused while it trained."""

    job: str
    calls: frozenset[str]
    """Those of the Python SDK that made it so."""


@pytest.fixture(scope="module")
def paused(place: Installation) -> Paused:
    calls = Calls()
    http = openai.DefaultHttpxClient(event_hooks={"response": [calls.note]})
    with openai.OpenAI(max_retries=0, http_client=http) as client:

        def kept(name: str, content: bytes) -> str:
            return client.files.create(file=(name, content), purpose="fine-tune").id

        training, validation = preference_lines()
        jobs = client.fine_tuning.jobs
        job = jobs.create(
            model=REAL,
            training_file=kept("pairs.jsonl", training),
            validation_file=kept("more.jsonl", validation),
            method=tuning.PREFERENCES,
            suffix="short",
            seed=7,
        ).id

        def at(status: str) -> bool:
            found = jobs.retrieve(job)
            assert found.status not in ("failed", "succeeded"), found.error
            return found.status == status

        until(lambda: at("running"), "it trains", WAIT_S, POLL_S)
        jobs.pause(job)
        until(lambda: at("paused"), "it pauses", WAIT_S, POLL_S)
    return Paused(job, frozenset(calls.answered))


def joined(place: Installation, admin_key: str, email: str, role: str) -> str:
    """Invite somebody, and accept for them as the operator does."""
    with place.client() as client:
        path, headers = "/v1/organization/invites", {"authorization": f"Bearer {admin_key}"}
        made = client.post(path, headers=headers, json={"email": email, "role": role}).json()
    ask_command(place, "admin", "accept-invite", made["id"], "--name", "Ada")
    return email


def accepted(place: Installation) -> bool:
    """Whether the demo project's key is taken without a certificate."""
    with place.client() as client:
        return client.get("/v1/models", headers=place.demo.headers).is_success


# Node.


@pytest.fixture(scope="module")
def in_node(place: Installation, admin_key: str, paused: Paused) -> Take:
    training = place.root / "facts.jsonl"
    training.write_bytes(fact_lines())

    def arguments(name: str) -> tuple[str | Path, ...]:
        if name == "administration":
            person = joined(place, admin_key, "node-person@example.org", "reader")
            return person, REAL, EMBEDDER, CERTIFICATE
        return {
            "answers": (REAL, EMBEDDER, "mirror"),
            "stored": (REAL, "mirror"),
            "files": (REAL, "mirror"),
            "tuning": (REAL, training, paused.job),
        }[name]

    @cache
    def take(name: str) -> frozenset[str]:
        folder = installed_sdk()
        more = {"OPENAI_ADMIN_KEY": admin_key} if name == "administration" else {}
        done = subprocess.run(
            [node(), folder / f"{name}.mjs", *arguments(name)],
            cwd=folder,
            env=client_environment(place) | more,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        until(lambda: accepted(place), "no certificate is wanted any more")
        return frozenset(json.loads(done.stdout))

    return take


@pytest.mark.parametrize("journey", JOURNEYS)
def test_the_node_sdk_goes_all_the_way(in_node: Take, journey: str) -> None:
    assert in_node(journey)


def test_the_node_sdk_calls_every_operation_that_is_served(in_node: Take) -> None:
    assert uncalled(call for journey in JOURNEYS for call in in_node(journey)) == []


# Python.


@pytest.fixture(scope="module")
def in_python(place: Installation, admin_key: str, paused: Paused) -> Take:
    start_s = SystemClock().now() // 1000 - 3600

    async def travel(name: str) -> frozenset[str]:
        calls = Calls()
        http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [calls.note_async]})
        async with AsyncOpenAI(max_retries=0, admin_api_key=admin_key, http_client=http) as client:
            if name == "administration":
                person = joined(place, admin_key, "python-person@example.org", "reader")
                await administration.take(client, person, CERTIFICATE, start_s)
            elif name == "answers":
                await answers.take(client, REAL, EMBEDDER, "mirror")
            elif name == "stored":
                await stored.take(client, REAL, "mirror")
            elif name == "files":
                await files.take(client, REAL, "mirror")
            else:
                await tuning.take(client, paused.job)
                calls.answered |= paused.calls
        return frozenset(calls.answered)

    @cache
    def take(name: str) -> frozenset[str]:
        if name == "administration":
            take("answers")  # else nothing was used
        done = asyncio.run(travel(name))
        until(lambda: accepted(place), "no certificate is wanted any more")
        return done

    return take


@pytest.mark.parametrize("journey", JOURNEYS)
def test_the_python_sdk_goes_all_the_way(in_python: Take, journey: str) -> None:
    assert in_python(journey)


def test_the_python_sdk_calls_every_operation_that_is_served(in_python: Take) -> None:
    assert uncalled(call for journey in JOURNEYS for call in in_python(journey)) == []


def test_an_operation_that_nobody_called_is_named() -> None:
    missing = uncalled(["GET /v1/models", "GET /v1/files/file-1/content"])
    assert "GET /v1/files/{file_id}" in missing
    assert "GET /v1/files/{file_id}/content" not in missing
    assert "POST /v1/threads" not in missing
