"""Every operation of administration, for people of every role, at home and elsewhere, over HTTP.

Made from the routes and the matrix. Who may is not refused; who may not gets 403 whatever is
asked for, and nothing changes; and nobody but the house reaches another organisation.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import httpx
import pytest
from tests.fixtures.agreements import FORMS
from tests.fixtures.installation import Installation, installation
from tests.fixtures.operations import ONES_OWN, PUBLIC, asking, every_operation
from tests.fixtures.people import signed_in
from tests.fixtures.tables import look

from bailee.governance.agreements.model import Kind
from bailee.kernel.ids import TenantId, tenant_text
from bailee.policy.access.matrix import allowed
from bailee.policy.access.model import HOUSE_ROLES, Actor, ActorKind, Role
from bailee.schema.tables import TENANT_TABLES

pytestmark = pytest.mark.journey

NOBODYS: Final = {
    **dict.fromkeys(("alert", "certificate", "key", "rate_limit"), "nothing"),
    "account": "user_" + "0" * 32,
    "agreement": "agreement_" + "0" * 32,
    "application": "zra_" + "0" * 32,
    "assignment": "assign_" + "0" * 32,
    "draft": "draft_" + "0" * 32,
    "invite": "invite_" + "0" * 32,
    "kind": "completions",
    "project": "proj_" + "0" * 32,
    "role": "developer",
    "service": "nothing",
    "session": "session_" + "0" * 16,
    "user": "user_" + "0" * 32,
    "version": "nothing",
    "webhook": "wh_" + "0" * 32,
}
MARK: Final = "kumquat"
"""In everything that the customer says."""
KIND: Final = "enterprise_agreement"
TEXTS: Final = {"version": "id = 'x'"}
WEBHOOK: Final = {"url": "https://hooks.example.org/x", "event_types": ["*"]}
BODIES: Final[dict[str, Any]] = {
    "POST /bailee/v1/agreements": {
        "kind": "data_processing_addendum",
        "form": FORMS[Kind.DATA_PROCESSING_ADDENDUM],
        "submit": True,
    },
    "POST /bailee/v1/agreements/protected-projects/{project}": {},
    "POST /bailee/v1/agreements/templates/publish": {"kind": KIND, "version": "2027-01-01"},
    "POST /bailee/v1/agreements/{agreement}": {"form": {"contact": "taken@example.com"}},
    "POST /bailee/v1/agreements/{agreement}/countersign": {"name": "O.", "title": "Officer"},
    "POST /bailee/v1/agreements/{agreement}/review": {"decision": "decline", "reasons": "no"},
    "POST /bailee/v1/agreements/{agreement}/sign": {},
    "POST /bailee/v1/agreements/{agreement}/submit": {},
    "POST /bailee/v1/agreements/{agreement}/terminate": {"reasons": "enough"},
    "POST /bailee/v1/consents": {"text": "sharing", "digest": "00"},
    "POST /bailee/v1/consents/withdraw": {},
    "POST /bailee/v1/policy/drafts": TEXTS,
    "POST /bailee/v1/policy/drafts/{draft}": TEXTS,
    "POST /bailee/v1/policy/drafts/{draft}/approvals": {"digest": "00"},
    "POST /bailee/v1/policy/drafts/{draft}/publish": {},
    "POST /bailee/v1/policy/drafts/{draft}/simulation": {},
    "POST /bailee/v1/policy/drafts/{draft}/submit": {},
    "POST /bailee/v1/policy/lint": TEXTS,
    "POST /bailee/v1/services": {"service": "chat", "english": "Chat", "korean": "채팅"},
    "POST /bailee/v1/services/{service}/projects": {
        "organization": "org_" + "0" * 32,
        "project": "proj_" + "0" * 32,
    },
    "POST /bailee/v1/people/{user}/enrolments": {},
    "POST /bailee/v1/people/{user}/roles": {"role": "administrator"},
    "POST /bailee/v1/roles/recertifications/{assignment}": {"keep": False},
    "POST /bailee/v1/webhooks": WEBHOOK,
    "POST /bailee/v1/webhooks/{webhook}": {"enabled": False},
    "POST /bailee/v1/webhooks/{webhook}/replay": {"since": 0},
    "POST /bailee/v1/webhooks/{webhook}/secret": {},
    "POST /bailee/v1/webhooks/{webhook}/test": {},
    "POST /bailee/v1/zero_retention/applications": {
        "mode": "zero_data_retention",
        "category": "health",
        "use_case": "Notes",
        "submit": False,
    },
    "POST /bailee/v1/zero_retention/applications/{application}/decision": {
        "approve": False,
        "reasons": "no",
    },
    "POST /bailee/v1/zero_retention/applications/{application}/review": {},
    "POST /bailee/v1/zero_retention/applications/{application}/revocation": {"reasons": "no"},
    "POST /bailee/v1/zero_retention/applications/{application}/submission": {},
    "POST /bailee/v1/zero_retention/applications/{application}/withdrawal": {},
}
"""What Bailee's own operations want; a new one has to be here."""
CHANGING: Final = (
    *("changed", "last_step", "last_used_at"),
    *("attempted_at", "attempts", "failing_since", "next_at", "problem"),
)
"""Columns that say nothing of what was commanded: uses, and messages that do not arrive."""


