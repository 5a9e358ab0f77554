"""No administrator reaches another organisation's rows: every route, with another's identifiers."""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import httpx2
import pytest
from litestar import Litestar
from tests.fixtures.authorities import Identity
from tests.fixtures.clients import ask_command
from tests.fixtures.echo import MODEL
from tests.fixtures.installation import Installation, installation
from tests.fixtures.office import Office, open_office

from bailee.api.administration import ADMINISTRATION_ROUTES

pytestmark = pytest.mark.journey

PREFIX: Final = "/v1/organization"
ALERT: Final[dict[str, Any]] = {
    "threshold_amount": 100,
    "currency": "USD",
    "interval": "month",
    "notification_channel": {"type": "email", "recipients": ["x@example.net"]},
}
BODIES: Final[dict[str, Any]] = {
    "POST /admin_api_keys": {"name": "mine"},
    "POST /projects": {"name": "mine"},
    "POST /projects/{project}": {"name": "taken"},
    "POST /data_retention": {"retention_type": "none"},
    "POST /projects/{project}/data_retention": {"retention_type": "zero_data_retention"},
    "POST /projects/{project}/rate_limits/{rate_limit}": {"max_requests_per_1_minute": 1},
    "POST /projects/{project}/service_accounts": {"name": "mine"},
    "POST /projects/{project}/service_accounts/{account}/api_keys": {"name": "mine"},
    "POST /users/{user}": {"role": "reader"},
    "POST /projects/{project}/users": {"role": "member", "email": "ada@example.org"},
    "POST /projects/{project}/users/{user}": {"role": "owner"},
    "POST /spend_alerts": ALERT,
    "POST /spend_alerts/{alert}": ALERT,
    "POST /projects/{project}/spend_alerts": ALERT,
    "POST /projects/{project}/spend_alerts/{alert}": ALERT,
    "POST /invites": {"email": "mine@example.net", "role": "reader"},
    "POST /certificates": {"certificate": Identity.authority("mine").pem},
    "POST /certificates/{certificate}": {"name": "mine"},
    "POST /certificates/activate": {"certificate_ids": ["{certificate}"]},
    "POST /certificates/deactivate": {"certificate_ids": ["{certificate}"]},
    "POST /projects/{project}/certificates/activate": {"certificate_ids": ["{certificate}"]},
    "POST /projects/{project}/certificates/deactivate": {"certificate_ids": ["{certificate}"]},
}
"""What the operations want that want something."""


class Owned(NamedTuple):
    """An organisation with one of everything."""

    office: Office
    names: dict[str, str]
    """By path parameter; `admin_key` for the key of `/admin_api_keys/{key}`."""


