"""A consumer service has a policy of its own: its answers cite it, and the API's cite the API's.

The example application is run as its README says, and with it what comes by the same road: the
public lists, what explains a call, and dated records.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from tests.fixtures.clients import ask_command, client_environment
from tests.fixtures.echo import ANSWER_WORD, MODEL
from tests.fixtures.installation import CHAT, Installation, Tenant, chat_body, installation
from tests.fixtures.policy_office import Interruptible, PolicyOffice
from tests.fixtures.tables import look

from bailee.drivers.postgres.database import PostgresDatabase
from bailee.drivers.postgres.engine import open_engine
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.governance.audit.service import AuditTrail
from bailee.governance.tenancy.acknowledgement import Acknowledgements
from bailee.kernel.ids import parse_tenant
from bailee.kernel.instants import DAY_MS, epoch_of, epoch_start, to_rfc3339
from bailee.policy.drafting import DraftTexts
from bailee.schema.roles import ADMINISTRATOR
from bailee.wiring.database import database_url

pytestmark = pytest.mark.journey

EXAMPLE = Path(__file__).parents[2] / "examples" / "consumer_chat"
START_S = 20


class Town(NamedTuple):
    """An installation with a project under the API's policy and one under the example's."""

    place: Installation
    api: Tenant
    chat: Tenant


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with installation(tmp_path_factory.mktemp("services"), workers=2) as place:
        api, chat = place.tenant("Acme", "api"), place.tenant("Acme", "chat")
        ask_command(place, "services", "register", "chat", "--english", "Chat", "--korean", "채팅")
        asyncio.run(_publish(place, chat))
        ask_command(
            place, "services", "put", chat.project, "chat", "--organisation", chat.organisation
        )
        yield Town(place, api, chat)


async def _publish(place: Installation, tenant: Tenant) -> None:
    """The example's policy, from the half hour that runs."""
    clock, randomness = SystemClock(), SystemRandomness()
    now = to_rfc3339(epoch_start(epoch_of(clock.now())))
    text = (EXAMPLE / "policy" / "versions" / "chat-1.toml").read_text("utf-8")
    text = re.sub(r"(?m)^effective = .*$", f"effective = {now}", text)
    table = (EXAMPLE / "policy" / "endpoints" / "1001.toml").read_text("utf-8")
    engine = open_engine(database_url(place.settings, place.places, ADMINISTRATOR), ADMINISTRATOR)
    try:
        database = PostgresDatabase(engine)
        office = PolicyOffice(
            database,
            clock,
            randomness,
            AuditTrail("user_ada", clock, randomness),
            parse_tenant(tenant.organisation),
            Interruptible(waited_for=Acknowledgements(database, clock)),
        )
        await office.publish(DraftTexts(text, table))
    finally:
        await engine.dispose()


