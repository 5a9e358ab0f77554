"""Clause C11 on a real installation: a service has a policy of its own, and answers cite it.

A consumer service is refused until people have published a policy for it, and governed by that
alone from then on; the API is governed by its own. The example application is started as its README
says. By the same road: what explains a call, and dated records.
"""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest
from tests.fixtures.clients import ask_command, bare_environment, run_command
from tests.fixtures.echo import ANSWER_WORD, MODEL
from tests.fixtures.installation import CHAT, Installation, Tenant, chat_body, installation
from tests.fixtures.people import signed_in
from tests.fixtures.tables import look
from tests.fixtures.waiting import until

from bailee.drivers.system import SystemClock
from bailee.kernel.ids import parse_tenant
from bailee.kernel.instants import DAY_MS, EPOCH_LENGTH_MS, epoch_of, epoch_start, to_rfc3339
from bailee.policy.access.model import Role

pytestmark = pytest.mark.journey

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "consumer_chat"
ROLES: Final = (Role.PRIVACY_OFFICER, Role.SAFETY_LEAD, Role.OPERATOR, Role.AUDITOR)
OFFICER: Final = Role.PRIVACY_OFFICER
POLICY: Final = "/bailee/v1/policy"
CURRENT: Final = "2026-11-23"
WAIT_S: Final = 30
MARGIN_MS: Final = 10_000
WORKERS: Final = 2


class Town(NamedTuple):
    """An installation, a customer of the API with an admin key, and people of the house."""

    place: Installation
    api: Tenant
    admin_key: str
    people: dict[Role, str]
    """Session tokens of people who have just signed in."""

    def ask(self, who: Role | None, method: str, path: str, body: object = None) -> httpx.Response:
        """A request of somebody of the house, or else with the customer's admin key."""
        bearer = self.admin_key if who is None else self.people[who]
        with self.place.client() as client:
            return client.request(
                method, path, json=body, headers={"authorization": f"Bearer {bearer}"}
            )

    def done(self, who: Role | None, method: str, path: str, body: object = None) -> Any:
        """What a request comes to that succeeds."""
        answered = self.ask(who, method, path, body)
        assert answered.status_code == 200, answered.text
        return answered.json()

    def call(self, tenant: Tenant, path: str = CHAT, content: str = "hi") -> httpx.Response:
        """A call of a project's."""
        with self.place.client() as client:
            return client.post(path, content=chat_body(content, store=True), headers=tenant.headers)

    def explained(self, tenant: Tenant, **question: object) -> Any:
        """What would happen to a call of a project's, and why."""
        with self.place.client() as client:
            asked = {"endpoint": CHAT, **question}
            answer = client.post(f"{POLICY}/explain", json=asked, headers=tenant.headers)
        return answer.json()

    def read(self, path: str) -> Any:
        """What anybody may read."""
        with self.place.client() as client:
            return client.get(path).json()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with installation(tmp_path_factory.mktemp("services"), workers=WORKERS) as place:
        api = place.tenant("Acme", "api")
        made = ask_command(place, "admin", "bootstrap", "--organisation", "Acme")
        house = place.tenant("House")

        async def people() -> dict[Role, str]:
            tenant = parse_tenant(house.organisation)
            async with place.administration() as opened:
                await opened.house("House")
                return {role: await signed_in(opened, tenant, role) for role in ROLES}

        yield Town(place, api, made["key"], asyncio.run(people()))


class App(NamedTuple):
    """The example application, and the browser that looks at it."""

    browser: httpx.Client

    def say(self, content: str) -> dict[str, str]:
        """Say something; gives everything that came, by name."""
        asked = {"messages": [{"role": "user", "content": content}]}
        said = self.browser.post("/say", json=asked).text.splitlines()
        found: dict[str, str] = {}
        for piece in map(json.loads, said):
            for name, value in piece.items():
                found[name] = found.get(name, "") + (value or "") if name == "text" else value
        return found