class World(NamedTuple):
    """A house, a customer and another customer, with people of each role."""

    house: TenantId
    customer: TenantId
    rival: TenantId
    tokens: dict[tuple[TenantId, Role], str]
    names: dict[str, str]
    """What the customer has, by parameter."""

    def headers(self, tenant: TenantId, role: Role, chosen: TenantId | None = None) -> Any:
        """Of somebody who holds a role in an organisation, and has chosen one."""
        chose = {} if chosen is None else {"openai-organization": tenant_text(chosen)}
        return {"authorization": f"Bearer {self.tokens[tenant, role]}", **chose}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("access")) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: Installation) -> Iterator[httpx.Client]:
    with place.client() as client:
        yield client


@pytest.fixture(scope="module")
def world(place: Installation, http: httpx.Client) -> World:
    made = asyncio.run(_world(place))

    def post(path: str, **body: Any) -> Any:
        owner = made.headers(made.customer, Role.OWNER)
        answered = http.post(path, headers=owner, json=body)
        assert answered.is_success, (path, answered.text)
        return answered.json()

    begun = post(
        "/bailee/v1/agreements", kind=KIND, form={"contact": f"{MARK}@example.com"}, submit=False
    )
    applied = post(
        "/bailee/v1/zero_retention/applications",
        **{**BODIES["POST /bailee/v1/zero_retention/applications"], "use_case": MARK},
    )
    alert = post(
        "/v1/organization/spend_alerts",
        threshold_amount=100,
        currency="USD",
        interval="month",
        notification_channel={"type": "email", "recipients": [f"{MARK}@example.com"]},
    )
    made.names.update(
        agreement=begun["id"],
        application=applied["id"],
        alert=alert["id"],
        webhook=post("/bailee/v1/webhooks", **{**WEBHOOK, "description": MARK})["id"],
    )
    return made


