"""An organisation's administrator at work with the official SDK: two workers, real database."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import httpx2
import openai
import pytest
from tests.fixtures.clients import ask_command, run_command
from tests.fixtures.echo import MODEL
from tests.fixtures.installation import Installation, Tenant, chat_body, installation
from tests.fixtures.office import (
    Office,
    administrator,
    chat,
    open_office,
    status_of,
    takes_s,
    user_of,
)
from tests.fixtures.waiting import until

from bailee.drivers.system import SystemClock

pytestmark = pytest.mark.journey

WITHIN_S: Final = 1.0
SLACK_S: Final = 1.0
"""For what runs beside the tests; the promise itself is a second."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("administration"), workers=2) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: Installation) -> Iterator[httpx2.Client]:
    with httpx2.Client(verify=place.ssl_context(), trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def office(place: Installation, http: httpx2.Client) -> Office:
    return open_office(place, http, "Acme")


@pytest.fixture(scope="module")
def other(place: Installation, http: httpx2.Client) -> Office:
    return open_office(place, http, "Rival")


def test_the_first_admin_key_is_made_once(place: Installation, office: Office) -> None:
    assert office.admin_key.startswith("sk-admin-")
    run_command(place, "admin", "bootstrap", "--organisation", "Acme", *place.arguments, status=1)
    demo = ask_command(place, "admin", "bootstrap")
    assert demo["key"].startswith("sk-admin-")
    run_command(place, "admin", "bootstrap", *place.arguments, status=1)
    ask_command(place, "admin", "revoke", demo["id"])
    assert ask_command(place, "admin", "bootstrap")["id"] != demo["id"]


def test_admin_keys(place: Installation, http: httpx2.Client, office: Office) -> None:
    keys = office.client.admin.organization.admin_api_keys
    made = keys.create(name="second", expires_in_seconds=3600)
    assert made.value.startswith("sk-admin-")
    assert made.expires_at is not None
    assert made.expires_at - made.created_at == 3600
    listed = {key.id: key for key in keys.list(limit=1)}
    assert made.id in listed
    assert len(listed) == 2
    assert made.value not in json.dumps([key.model_dump() for key in listed.values()])
    assert keys.retrieve(made.id).name == "second"
    second = administrator(place, http, made.value)
    assert [p.name for p in second.admin.organization.projects.list()] == [
        p.name for p in office.client.admin.organization.projects.list()
    ]
    assert second.admin.organization.admin_api_keys.delete(made.id).deleted is True
    with pytest.raises(openai.AuthenticationError):
        list(second.admin.organization.projects.list())
    with pytest.raises(openai.NotFoundError):
        keys.delete(made.id)


def test_a_project_from_creation_to_archive(
    place: Installation, http: httpx2.Client, office: Office
) -> None:
    projects = office.client.admin.organization.projects
    made = projects.create(name="search", residency="US_STORAGE_PROCESSING")
    assert (made.status, made.residency) == ("active", "US_STORAGE_PROCESSING")
    with pytest.raises(openai.BadRequestError) as refused:
        projects.create(name="elsewhere", residency="EU_STORAGE_PROCESSING")
    assert refused.value.param == "residency"
    assert projects.update(made.id, name="find").name == "find"
    again = projects.create(name="search")
    with pytest.raises(openai.ConflictError) as taken:
        projects.create(name="find")
    assert taken.value.param == "name"
    with pytest.raises(openai.ConflictError) as taken:
        projects.update(again.id, name="find")
    assert taken.value.param == "name"
    projects.archive(again.id)
    account = projects.service_accounts.create(made.id, name="indexer")
    assert account.api_key is not None
    user = user_of(place, http, account.api_key.value)
    until(lambda: status_of(lambda: chat(user)) == 200, "the key works")
    (key,) = projects.api_keys.list(made.id)
    assert key.id == account.api_key.id
    assert key.owner.service_account is not None
    assert key.owner.service_account.id == account.id
    assert account.api_key.value not in key.model_dump_json()
    forgotten, other = (keep(user) for _ in range(2))
    assert projects.archive(made.id).status == "archived"
    took_s = takes_s(lambda: status_of(lambda: chat(user)) == 401, "archived")
    assert took_s <= WITHIN_S + SLACK_S
    assert made.id not in {project.id for project in projects.list()}
    assert made.id in {project.id for project in projects.list(include_archived=True)}
    with pytest.raises(openai.AuthenticationError, match="archived"):
        user.files.list()
    with pytest.raises(openai.AuthenticationError, match="archived"):
        user.files.content(other)
    assert user.files.delete(forgotten).deleted
    shown = account.api_key.value
    until(lambda: receipt_of(place, http, shown, forgotten), "its receipt is there")
    projects.api_keys.delete(key.id, project_id=made.id)
    until(lambda: status_of(lambda: user.files.delete(other)) == 401, "a revoked one does not")
    with pytest.raises(openai.ConflictError):
        projects.update(made.id, name="again")
    with pytest.raises(openai.ConflictError):
        projects.service_accounts.create(made.id, name="late")


def keep(user: openai.OpenAI) -> str:
    return user.files.create(file=("notes.txt", b"to be forgotten"), purpose="user_data").id


def receipt_of(place: Installation, http: httpx2.Client, key: str, name: str) -> bool:
    headers = {"authorization": f"Bearer {key}"}
    got = http.get(f"{place.origin}/bailee/v1/deletions/{name}", headers=headers)
    assert got.status_code in (200, 503), got.text
    return got.status_code == 200


def test_service_accounts_and_keys(
    place: Installation, http: httpx2.Client, office: Office
) -> None:
    projects = office.client.admin.organization.projects
    project = projects.create(name="accounts").id
    accounts = projects.service_accounts
    bare = accounts.create(project, name="bare", create_service_account_only=True)
    assert (bare.api_key, bare.role) == (None, "none")
    key = accounts.api_keys.create(bare.id, project_id=project, name="k", expires_in_seconds=60)
    user = user_of(place, http, key.value)
    until(lambda: status_of(lambda: chat(user)) == 200, "the key works")
    assert projects.api_keys.retrieve(key.id, project_id=project).name == "k"
    assert {account.id for account in accounts.list(project)} == {bare.id}
    assert accounts.delete(bare.id, project_id=project).deleted is True
    until(lambda: status_of(lambda: chat(user)) == 401, "the key went with its owner")
    assert list(projects.api_keys.list(project)) == []
    with pytest.raises(openai.NotFoundError):
        accounts.retrieve(bare.id, project_id=project)
    again = accounts.create(project, name="again")
    assert again.api_key is not None
    user = user_of(place, http, again.api_key.value)
    until(lambda: status_of(lambda: chat(user)) == 200, "the key works")
    assert projects.api_keys.delete(again.api_key.id, project_id=project).deleted is True
    until(lambda: status_of(lambda: chat(user)) == 401, "the key is revoked")


def test_retention_holds_in_every_worker_within_a_second(
    place: Installation, http: httpx2.Client, office: Office
) -> None:
    organization = office.client.admin.organization
    project = organization.projects.create(name="retention").id
    made = organization.projects.service_accounts.create(project, name="caller")
    assert made.api_key is not None
    retention = organization.projects.data_retention
    assert retention.retrieve(project).type == "organization_default"

    def handling(**more: Any) -> str:
        with httpx2.Client(verify=place.ssl_context(), trust_env=False) as own:
            answered = own.post(
                f"{place.base_url}/chat/completions",
                headers=Tenant(made.api_key.value, "", "").headers,  # type: ignore[union-attr]
                content=chat_body("hello", **more),
            )
        return f"{answered.status_code} {answered.headers.get('bailee-handling', '')}"

    def everywhere(wanted: Callable[[str], bool], **more: Any) -> Callable[[], bool]:
        return lambda: all(wanted(handling(**more)) for _ in range(6))

    def kept(text: str) -> bool:
        return text.startswith("200") and "abuse_monitoring" in text.replace(
            "abuse_monitoring=?0", ""
        )

    until(everywhere(kept), "kept by default")
    with pytest.raises(openai.PermissionDeniedError, match="zero_retention/applications"):
        retention.update(project, retention_type="zero_data_retention")
    with pytest.raises(openai.PermissionDeniedError, match="zero_retention/applications"):
        organization.data_retention.update(retention_type="zero_data_retention")
    run_command(place, "projects", "set", project, "--retention", "zero_data_retention")
    assert retention.retrieve(project).type == "zero_data_retention"
    assert not any(kept(handling()) for _ in range(6)), "in force everywhere on return"
    run_command(place, "organisations", "set", "Acme", "--retention", "zero_data_retention")
    organization.data_retention.update(retention_type="none")  # type: ignore[arg-type]
    for set_it, wanted in (
        (lambda: retention.update(project, retention_type="none"), True),
        (lambda: retention.update(project, retention_type="zero_data_retention"), False),
        (lambda: retention.update(project, retention_type="none"), True),
        (lambda: organization.data_retention.update(retention_type="zero_data_retention"), True),
        (lambda: retention.update(project, retention_type="organization_default"), False),
    ):
        set_it()
        clock = SystemClock()
        began_s = clock.monotonic_s()
        until(lambda wanted=wanted: kept(handling()) is wanted, "in force")  # type: ignore[misc]
        until(everywhere(lambda text, wanted=wanted: kept(text) is wanted), "everywhere")  # type: ignore[misc]
        assert clock.monotonic_s() - began_s <= WITHIN_S + 2 * SLACK_S
    assert organization.data_retention.retrieve().type == "zero_data_retention"
    assert handling(store=True).startswith("200")
    http.post(
        f"{place.base_url}/organization/projects/{project}/data_retention",
        headers={"authorization": f"Bearer {office.admin_key}"},
        json={"retention_type": "organization_default", "store": "reject"},
    ).raise_for_status()
    until(everywhere(lambda text: text.startswith("400"), store=True), "refused")
    with pytest.raises(openai.BadRequestError):
        retention.update(project, retention_type="enhanced_zero_data_retention")
    http.post(
        f"{place.base_url}/organization/data_retention",
        headers={"authorization": f"Bearer {office.admin_key}"},
        json={"retention_type": "none"},
    ).raise_for_status()
    assert office.ask("GET", "/data_retention").json()["type"] == "none"


def test_rate_limits_for_a_model(place: Installation, http: httpx2.Client, office: Office) -> None:
    projects = office.client.admin.organization.projects
    project = projects.create(name="limits").id
    made = projects.service_accounts.create(project, name="caller")
    assert made.api_key is not None
    (limit,) = projects.rate_limits.list_rate_limits(project)
    assert (limit.model, limit.max_requests_per_1_minute) == (MODEL, 2**31 - 1)
    changed = projects.rate_limits.update_rate_limit(
        limit.id, project_id=project, max_requests_per_1_minute=3
    )
    assert changed.max_requests_per_1_minute == 3
    user = user_of(place, http, made.api_key.value)
    until(lambda: status_of(lambda: chat(user)) == 429, "the limit holds")
    with pytest.raises(openai.NotFoundError):
        projects.rate_limits.update_rate_limit("rl_no", project_id=project)
    with pytest.raises(openai.BadRequestError):
        projects.rate_limits.update_rate_limit(
            limit.id, project_id=project, max_images_per_1_minute=3
        )


def test_people(place: Installation, office: Office) -> None:
    organization = office.client.admin.organization
    project = organization.projects.create(name="people").id
    invite = organization.invites.create(
        email="Ada@Example.org", role="owner", projects=[{"id": project, "role": "member"}]
    )
    assert (invite.status, invite.email) == ("pending", "ada@example.org")
    assert [one.id for one in organization.invites.list()] == [invite.id]
    ask_command(place, "admin", "accept-invite", invite.id, "--name", "Ada")
    assert organization.invites.retrieve(invite.id).status == "accepted"
    (ada,) = organization.users.list(emails=["ada@example.org"])
    assert (ada.name, ada.role) == ("Ada", "owner")
    (member,) = organization.projects.users.list(project)
    assert (member.id, member.role) == (ada.id, "member")
    with pytest.raises(openai.ConflictError):
        organization.users.update(ada.id, role="reader")
    with pytest.raises(openai.ConflictError) as conflict:
        organization.invites.create(email="ada@example.org", role="reader")
    assert conflict.value.param == "email"
    second = organization.invites.create(email="bob@example.org", role="reader")
    ask_command(place, "admin", "accept-invite", second.id, "--name", "Bob")
    (bob,) = organization.users.list(emails=["bob@example.org"])
    added = organization.projects.users.create(project, role="member", user_id=bob.id)
    assert added.email == "bob@example.org"
    changed = organization.projects.users.update(bob.id, project_id=project, role="owner")
    assert changed.role == "owner"
    with pytest.raises(openai.BadRequestError, match="role_id"):
        organization.projects.users.update(
            bob.id, project_id=project, role="owner", extra_body={"role_id": "role_1"}
        )
    assert organization.projects.users.delete(bob.id, project_id=project).deleted is True
    assert organization.users.update(bob.id, role="owner").role == "owner"
    assert organization.users.delete(bob.id).deleted is True
    with pytest.raises(openai.NotFoundError):
        organization.users.retrieve(bob.id)
    third = organization.invites.create(email="eve@example.org", role="reader")
    assert organization.invites.delete(third.id).deleted is True
    run_command(
        place, "admin", "accept-invite", third.id, "--name", "Eve", *place.arguments, status=1
    )
    assert "bob@example.org" not in office.ask("GET", "/invites").text
    assert "example.org" not in office.ask("GET", "/audit_logs?limit=100").text


def test_the_audit_log_tells_who_did_what(office: Office) -> None:
    organization = office.client.admin.organization
    project = organization.projects.create(name="audited").id
    organization.projects.update(project, name="renamed")
    account = organization.projects.service_accounts.create(project, name="sa")
    organization.projects.archive(project)
    own = organization.admin_api_keys.list().data[0].id
    events = list(organization.audit_logs.list(project_ids=[project], limit=2))
    assert [event.type for event in events] == [
        "project.archived",
        "api_key.created",
        "service_account.created",
        "project.updated",
        "project.created",
    ]
    assert {event.project.id for event in events if event.project} == {project}
    assert events[0].actor is not None
    assert events[0].actor.api_key is not None
    assert events[0].actor.api_key.id == own
    assert events[3].project_updated is not None
    assert events[4].project_created is not None
    assert events[4].project_created.id == project
    (created,) = organization.audit_logs.list(resource_ids=[account.id])
    assert created.type == "service_account.created"
    only = organization.audit_logs.list(
        event_types=["project.updated"], project_ids=[project], actor_ids=[own]
    )
    assert [event.type for event in only] == ["project.updated"]
    at = events[0].effective_at
    assert list(organization.audit_logs.list(project_ids=[project], effective_at={"gt": at})) == []
    exact = organization.audit_logs.list(
        project_ids=[project], effective_at={"gte": at - 3600, "lte": at}
    )
    assert len(list(exact)) == 5
    before = organization.audit_logs.list(project_ids=[project], before=events[4].id, limit=1)
    assert [event.id for event in before.data] == [events[3].id]
    operator = organization.audit_logs.list(actor_ids=["operator"])
    assert {event.type for event in operator} >= {"project.created"}


def test_a_project_key_does_not_administer_and_an_admin_key_does_not_call(
    place: Installation, http: httpx2.Client, office: Office
) -> None:
    project = place.demo
    refused = http.get(f"{place.base_url}/organization/projects", headers=project.headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "missing_scope")
    for headers in ({}, {"authorization": "Bearer sk-admin-no"}):
        answered = http.get(f"{place.base_url}/organization/projects", headers=headers)
        assert answered.status_code == 401
        assert set(answered.json()["error"]) == {"message", "type", "param", "code"}
    admin = user_of(place, http, office.admin_key)
    with pytest.raises(openai.AuthenticationError):
        admin.models.list()
    with pytest.raises(openai.AuthenticationError):
        chat(admin)
    until(lambda: status_of(lambda: chat(user_of(place, http, project.key))) == 200, "the demo")
    record = chat(user_of(place, http, project.key)).headers["bailee-record"]
    opened = http.get(
        f"{place.origin}/bailee/v1/records/{record}",
        headers={"authorization": f"Bearer {office.admin_key}"},
    )
    assert opened.status_code == 401
    mismatch = http.get(
        f"{place.base_url}/organization/projects",
        headers={
            "authorization": f"Bearer {office.admin_key}",
            "openai-organization": "org_" + "0" * 32,
        },
    )
    assert mismatch.status_code == 401