@contextmanager
def _example(town: Town) -> Iterator[App]:
    with subprocess.Popen(
        [sys.executable, EXAMPLE, "--port", "0", "--model", MODEL, *town.place.arguments],
        cwd=town.place.root,
        env=bare_environment(town.place),
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        try:
            assert started.stdout is not None
            lines = iter(started.stdout.readline, "")
            address = next(line.strip() for line in lines if line.startswith("http"))
            with httpx.Client(base_url=address, timeout=WAIT_S, trust_env=False) as browser:
                yield App(browser)
        finally:
            started.send_signal(signal.SIGTERM)
            assert started.wait(WAIT_S) == 0


def _publish_the_examples(town: Town) -> None:
    """As its README says: drafted, approved by two others, published, in this half hour."""
    clock = SystemClock()
    until(
        lambda: clock.now() % EPOCH_LENGTH_MS < EPOCH_LENGTH_MS - MARGIN_MS,
        "the half hour does not end meanwhile",
    )
    now = to_rfc3339(epoch_start(epoch_of(clock.now())))
    text = (EXAMPLE / "policy" / "versions" / "chat-1.toml").read_text("utf-8")
    text, found = re.subn(r"(?m)^effective = .*$", f"effective = {now}", text)
    assert found == 1
    table = (EXAMPLE / "policy" / "endpoints" / "1001.toml").read_text("utf-8")
    draft = town.done(OFFICER, "POST", f"{POLICY}/drafts", {"version": text, "endpoints": table})
    path = f"{POLICY}/drafts/{draft['id']}"
    town.done(OFFICER, "POST", f"{path}/submit")
    for who in (Role.SAFETY_LEAD, Role.OPERATOR):
        town.done(who, "POST", f"{path}/approvals", {"digest": draft["digest"]})
    assert town.done(OFFICER, "POST", f"{path}/publish")["id"] == "chat-1"


def test_a_consumer_service_is_governed_by_its_own_policy_and_says_so(town: Town) -> None:
    with _example(town) as app:
        korean = app.browser.get("/", headers={"accept-language": "ko-KR"}).text
        assert ('lang="ko"', "남용 감시" in korean) == (re.findall('lang="ko"', korean)[0], True)
        refused = app.say("hello")
        assert refused["refused"].startswith("Refused: no policy governs the service")
        assert "text" not in refused
        _publish_the_examples(town)
        said = app.say("hello")
        assert ANSWER_WORD in said["text"]
        assert said["policy"] == "chat-1"
        shown = app.browser.get("/policy", params={"version": said["policy"]}).json()
        (kept,) = (one["text"] for one in shown["clauses"] if one["id"] == "C10")
        assert ("7 days" in kept["english"], "7일" in kept["korean"]) == (True, True)
        own = look(town.place, "SELECT project FROM projects WHERE service = 'chat'")
        (project,) = (bytes(row["project"]) for row in own)
        stored = "SELECT state FROM held_objects WHERE project = $1 AND public_id = $2"
        assert look(town.place, stored, project, said["id"])[0]["state"] == "kept"
        gone = app.browser.post("/forget", json={"stored": [said["id"]]}).json()["gone"]
        assert gone == [said["id"]]
        assert look(town.place, stored, project, said["id"])[0]["state"] != "kept"
        assert app.browser.post("/forget", content=b"{}").status_code == 400
        _check_that_the_api_is_not_governed_by_it(town, said)
    (key,) = (one for one in ask_command(town.place, "keys", "list") if one["name"] == "chat")
    assert key["revoked_at"] is not None, "it lives as long as the application"


def _inspected(place: Installation, record: str) -> Any:
    """What is shown of a record; None while its journal is open."""
    told = run_command(place, "inspect", "record", record, *place.arguments, "--json", status=None)
    return json.loads(told.stdout) if told.returncode == 0 else None


def _check_that_the_api_is_not_governed_by_it(town: Town, said: dict[str, str]) -> None:
    api = town.call(town.api)
    assert api.headers["bailee-policy"] == CURRENT
    days = {
        name: (int(until) * 1000 - epoch_start(epoch_of(SystemClock().now()))) / DAY_MS
        for name, handling in (
            ("api", api.headers["bailee-handling"]), ("chat", said["handling"])
        )
        for until in re.findall(r"application_state=.*?until=@(\d+)", handling)
    }  # fmt: skip
    assert {name: round(value) for name, value in days.items()} == {"api": 30, "chat": 7}
    record = api.headers["bailee-record"]
    inspected = until(lambda: _inspected(town.place, record), "its journal is closed")
    assert set(inspected["policy"].split(" or ")) == {f"{CURRENT} (api)", "chat-1 (chat)"}
    chat = town.explained(town.api, service="chat")
    assert (chat["service"], chat["policy_version"]) == ("chat", "chat-1")
    assert "C11" in {reason["clause"] for reason in chat["reasons"]}
    other = town.explained(town.api, service="chat", endpoint="/v1/embeddings")
    assert (other["allowed"], other["refusal"]) == (False, "unknown_endpoint")
    services = town.read("/bailee/v1/services")["data"]
    governing = {one["id"]: one["policy_version"] for one in services}
    assert governing == {"api": CURRENT, "chat": "chat-1"}
    events = town.done(
        Role.AUDITOR, "GET", "/v1/organization/audit_logs?event_types[]=service.registered"
    )
    assert [event["service.registered"]["id"] for event in events["data"]] == ["chat"]


def test_every_instant_has_its_version(town: Town) -> None:
    for moment, version in (
        ("2022-06-01T00:00:00Z", "before-2023-03-01"),
        ("2023-02-28T23:59:59Z", "before-2023-03-01"),
        ("2023-03-01T00:00:00Z", "2023-03-01"),
        ("2026-11-23T00:00:00Z", CURRENT),
    ):
        said = town.explained(town.api, submitted_at=moment)
        assert said["policy_version"] == said["headers"]["bailee-policy"] == version
        assert {one["version"] for one in said["reasons"]} == {version}


def test_drafts_are_for_those_who_may(town: Town) -> None:
    draft = {"version": ""}
    service = {"service": "x", "english": "X", "korean": "가"}
    wanted: list[tuple[Role | None, str, str, object]] = [
        (None, "GET", f"{POLICY}/drafts", None),
        (None, "POST", f"{POLICY}/drafts", draft),
        (None, "POST", f"{POLICY}/lint", draft),
        (None, "POST", "/bailee/v1/services", service),
        (Role.AUDITOR, "POST", f"{POLICY}/drafts", draft),
        (OFFICER, "POST", "/bailee/v1/services", service),
    ]
    assert [town.ask(*one).status_code for one in wanted] == [403] * len(wanted)


def test_dated_records_obey_the_version_of_their_day(town: Town, tmp_path: Path) -> None:
    now = SystemClock().now()
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    example = json.loads(page.partition("```json\n")[2].partition("```")[0])
    record = {**example, "project": town.api.project}
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

    def imported(*more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "bailee", "import", "records", str(file), "--json",
             *more, *town.place.arguments],
            cwd=town.place.root, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    past = imported("--from-line", "99")
    assert (past.returncode, past.stdout) == (1, "")
    assert "has 7 lines" in past.stderr
    done = imported()
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
    assert "Hello" not in done.stdout + done.stderr
    with town.place.client() as client:
        opened = town.place.opened(client, town.api, said[1]["record"])
    assert (opened["request"], opened["answer"]) == (example["request"], example["answer"])
    rows = look(town.place, "SELECT outcome, records FROM imported_records ORDER BY outcome")
    assert [tuple(row) for row in rows] == [
        ("no_key", 1), ("nothing_kept", 1), ("past_deadline", 1), ("sealed", 1)
    ]  # fmt: skip