async def _world(place: Installation) -> World:
    async with place.administration() as opened:
        nouns = opened._nouns
        for name in ("House", "Customer", "Rival"):
            await opened.create_project(organisation=name, name="first")
        await opened.house("House")
        tenants = {one.name: one.tenant for one in await nouns.tenancy.organisations()}
        house, customer, rival = (tenants[name] for name in ("House", "Customer", "Rival"))
        tokens = {}
        for tenant, roles in ((house, Role), (customer, Role), (rival, (Role.OWNER,))):
            for role in roles:
                if tenant == house or role not in HOUSE_ROLES:
                    tokens[tenant, role] = await signed_in(opened, tenant, role)
        (project,) = await nouns.tenancy.projects(customer)
        people = {one.name: one for one in await nouns.people.people(customer)}
        (session,) = await nouns.person_sessions.active(customer, people["developer"].person)
        reader = people["developer"].role
        invite = await nouns.people.send_invite(customer, f"{MARK}@example.org", reader, ())
        user = (await nouns.people.accept_invite(invite.invite, MARK)).person
        (assigned,) = await nouns.roles.assignments(customer, user)
        invite = await nouns.people.send_invite(customer, f"{MARK}@example.net", reader, ())
        key = await opened.create_key(
            project=f"proj_{project.project.hex()}", name=MARK, expires_in_days=None
        )
        return World(
            *(house, customer, rival, tokens),
            {
                **NOBODYS,
                "assignment": f"assign_{assigned.assignment.hex()}",
                "invite": f"invite_{invite.invite.hex()}",
                "key": key["id"],
                "project": f"proj_{project.project.hex()}",
                "session": f"session_{session.public_id}",
                "user": f"user_{user.hex()}",
            },
        )


def rows(place: Installation, tenant: TenantId) -> list[tuple[str, str]]:
    """Everything that an organisation has, but for when it was last used."""
    ignored = " ".join(f"- '{column}'" for column in CHANGING)
    statement = " UNION ALL ".join(
        f"SELECT '{table.name}' AS name, CAST(to_jsonb(t) {ignored} AS text) AS row"  # noqa: S608
        f" FROM {table.name} t WHERE tenant = $1"
        for table in TENANT_TABLES
        if table.name != "usage_minutes"
    )
    return sorted(tuple(row) for row in look(place, statement, bytes(tenant)))


def may(role: Role, held: TenantId, operation: str, tenant: TenantId) -> bool:
    """What the published matrix says."""
    actor = Actor(ActorKind.PERSON, "", held, frozenset({role}))
    return any(
        allowed(actor, one.action, None if one.everywhere else tenant)
        for one in asking()[operation]
    )


def ask(http: httpx.Client, operation: str, names: dict[str, str], headers: Any) -> httpx.Response:
    """Ask for an operation on something, as far as possible with a body that is right."""
    method, path = operation.split(" ", 1)
    wanted = BODIES.get(operation, {}) if names is not NOBODYS else {}
    if "{kind}" in path and "templates" in path:
        path = path.replace("{kind}", KIND)
    query = "?category=health" if path.endswith("/assessment") else ""
    return http.request(method, path.format_map(names) + query, headers=headers, json=wanted)


def refused(answered: httpx.Response) -> bool:
    """Whether the matrix refused it: not an agreement that is missing, or a key."""
    if answered.status_code != 403:
        return False
    error = answered.json()["error"]
    permission = "This needs the permission" in error["message"]
    return error["code"] == "sign_in_again" or (error["code"] == "forbidden" and permission)


def test_every_operation_of_bailees_own_has_a_body_to_try() -> None:
    own = {name for name in asking() if name.startswith("POST /bailee/v1/")}
    assert own == BODIES.keys()
    parameters = {part for name in every_operation() for part in name.split("/") if "{" in part}
    assert {part.strip("{}") for part in parameters} <= NOBODYS.keys()


@pytest.mark.parametrize("role", Role)
def test_who_may_is_not_refused(role: Role, world: World, http: httpx.Client) -> None:
    """With nobody's identifiers and empty bodies, so that nothing comes of it."""
    wrong = []
    asked = [(world.house, world.house), (world.house, world.customer)]
    if role not in HOUSE_ROLES:
        asked.append((world.customer, world.customer))
    for held, chosen in asked:
        for operation in asking():
            if may(role, held, operation, chosen):
                answered = ask(http, operation, NOBODYS, world.headers(held, role, chosen))
                if answered.status_code == 401 or refused(answered) or answered.status_code >= 500:
                    wrong.append((operation, chosen == held, answered.status_code, answered.text))
    assert wrong == []


