"""Webhooks: registered by command, sent by the worker over TLS, verified by others' code.

The worker is killed between sending and noting.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from tests.fixtures.clients import ask_command, client_environment, run_command
from tests.fixtures.installation import Installation, installation
from tests.fixtures.receiver import Receiver, receiver
from tests.fixtures.waiting import until

pytestmark = pytest.mark.journey


class Subscribed(NamedTuple):
    """An organisation with an admin key, and who is told."""

    place: Installation
    receiver: Receiver
    variables: dict[str, str]
    project: str

    def ask(self, *arguments: str) -> Any:
        """The JSON of a `bailee webhooks` command."""
        typed = ("webhooks", *arguments, *self.place.arguments, "--json")
        return json.loads(run_command(self.place, *typed, environment=self.variables).stdout)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an operation."""
        headers = {"authorization": f"Bearer {self.variables['OPENAI_ADMIN_KEY']}"}
        with self.place.client() as client:
            got = client.request(method, path, json=body, headers=headers)
        assert got.is_success, got.text
        return got.json()

    def rename(self, name: str) -> None:
        """Something happens."""
        self.call("POST", f"/v1/organization/projects/{self.project}", {"name": name})


@pytest.fixture(scope="module")
def subscribed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subscribed]:
    root = tmp_path_factory.mktemp("webhooks")
    with receiver(root) as told:
        settings = f"""
[webhooks]
allow_private_addresses = true
authorities_file = "{told.authority}"
"""
        place_root = root / "place"
        place_root.mkdir()
        with installation(place_root, settings=settings) as place:
            tenant = place.tenant("Acme")
            key = ask_command(place, "admin", "bootstrap", "--organisation", "Acme")["key"]
            variables = {**client_environment(place), "OPENAI_ADMIN_KEY": key}
            yield Subscribed(place, told, variables, tenant.project)


def test_from_registering_to_sending_again(subscribed: Subscribed) -> None:
    told = subscribed.receiver
    made = subscribed.ask("create", told.url, "--event", "project.updated")
    webhook, secret = made["id"], made["secret"]
    subscribed.rename("a secret name")
    told.wait()
    first = told.got[-1]
    message = first.verified(secret)
    assert (message["type"], message["data"]["resource_id"]) == (
        "project.updated",
        subscribed.project,
    )
    assert b"secret name" not in first.body
    events = subscribed.call("GET", "/v1/organization/audit_logs?event_types[]=project.updated")
    assert first.name == events["data"][0]["id"], "the receiver finds the rest in the audit log"

    told.free.clear()
    subscribed.rename("another")
    told.wait()
    held = told.got[-1]
    subscribed.place.restart("worker")
    told.free.set()
    told.wait()
    assert (told.got[-1].name, told.got[-1].body) == (held.name, held.body)
    assert told.got[-1].verified(secret) == held.verified(secret)

    def listed() -> list[Any]:
        rows: list[Any] = subscribed.ask("deliveries", webhook)
        return rows

    until(lambda: {one["state"] for one in listed()} == {"delivered"}, "it is noted")
    assert [one["id"] for one in listed()] == [held.name, first.name]

    new = subscribed.ask("rotate-secret", webhook)["secret"]
    subscribed.ask("test", webhook)
    told.wait()
    for one in (secret, new):
        assert told.got[-1].verified(one)["type"] == "webhook.tested"
    assert subscribed.ask("replay", webhook, "--event", first.name)["count"] == 1
    told.wait()
    assert told.got[-1].name == first.name
    assert subscribed.ask("replay", webhook, "--since", "0")["count"] == 2
    told.wait()
    told.wait()
    assert {one.name for one in told.got[-2:]} == {first.name, held.name}

    changed = subscribed.ask("update", webhook, "--disable", "--event", "*")
    assert (changed["enabled"], changed["disabled"]) == (False, "by_hand")
    assert "secret" not in changed
    (row,) = subscribed.ask("list")
    assert (row["event_types"], row["id"]) == (["*"], webhook)
    assert subscribed.ask("delete", webhook)["deleted"] is True
    assert subscribed.ask("list") == []


def test_the_types_of_events_are_public(subscribed: Subscribed) -> None:
    with subscribed.place.client() as client:
        served = client.get("/bailee/v1/webhooks/event_types").json()["data"]
    assert served == subscribed.ask("types")
    assert all(one["english"] and one["korean"] for one in served)
