"""People sign in over HTTP, with a shell and with a passkey. What each may is walked elsewhere."""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import httpx
import pytest
import segno
from tests.fixtures.authenticator import Authenticator
from tests.fixtures.clients import ask_command, bare_environment, run_command
from tests.fixtures.installation import Installation, installation
from tests.fixtures.people import signed_in

from bailee.api.administration.cookies import SESSION_COOKIE
from bailee.drivers.system import SystemClock
from bailee.governance.identity.second_factor import STEP_MS, code_at
from bailee.governance.people.model import Person
from bailee.governance.people.model import Role as WireRole
from bailee.kernel.ids import TenantId
from bailee.policy.access.model import Role
from bailee.wiring.nouns import Nouns

pytestmark = pytest.mark.journey

PASSWORD: Final = "correct horse battery staple"


class World(NamedTuple):
    """A house, a customer, and in the house somebody for each role."""

    house: TenantId
    customer: TenantId
    tokens: dict[Role, str]
    enrolment: str
    """Of the customer's owner."""
    email: str
    other_enrolment: str
    """Of the customer's other owner, `eve@example.org`."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("people")) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: Installation) -> Iterator[httpx.Client]:
    with place.client() as client:
        yield client


@pytest.fixture(scope="module")
def world(place: Installation) -> World:
    names = ("House", "Customer")
    for name in names:
        ask_command(place, "projects", "create", "--organisation", name, "--name", "first")
    ask_command(place, "admin", "house", "House")
    return asyncio.run(_world(place))


async def _world(place: Installation) -> World:
    async with place.administration() as opened:
        nouns: Nouns = opened._nouns
        tenants = {one.name: one.tenant for one in await nouns.tenancy.organisations()}
        house, customer = tenants["House"], tenants["Customer"]
        await _person(nouns, house, "first", WireRole.OWNER)
        tokens = {role: await signed_in(opened, house, role) for role in Role}
        ada = await _person(nouns, customer, "ada", WireRole.OWNER)
        enrolment = (await nouns.enrolments.make(customer, ada.person)).decode()
        eve = await _person(nouns, customer, "eve", WireRole.OWNER)
        other = (await nouns.enrolments.make(customer, eve.person)).decode()
        return World(house, customer, tokens, enrolment, ada.email, other)


async def _person(nouns: Nouns, tenant: TenantId, name: str, role: WireRole) -> Person:
    invite = await nouns.people.send_invite(tenant, f"{name}@example.org", role, ())
    return await nouns.people.accept_invite(invite.invite, name)


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


def test_keys_are_not_made_on_a_sessions_authority(world: World, http: httpx.Client) -> None:
    headers = bearer(world.tokens[Role.OWNER])
    made = http.post("/v1/organization/admin_api_keys", headers=headers, json={"name": "mine"})
    assert (made.status_code, made.json()["error"]["code"]) == (403, "admin_key_needed")
    project = http.post("/v1/organization/projects", headers=headers, json={"name": "theirs"})
    assert project.status_code == 200
    path = f"/v1/organization/projects/{project.json()['id']}/service_accounts"
    made = http.post(path, headers=headers, json={"name": "worker"})
    assert (made.status_code, made.json()["error"]["code"]) == (403, "admin_key_needed")
    assert http.get(path, headers=headers).json()["data"] == []


def test_a_person_enrols_signs_in_and_out(world: World, http: httpx.Client) -> None:
    base = "/bailee/v1/sign_in"

    def post(path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
        return http.post(f"{base}{path}", json=body, headers=headers)

    token = {"token": world.enrolment}
    assert post("/enrolment", token).json()["organization_name"] == "Customer"
    shown = post("/enrolment/password/begin", token).json()
    qr_code = segno.make_qr(shown["address"])
    assert shown["image"] == qr_code.svg_data_uri(border=4, light="white", omitsize=True)
    secret = base64.b32decode(shown["secret"])
    step = SystemClock().now() // STEP_MS
    body = {**token, "attempt": shown["attempt"], "password": PASSWORD}
    wrong = post("/enrolment/password", {**body, "code": "none"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "code_refused")
    codes = post("/enrolment/password", {**body, "code": code_at(secret, step)}).json()["codes"]
    assert post("/enrolment", token).status_code == 401
    entering = {"email": world.email, "password": PASSWORD, "code": codes[0]}
    refused = post("/password", {**entering, "code": code_at(secret, step)})  # used a moment ago
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "sign_in_refused")
    assert "wait for the next" in refused.json()["error"]["message"]
    opened = post("/password", entering)
    session = opened.json()
    assert session["roles"] == ["owner"]
    headers = bearer(session["token"])
    assert http.get("/v1/organization/users", headers=headers).status_code == 200
    mine = http.get("/bailee/v1/sessions", headers=headers).json()["data"]
    assert [one["current"] for one in mine] == [True]
    other = bearer(session["token"], **{"openai-organization": f"org_{world.house.hex()}"})
    assert http.get("/v1/organization/users", headers=other).status_code == 401
    nowhere = http.get("/v1/organization/groups", headers=headers)
    assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "unknown_url")
    again = {"password": PASSWORD, "code": codes[1]}
    assert http.post(f"{base}/again/password", json=again, headers=headers).status_code == 200
    assert http.delete("/bailee/v1/sessions/current", headers=headers).status_code == 200
    ended = http.get("/bailee/v1/sessions/current", headers=headers)
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "session_ended")

    crossed = post("/password", {**entering, "code": codes[2], "cookie": True})
    assert crossed.status_code == 403
    origin = str(http.base_url).rstrip("/")
    opened = post("/password", {**entering, "code": codes[2], "cookie": True}, origin=origin)
    assert "token" not in opened.json()
    sent = opened.headers["set-cookie"].lower()
    assert all(part in sent for part in ("secure", "httponly", "samesite=strict", "path=/"))
    cookie = {"cookie": f"{SESSION_COOKIE}={opened.cookies[SESSION_COOKIE]}"}
    http.cookies.clear()
    assert http.get("/bailee/v1/sessions/current", headers=cookie).status_code == 200
    for elsewhere in ({}, {"origin": "https://evil.example"}):
        cross = http.delete("/bailee/v1/sessions/current", headers={**cookie, **elsewhere})
        assert cross.status_code == 403
    out = http.delete("/bailee/v1/sessions/current", headers={**cookie, "origin": origin})
    assert out.status_code == 200


def test_a_shell_signs_in_and_gives_roles(
    place: Installation, world: World, http: httpx.Client
) -> None:
    base, token = "/bailee/v1/sign_in/enrolment", {"token": world.other_enrolment}
    shown = http.post(f"{base}/password/begin", json=token).json()
    code = code_at(base64.b32decode(shown["secret"]), SystemClock().now() // STEP_MS)
    body = {**token, "attempt": shown["attempt"], "password": PASSWORD, "code": code}
    codes = http.post(f"{base}/password", json=body).json()["codes"]

    def ask(*arguments: str, given: str = "", status: int = 0) -> Any:
        done = run_command(
            place, *arguments, *place.arguments, "--json", given=given, status=status
        )
        return json.loads(done.stdout) if done.stdout else done.stderr

    assert "bailee login" in ask("whoami", status=1)
    refused = ask("login", "--email", "eve@example.org", given=f"{PASSWORD}\n000000\n", status=1)
    assert PASSWORD not in refused
    ask("login", "--email", "eve@example.org", given=f"{PASSWORD}\n{codes[0]}\n")
    file = place.root / ".config" / "bailee" / "sessions.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert (ask("whoami")["name"], ask("whoami")["roles"]) == ("eve", ["owner"])
    keyed = {**bare_environment(place), "OPENAI_ADMIN_KEY": "sk-admin-of-somebody"}
    told = run_command(place, "whoami", *place.arguments, environment=keyed)
    assert told.stdout.startswith("eve <eve@example.org>")
    assert "act with that key" in told.stderr
    ada = next(one["id"] for one in ask("people", "list") if one["name"] == "ada")
    ask("roles", "give", ada, "developer")
    assert "holds" in ask("roles", "give", ada, "developer", status=1)
    ask("roles", "end", ada, "developer")
    held = ask("roles", "list", ada)
    assert [(one["role"], one["ended_at"] is None) for one in held] == [
        ("owner", True),
        ("developer", False),
    ]
    assert ask("roles", "due") == []
    nowhere = ask("people", "list", "--organisation", f"org_{'0' * 32}", status=1)
    assert "`bailee whoami` shows yours" in nowhere
    assert ask("people", "enrol", ada)["address"].count("#enrol-") == 1
    ask("login", "--again", given=f"{PASSWORD}\n{codes[1]}\n")
    assert ask("people", "sign-out", ada)["ended"] == 0
    assert ask("logout") == {"ended": True}
    assert file.read_text() == "{}"
    assert ask("logout") == {"ended": False}


def test_the_page_allows_its_own_script_alone(http: httpx.Client) -> None:
    page = http.get("/sign-in")
    script = page.text.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert re.search(r"img-src [^;]*data:", policy)  # the QR code
    named = set(re.findall(r'(?:at|on|show)\("([a-z-]+)"', script))
    present = set(re.findall(r'id="([a-z-]+)"', page.text))
    assert named - present == {"openid"}  # no provider is set
    english, korean = page.text.count('lang="en">'), page.text.count('lang="ko">')
    assert english == korean + 1  # the document's own
    back = http.get("/sign-in/openid", params={"state": "a", "code": "b"})
    assert back.status_code == 401
    assert http.post("/bailee/v1/sign_in/openid").status_code == 401


def test_a_passkey_registers_and_signs_in(
    place: Installation, world: World, http: httpx.Client
) -> None:
    base, headers = "/bailee/v1/sign_in", bearer(world.tokens[Role.AUDITOR])
    me = http.get("/bailee/v1/sessions/current", headers=headers).json()["person"]
    made = http.post(f"/bailee/v1/people/{me}/enrolments", headers=headers).json()
    origin = http.get(base).json()["origin"]
    assert made["address"] == f"{origin}/sign-in#{made['token']}"
    key = Authenticator(origin)
    begun = http.post(f"{base}/enrolment/passkey/begin", json={"token": made["token"]}).json()
    registered = http.post(
        f"{base}/enrolment/passkey",
        json={
            "token": made["token"],
            "attempt": begun["attempt"],
            "credential": key.register(begun["options"]),
        },
    )
    assert registered.json()["done"] is True
    begun = http.post(f"{base}/passkey/begin").json()
    answer = {"attempt": begun["attempt"], "credential": key.sign(begun["options"])}
    assert http.post(f"{base}/passkey", json=answer).json()["roles"] == ["auditor"]
    assert http.post(f"{base}/passkey", json=answer).status_code == 401


def test_an_owner_ends_a_persons_sessions_and_roles(world: World, http: httpx.Client) -> None:
    owner = bearer(world.tokens[Role.OWNER])
    people = http.get("/bailee/v1/people", headers=owner, params={"limit": 100}).json()["data"]
    (reviewer,) = [one for one in people if one["roles"] == ["reviewer"]]
    path = f"/bailee/v1/people/{reviewer['id']}"
    conflict = http.post(f"{path}/roles", headers=owner, json={"role": "auditor"})
    assert conflict.status_code == 409
    assert (
        http.get(f"{path}/roles", headers=bearer(world.tokens[Role.DEVELOPER])).status_code == 403
    )
    ended = http.delete(f"{path}/roles/reviewer", headers=owner).json()
    assert ended["ended_by"].startswith("user_")
    assert http.delete(f"{path}/sessions", headers=owner).json()["ended"] == 1
    theirs = http.get("/bailee/v1/sessions", headers=bearer(world.tokens[Role.REVIEWER]))
    assert theirs.status_code == 401
    events = http.get("/v1/organization/audit_logs", headers=owner).json()["data"]
    assert "role.assignment.deleted" in {event["type"] for event in events}
    assert "example.org" not in str(events)