@pytest.mark.parametrize("role", Role)
def test_who_may_not_gets_403_and_changes_nothing(
    role: Role, place: Installation, world: World, http: httpx.Client
) -> None:
    """With the customer's identifiers, and bodies that would do for who may."""
    before, wrong, tried = rows(place, world.customer), [], 0
    holders = [world.house] if role in HOUSE_ROLES else [world.house, world.customer]
    for held in holders:
        for operation in asking():
            if not may(role, held, operation, world.customer):
                tried += 1
                headers = world.headers(held, role, world.customer)
                answered = ask(http, operation, world.names, headers)
                # Nobody without a house role is told that there is another organisation.
                elsewhere = held != world.customer and role not in HOUSE_ROLES
                if not (answered.status_code == 401 if elsewhere else refused(answered)):
                    wrong.append((operation, held == world.house, answered.text))
    assert wrong == []
    assert rows(place, world.customer) == before
    assert tried


def test_another_organisations_owner_reaches_nothing(
    place: Installation, world: World, http: httpx.Client
) -> None:
    """At home with the customer's identifiers, and by choosing the customer."""
    before, wrong = rows(place, world.customer), []
    told = [value for name, value in world.names.items() if value != NOBODYS[name]]
    for operation in [*asking(), *ONES_OWN - {"DELETE /bailee/v1/sessions/current"}]:
        elsewhere = world.headers(world.rival, Role.OWNER, world.customer)
        answered = ask(http, operation, world.names, elsewhere)
        if answered.status_code != 401:
            wrong.append((operation, "chosen", answered.status_code, answered.text))
        answered = ask(http, operation, world.names, world.headers(world.rival, Role.OWNER))
        named = any(f"{{{name}}}" in operation for name in world.names if name != "kind")
        found = answered.is_success and named
        shown = [one for one in told if one in answered.text and one not in operation]
        path = operation.format_map(world.names)
        shown = [one for one in shown if one not in path]
        if found or shown or MARK in answered.text or answered.status_code >= 500:
            wrong.append((operation, "at home", answered.status_code, answered.text))
    assert wrong == []
    assert rows(place, world.customer) == before


def test_the_house_reads_what_the_matrix_lets_it(world: World, http: httpx.Client) -> None:
    """Another organisation's things, which are there."""
    missing = {"certificate", "account", "rate_limit"}
    reached = set()
    for operation in asking():
        method, path = operation.split(" ", 1)
        if method != "GET" or any(f"{{{name}}}" in path for name in missing):
            continue
        for role in HOUSE_ROLES:
            if may(role, world.house, operation, world.customer):
                headers = world.headers(world.house, role, world.customer)
                answered = ask(http, operation, world.names, headers)
                assert answered.status_code in (200, 400, 404, 409), (operation, answered.text)
                if answered.is_success and "{" in operation:
                    reached.add(operation)
    assert {
        "GET /bailee/v1/agreements/{agreement}",
        "GET /bailee/v1/people/{user}/roles",
        "GET /bailee/v1/webhooks/{webhook}",
        "GET /bailee/v1/zero_retention/applications/{application}",
        "GET /v1/organization/projects/{project}",
        "GET /v1/organization/users/{user}",
    } <= reached


def test_nobody_who_is_not_signed_in_gets_further(world: World, http: httpx.Client) -> None:
    """But for what is public."""
    for operation in every_operation() - PUBLIC:
        for headers in ({}, {"authorization": "Bearer bailee_session_" + "A" * 43}):
            answered = ask(http, operation, world.names, headers)
            assert answered.status_code == 401, (operation, answered.text)
    for operation in PUBLIC:
        answered = ask(http, operation, NOBODYS, {})
        assert not refused(answered), operation
        assert answered.status_code < 500, operation