def test_the_example_shows_its_own_policy_and_the_api_the_apis(town: Town) -> None:
    environment = {**client_environment(town.place), "OPENAI_API_KEY": town.chat.key}
    with subprocess.Popen(
        [sys.executable, EXAMPLE / "server.py", "0", MODEL],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            assert "채팅" in httpx.get(address, headers={"accept-language": "ko"}).text
            page = httpx.post(address, data={"message": "hello"}, timeout=START_S).text
        finally:
            server.terminate()
    assert ANSWER_WORD in page
    assert '<b id="policy">chat-1</b>' in page
    with town.place.client() as client:
        answers = {
            name: client.post(CHAT, content=chat_body("hi", store=True), headers=tenant.headers)
            for name, tenant in (("api", town.api), ("chat", town.chat))
        }
        begin = epoch_start(epoch_of(SystemClock().now()))
        kept = {
            name: int(
                re.findall(r"application_state=.*?until=@(\d+)", one.headers["bailee-handling"])[0]
            )
            for name, one in answers.items()
        }
        explained = client.post(
            "/bailee/v1/policy/explain", json={"endpoint": CHAT}, headers=town.chat.headers
        ).json()
        other = client.post(
            "/v1/embeddings",
            json={"model": MODEL, "input": "x"},
            headers={**town.chat.headers},
        )
    policies = {name: one.headers["bailee-policy"] for name, one in answers.items()}
    assert policies == {"api": "2026-11-23", "chat": "chat-1"}
    assert (kept["api"] - kept["chat"]) * 1000 == 23 * DAY_MS
    assert abs(kept["chat"] * 1000 - begin - 7 * DAY_MS) <= 30 * 60_000
    assert (explained["service"], explained["policy_version"]) == ("chat", "chat-1")
    assert other.status_code == 403
    assert "policy chat-1" in other.json()["error"]["message"]


def test_anybody_reads_versions_and_services(town: Town) -> None:
    with town.place.client() as client:
        versions = client.get("/bailee/v1/policy/versions").json()["data"]
        services = client.get("/bailee/v1/services").json()["data"]
        whole = client.get("/bailee/v1/policy/versions/chat-1").json()
    assert {one["id"] for one in versions} == {
        "before-2023-03-01", "2023-03-01", "2026-11-23", "chat-1"
    }  # fmt: skip
    (chat,) = (one for one in versions if one["id"] == "chat-1")
    assert "시행" in chat["notice"]["korean"]
    assert [(one["id"], one["policy_version"]) for one in services] == [
        ("api", "2026-11-23"), ("chat", "chat-1")
    ]  # fmt: skip
    assert ask_command(town.place, "services", "list")[1]["policy"] == "chat-1"
    (text,) = (one["text"] for one in whole["clauses"] if one["id"] == "C10")
    assert ("7 days" in text["english"], "7일" in text["korean"]) == (True, True)


def test_drafts_are_for_those_who_may(town: Town) -> None:
    made = ask_command(town.place, "admin", "bootstrap", "--organisation", "Acme")
    headers = {"authorization": f"Bearer {made['key']}"}
    with town.place.client() as client:
        answers = [
            client.get("/bailee/v1/policy/drafts", headers=headers),
            client.post("/bailee/v1/policy/drafts", json={"version": ""}, headers=headers),
            client.post("/bailee/v1/policy/lint", json={"version": ""}, headers=headers),
            client.post(
                "/bailee/v1/services", headers=headers,
                json={"service": "x", "english": "X", "korean": "가"},
            ),
        ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [403] * 4


def test_dated_records_obey_the_version_of_their_day(town: Town, tmp_path: Path) -> None:
    now = SystemClock().now()
    record = {"project": town.api.project, "endpoint": CHAT, "request": "q8Zt", "answer": "a"}
    lines = [
        {**record, "submitted_at": "2022-06-01T00:00:00Z"},
        {**record, "submitted_at": to_rfc3339(now)},
        {**record, "submitted_at": "yesterday"},
        {**record, "submitted_at": to_rfc3339(now), "retention_mode": "zero_data_retention"},
        {**record, "submitted_at": to_rfc3339(type(now)(now - DAY_MS))},
        {**record, "project": "proj_1", "submitted_at": to_rfc3339(now)},
    ]
    file = tmp_path / "records.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)) + "\n{\n")
    done = subprocess.run(
        [sys.executable, "-m", "bailee", "import", "records", str(file), "--json",
         *town.place.arguments],
        cwd=town.place.root, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["line"], one["outcome"], one.get("policy")) for one in said] == [
        (1, "past_deadline", "before-2023-03-01"),
        (2, "sealed", "2026-11-23"),
        (3, "bad", None),
        (4, "nothing_kept", "2026-11-23"),
        (5, "no_key", "2026-11-23"),
        (6, "bad", None),
        (7, "bad", None),
    ]
    assert "q8Zt" not in done.stdout + done.stderr
    with town.place.client() as client:
        opened = town.place.opened(client, town.api, said[1]["record"])
    assert (opened["request"], opened["answer"]) == ("q8Zt", "a")
    rows = look(town.place, "SELECT outcome, records FROM imported_records ORDER BY outcome")
    assert [tuple(row) for row in rows] == [
        ("no_key", 1), ("nothing_kept", 1), ("past_deadline", 1), ("sealed", 1)
    ]  # fmt: skip
