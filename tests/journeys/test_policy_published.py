"""Clause C04 on a real installation: a version is drafted, approved by two, published and obeyed.

Each call is governed by the version in force when it was submitted, and says which; a later version
keeps nothing for longer.
"""

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from tests.fixtures.clients import ask_command, bare_environment, run_command
from tests.fixtures.installation import (
    CHAT,
    START,
    Installation,
    Tenant,
    chat_body,
    installation,
)
from tests.fixtures.people import signed_in
from tests.fixtures.policy_office import version_text
from tests.fixtures.waiting import until

from bailee.kernel.ids import RecordId, parse_tenant
from bailee.kernel.instants import DAY_MS, Instant, epoch_start, to_rfc3339
from bailee.lifecycle.log_reader import LogReader
from bailee.policy.access.model import Role
from bailee.transparency.base64 import to_base64
from bailee.transparency.entry import parse
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import read_trust

pytestmark = pytest.mark.journey

AUTHOR: Final = Role.PRIVACY_OFFICER
APPROVERS: Final = (Role.SAFETY_LEAD, Role.OPERATOR)
EFFECTIVE: Final = Instant(START + 15 * DAY_MS)
SHIPPED: Final = "2026-11-23"
NEW: Final = "shorter"
STORED: Final = chat_body("hi", store=True)


class House(NamedTuple):
    """An installation, the operator's people, and a customer."""

    place: Installation
    people: dict[Role, str]
    """Session tokens of people who have just signed in."""
    customer: Tenant
    admin_key: str

    def command(self, who: Role, *arguments: str, status: int = 0) -> Any:
        """`bailee policy …` of a signed-in person."""
        done = run_command(
            self.place,
            *("policy", *arguments, *self.place.arguments, "--json"),
            environment=bare_environment(self.place) | {"OPENAI_ADMIN_KEY": self.people[who]},
            status=status,
        )
        return json.loads(done.stdout) if status == 0 else done.stderr

    def answered(self) -> tuple[str, RecordId, int]:
        """The version that governs a call, its record, and for how many days it is stored."""
        with self.place.client() as client:
            answer = client.post(CHAT, content=STORED, headers=self.customer.headers)
        assert answer.status_code == 200, answer.text
        record = RecordId.parse(answer.headers["bailee-record"])
        (kept,) = re.findall(
            r"application_state=.*?until=@(\d+)", answer.headers["bailee-handling"]
        )
        days = (int(kept) * 1000 - epoch_start(record.epoch)) // DAY_MS
        return answer.headers["bailee-policy"], record, days


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("policy")
    with installation(root, workers=2, simulated=True) as place:
        customer = place.tenant("Acme")
        operator = parse_tenant(place.tenant("Operator").organisation)
        ask_command(place, "admin", "house", "Operator")
        made = ask_command(place, "admin", "bootstrap", "--organisation", "Acme")

        async def people() -> dict[Role, str]:
            async with place.administration() as opened:
                return {
                    role: await signed_in(opened, operator, role) for role in (AUTHOR, *APPROVERS)
                }

        yield House(place, asyncio.run(people()), customer, made["key"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    text = version_text(NEW, to_rfc3339(EFFECTIVE), stored_days="14")
    file = tmp_path / "shorter.toml"
    file.write_text(text, "utf-8")
    return file


def test_c04_from_a_draft_to_the_first_call_that_obeys_it(house: House, file: Path) -> None:
    place, command = house.place, house.command
    before = house.answered()
    assert before[::2] == (SHIPPED, 30)

    drafted = command(AUTHOR, "draft", str(file))
    draft, digest = drafted["id"], drafted["digest"]
    difference = json.dumps(command(AUTHOR, "diff", draft), ensure_ascii=False)
    assert ("stored_days" in difference, "14 days" in difference, "14일" in difference) == (
        True, True, True
    )  # fmt: skip

    for name in place.gateways:  # what ends in peace writes down what it has counted
        pid = place.pid(name)
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        place.await_return(name, pid)
    said = command(AUTHOR, "simulate", draft)
    assert (said["calls"], said["calls_that_differ"]) == (1, 1), "it would be stored for less long"
    assert "approv" in command(AUTHOR, "publish", draft, status=1)
    command(AUTHOR, "submit", draft)
    assert "of their own" in command(AUTHOR, "approve", draft, "--digest", digest, status=1)
    command(APPROVERS[0], "approve", draft, "--digest", digest)
    assert "approv" in command(AUTHOR, "publish", draft, status=1), "one is not two"
    assert "reads differently" in command(
        APPROVERS[1], "approve", draft, "--digest", "0" * 64, status=1
    )
    command(APPROVERS[1], "approve", draft, "--digest", digest[:8])
    published = command(AUTHOR, "publish", draft)
    assert (published["id"], published["digest"]) == (NEW, digest)

    with place.client() as client:
        feed = client.get("/bailee/v1/policy/versions").json()["data"]
        told = client.get(
            "/v1/organization/audit_logs",
            params={"event_types[]": "policy.published"},
            headers={"authorization": f"Bearer {house.admin_key}"},
        ).json()["data"]
    (shown,) = (one for one in feed if one["id"] == NEW)
    assert shown["effective_at"] * 1000 == EFFECTIVE
    assert "published" in shown["notice"]["english"]
    assert "시행" in shown["notice"]["korean"]
    assert [one["policy.published"]["id"] for one in told] == [NEW], "every customer is told"
    wanted = to_base64(bytes.fromhex(digest))
    with place.time_passes():
        until(lambda: wanted in published_in_log(place), "the log has the version's digest")

    assert house.answered()[::2] == (SHIPPED, 15), "not before it takes effect; then it is too old"
    assert place.clock is not None
    place.clock.set(EFFECTIVE)

    def obeyed() -> bool:
        with place.client() as client:
            answer = client.post(CHAT, content=STORED, headers=house.customer.headers)
        return answer.status_code == 200

    until(obeyed, "the half hour of the new version has keys")
    assert house.answered()[::2] == (NEW, 14)
    feed = ask_command(place, "policy", "versions")["data"]
    assert NEW in [one["id"] for one in feed], "nobody is signed in here"
    assert ask_command(place, "policy", "show", NEW)["id"] == NEW
    at = to_rfc3339(EFFECTIVE)
    explained = ask_command(place, "policy", "explain", "/v1/responses", "--at", at)
    assert explained["policy_version"] == NEW
    held = ask_command(place, "inspect", "record", str(before[1]))
    assert held["policy"] == SHIPPED, "what was submitted before obeys the version of its day"
    assert held["until"] == to_rfc3339(Instant(epoch_start(before[1].epoch) + 30 * DAY_MS))


def published_in_log(place: Installation) -> set[str]:
    """Digests of the versions that the log says were published."""

    async def read() -> list[bytes]:
        objects = objects_of(place.settings, place.places)
        reader = LogReader(objects, read_trust(place.places).verifier)
        return await reader.entries(0, (await reader.checkpoint()).checkpoint.size)

    entries = [parse(leaf) for leaf in asyncio.run(read())]
    return {entry["digest"] for entry in entries if entry["type"] == "policy_published"}