def operations() -> list[str]:
    """Every operation of the administration, as in `GET /projects/{project}`."""
    found = []
    for route in Litestar([*ADMINISTRATION_ROUTES], openapi_config=None).routes:
        path = re.sub(r"\{(\w+):str\}", r"{\1}", route.path).removeprefix(PREFIX)
        methods: set[str] = set(getattr(route, "methods", ())) - {"HEAD", "OPTIONS"}
        found += [f"{method} {path}" for method in sorted(methods)]
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("isolation"), asks=True) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: Installation) -> Iterator[httpx2.Client]:
    with httpx2.Client(verify=place.ssl_context(), trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def owned(place: Installation, http: httpx2.Client) -> Owned:
    office = open_office(place, http, "Acme")
    organization = office.client.admin.organization
    project = organization.projects.create(name="secret").id
    account = organization.projects.service_accounts.create(project, name="worker")
    assert account.api_key is not None
    invite = organization.invites.create(
        email="ada@example.org", role="owner", projects=[{"id": project, "role": "member"}]
    )
    ask_command(place, "admin", "accept-invite", invite.id, "--name", "Ada")
    (user,) = organization.users.list()
    pending = organization.invites.create(email="bob@example.org", role="reader")
    own = organization.admin_api_keys.list().data[0].id
    return Owned(
        office,
        {
            "kind": "completions",
            "project": project,
            "key": account.api_key.id,
            "admin_key": own,
            "account": account.id,
            "user": user.id,
            "invite": pending.id,
            "rate_limit": f"rl_{MODEL}",
            "alert": organization.projects.spend_alerts.create(project, **ALERT).id,
            "organisation_alert": organization.spend_alerts.create(**ALERT).id,
            "certificate": organization.certificates.create(
                certificate=Identity.authority("secret").pem, name="secret"
            ).id,
        },
    )


@pytest.fixture(scope="module")
def rival(place: Installation, http: httpx2.Client) -> Office:
    return open_office(place, http, "Rival")


def _path(operation: str, names: dict[str, str]) -> str:
    path = operation.split(" ", 1)[1]
    if path.startswith("/admin_api_keys"):
        names = {**names, "key": names["admin_key"]}
    if path.startswith("/spend_alerts"):
        names = {**names, "alert": names["organisation_alert"]}
    return path.format_map(names)


def _body(operation: str, names: dict[str, str]) -> Any:
    body = BODIES.get(operation, {})
    named = [text.format_map(names) for text in body.get("certificate_ids", ())]
    return {**body, "certificate_ids": named} if named else BODIES.get(operation)


def _query(operation: str) -> str:
    return "?start_time=1" if "/usage/" in operation or operation.endswith("/costs") else ""


@pytest.mark.parametrize("operation", operations())
def test_another_organisation_is_not_reached(operation: str, owned: Owned, rival: Office) -> None:
    method = operation.split(" ", 1)[0]
    path = _path(operation, owned.names) + _query(operation)
    body = _body(operation, owned.names)
    answered = rival.ask(method, path, body)
    if (
        "{" in operation + str(BODIES.get(operation, {}).get("certificate_ids"))
        and operation != "GET /usage/{kind}"
    ):
        assert answered.status_code == 404, answered.text
    else:
        assert answered.status_code == 200, answered.text
    told = {name: value for name, value in owned.names.items() if value not in path}
    told = {name: told[name] for name in told if name not in ("rate_limit", "kind")}
    assert [name for name, value in told.items() if value in answered.text] == []
    assert "secret" not in answered.text
    assert "example.org" not in answered.text


def test_nothing_of_it_has_changed(owned: Owned) -> None:
    """After every operation above was tried on it, and the owner's own way still works."""
    asked = {
        operation: owned.office.ask("GET", _path(operation, owned.names) + _query(operation))
        for operation in operations()
        if operation.startswith("GET ")
    }
    assert {operation: answer.status_code for operation, answer in asked.items()} == dict.fromkeys(
        asked, 200
    )
    assert asked["GET /projects/{project}"].json()["name"] == "secret"
    retention = asked["GET /projects/{project}/data_retention"].json()
    assert retention["type"] == "organization_default"
    assert asked["GET /users/{user}"].json()["role"] == "owner"
    assert len(asked["GET /projects/{project}/users"].json()["data"]) == 1
    for listed in ("GET /certificates", "GET /projects/{project}/certificates"):
        (certificate,) = asked[listed].json()["data"]
        assert (certificate["name"], certificate["active"]) == ("secret", False)


@pytest.mark.parametrize("operation", operations())
def test_every_operation_wants_an_admin_key(operation: str, owned: Owned) -> None:
    method = operation.split(" ", 1)[0]
    url = f"{owned.office.client.base_url}organization{_path(operation, owned.names)}"
    for key, status in ((None, 401), ("sk-admin-" + "0" * 16 + "-" + "A" * 43, 401)):
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        answered = owned.office.http.request(
            method, url, headers=headers, json=BODIES.get(operation)
        )
        assert answered.status_code == status
        assert set(answered.json()["error"]) == {"message", "type", "param", "code"}
