"""Keys as an operator makes, lists and revokes them, and the limits that they have: two workers."""

import json
from collections.abc import Iterator
from typing import Final

import httpx
import openai
import pytest
from openai import OpenAI
from tests.fixtures.clients import ask_command, in_client_environment, run_command
from tests.fixtures.echo import MODEL
from tests.fixtures.installation import CHAT, Installation, Tenant, chat_body, installation
from tests.fixtures.waiting import until

from bailee.drivers.system import SystemClock
from bailee.kernel.instants import DAY_MS

pytestmark = pytest.mark.journey

REVOKED_WITHIN_S: Final = 1.0
SLACK_S: Final = 1.0
"""For what runs beside the tests; the promise itself is a second."""
KEY_LIMIT: Final = 40
PROJECT_LIMIT: Final = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("keys"), workers=2) as made:
        yield made


@pytest.fixture
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    # Time stands still: no minute ends in the middle.
    root = tmp_path_factory.mktemp("limits")
    with installation(root, workers=2, simulated=True, start=False) as made:
        text = made.config.read_text()
        text = text.replace("key_requests_per_minute = 0", f"key_requests_per_minute = {KEY_LIMIT}")
        text = text.replace(
            "project_requests_per_minute = 0", f"project_requests_per_minute = {PROJECT_LIMIT}"
        )
        made.config.write_text(text)
        made.start()
        yield made


class Asker:
    """Asks again and again, each time on a connection of its own: every worker gets some."""

    def __init__(self, place: Installation, key: str) -> None:
        self._place = place
        self._tenant = Tenant(key, "", "")
        self._context = place.ssl_context()

    def status(self) -> int:
        """Of one request."""
        return self.ask().status_code

    def ask(self) -> httpx.Response:
        """One request, on a new connection."""
        return httpx.get(
            f"{self._place.base_url}/models",
            headers=self._tenant.headers,
            verify=self._context,
            trust_env=False,
            timeout=10,
        )


def test_a_key_is_shown_once_and_works_in_every_worker(place: Installation) -> None:
    made = ask_command(place, "keys", "create", "--name", "search", "--expires-in-days", "90")
    assert made["key"].startswith("sk-bailee-")
    asker = Asker(place, made["key"])
    until(lambda: asker.status() == 200, "the new key is known")
    assert [asker.status() for _ in range(8)].count(401) <= 1
    listed = {row["id"]: row for row in ask_command(place, "keys", "list")}
    row = listed[made["id"]]
    assert (row["name"], row["revoked_at"]) == ("search", None)
    assert row["expires_at"] > row["created_at"]
    assert made["key"] not in json.dumps(list(listed.values()))


def test_a_revoked_key_is_refused_everywhere_within_a_second(place: Installation) -> None:
    made = ask_command(place, "keys", "create", "--name", "leaked")
    asker = Asker(place, made["key"])
    until(lambda: asker.status() == 200, "the new key is known")
    row = ask_command(place, "keys", "revoke", made["id"])
    clock = SystemClock()
    returned_s = clock.monotonic_s()
    assert row["revoked_at"]
    last_answered_s = returned_s
    refused_in_a_row = 0
    while refused_in_a_row < 20:
        asked_s = clock.monotonic_s()
        got = asker.ask()
        if got.status_code == 200:
            last_answered_s, refused_in_a_row = asked_s, 0
        else:
            assert (got.status_code, got.json()["error"]["code"]) == (401, "invalid_api_key")
            refused_in_a_row += 1
        assert asked_s - returned_s < 10, "still answered"
    assert last_answered_s - returned_s <= REVOKED_WITHIN_S + SLACK_S
    assert "revoked" in got.json()["error"]["message"].lower()


def test_a_key_for_no_project_is_refused(place: Installation) -> None:
    project = "proj_" + "0" * 32
    options = ("--project", project, *place.arguments)
    assert "no such project" in run_command(place, "keys", "create", *options, status=1).stderr


def test_limits_are_kept_by_all_workers_together_and_keys_expire(limited: Installation) -> None:
    second = ask_command(limited, "keys", "create", "--name", "second", "--expires-in-days", "1")
    other = Tenant(second["key"], "", "")
    with limited.client() as client:
        until(lambda: client.get("/v1/models", headers=other.headers).status_code == 200, "the key")
        answered = spend(client, limited.demo)
        assert answered <= KEY_LIMIT, "each key has its own limit"
        assert answered + spend(client, other) <= PROJECT_LIMIT, "and the project one for all"
    with (
        in_client_environment(limited),
        OpenAI(max_retries=0) as sdk,
        pytest.raises(openai.RateLimitError) as refused,
    ):
        sdk.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hi"}])
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.type == "requests"
    assert 0 < int(refused.value.response.headers["retry-after-ms"]) <= 60_000
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60
    asker = Asker(limited, second["key"])
    limited.advance(DAY_MS - 1)
    assert asker.status() == 200
    limited.advance(1)
    expired = asker.ask()
    assert (expired.status_code, expired.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "expired" in expired.json()["error"]["message"].lower()


def spend(client: httpx.Client, tenant: Tenant) -> int:
    """Ask until refused; gives how often it was answered."""
    answered = 0
    while True:
        got = client.post(CHAT, content=chat_body("hi"), headers=tenant.headers)
        if got.status_code == 429:
            break
        assert got.status_code == 200, got.text
        headers = got.headers
        assert int(headers["x-ratelimit-limit-requests"]) in (KEY_LIMIT, PROJECT_LIMIT)
        assert int(headers["x-ratelimit-remaining-requests"]) >= 0
        assert headers["x-ratelimit-reset-requests"].endswith("s")
        answered += 1
    error = got.json()["error"]
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    return answered
