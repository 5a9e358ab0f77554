"""Clauses C08, C16 and C18 over a whole installation: what an organisation and the house agree on.

The customer acts with an admin key, the house as people who are signed in.
"""

import asyncio
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from asn1crypto import pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from tests.fixtures.agreements import FORMS
from tests.fixtures.clients import bare_environment, run_command
from tests.fixtures.installation import CHAT, Installation, chat_body, installation
from tests.fixtures.leftovers import files_below, search
from tests.fixtures.office import Office, open_office
from tests.fixtures.people import signed_in
from tests.fixtures.waiting import until

from bailee.cli.env import base_address
from bailee.cli.session_file import keep_token
from bailee.drivers.system import SystemClock
from bailee.governance.agreements.model import Kind
from bailee.kernel.ids import parse_tenant
from bailee.kernel.instants import DAY_MS, SECOND_MS, Instant, to_rfc3339
from bailee.lifecycle.log_reader import LogReader
from bailee.policy.access.model import Role
from bailee.transparency.base64 import to_base64
from bailee.transparency.entry import parse
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import read_trust

pytestmark = pytest.mark.journey

REPOSITORY = Path(__file__).parents[2]

SETTINGS = """
[agreements]
operator_name = "Acme Cloud Ltd"
operator_address = "1 Road, Town"
signatory_name = "A. Signatory"
signatory_title = "Director"
"""
PATH = "/bailee/v1/agreements"
APPLICATIONS = "/bailee/v1/zero_retention/applications"
CANARY = "canaryC08underZeroRetention"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("agreements"), settings=SETTINGS, workers=2) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: Installation) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=place.origin, verify=place.ssl_context(), trust_env=False, timeout=30
    ) as client:
        yield client


class House(NamedTuple):
    """The operator's people who are signed in, each with one role."""

    tokens: dict[Role, str]

    def headers(self, office: Office, role: Role) -> dict[str, str]:
        """Of one of them, who has chosen an organisation."""
        bearer = f"Bearer {self.tokens[role]}"
        return {"authorization": bearer, "openai-organization": office.organisation}


@pytest.fixture(scope="module")
def house(place: Installation) -> House:
    async def sign_in() -> dict[Role, str]:
        async with place.administration() as opened:
            await opened.create_project(organisation="House", name="first")
            house = parse_tenant((await opened.house("House"))["organisation"])
            roles = (Role.PRIVACY_OFFICER, Role.SAFETY_LEAD, Role.AUDITOR)
            return {role: await signed_in(opened, house, role) for role in roles}

    return House(asyncio.run(sign_in()))


@pytest.fixture(scope="module")
def office(place: Installation, http: httpx2.Client) -> Office:
    return open_office(place, http, "Clinic")


def ask(place: Installation, office: Office, *arguments: str) -> Any:
    """The JSON that a command prints which acts with the admin key."""
    variables = {**bare_environment(place), "OPENAI_ADMIN_KEY": office.admin_key}
    done = run_command(
        place, "agreements", *arguments, *place.arguments, "--json", environment=variables
    )
    return json.loads(done.stdout)


def logged(place: Installation) -> list[dict[str, Any]]:
    """Everything that is in the log."""

    async def read() -> list[bytes]:
        objects = objects_of(place.settings, place.places)
        reader = LogReader(objects, read_trust(place.places).verifier)
        return await reader.entries(0, (await reader.checkpoint()).checkpoint.size)

    return [parse(leaf) for leaf in asyncio.run(read())]


def step(house: House, place: Installation, office: Office, role: Role, *typed: str) -> Any:
    """The JSON of a command that somebody of the house gives who is signed in."""
    named = (*typed, "--organisation", office.organisation, *place.arguments, "--json")
    return json.loads(run_command(place, *named, environment=home_of(house, place, role)).stdout)


def home_of(house: House, place: Installation, role: Role) -> dict[str, str]:
    """The variables of somebody's shell who is signed in."""
    home = place.root / role.value
    file = home / ".config" / "bailee" / "sessions.json"
    keep_token(file, base_address(place.settings), house.tokens[role])
    return {**bare_environment(place), "HOME": str(home)}


def carry_out(place: Installation, office: Office, house: House, kind: Kind) -> dict[str, Any]:
    """From the form to a document with both signatures; gives the agreement."""
    http, officer = office.http, house.headers(office, Role.PRIVACY_OFFICER)
    fields = [f"--field={name}={value}" for name, value in FORMS[kind].items()]
    row = ask(place, office, "submit", kind.value, *fields)
    path = f"{PATH}/{row['id']}"
    assert row["status"] == "submitted"
    waiting = http.get(f"{PATH}/waiting", headers=officer).json()["data"]
    assert [one["id"] for one in waiting] == [row["id"]]
    accepting = {"decision": "accept", "reasons": "it qualifies"}
    unseen = http.post(f"{path}/countersign", headers=officer, json={"name": "O.", "title": "P."})
    assert unseen.status_code == 409, "nobody has accepted it, and the customer has not signed"
    assert http.post(f"{path}/review", headers=office.headers, json=accepting).status_code == 403
    accepted = http.post(f"{path}/review", headers=officer, json=accepting).json()
    assert (accepted["status"], accepted["reviewed"]["reasons"]) == ("accepted", "it qualifies")
    assert http.post(f"{path}/sign", headers=officer).status_code == 403
    assert ask(place, office, "sign", row["id"])["status"] == "signed"
    signing = ("agreements", "countersign", row["id"], "--name", "O. Officer", "--title", "Officer")
    home = home_of(house, place, Role.PRIVACY_OFFICER)
    unnamed = run_command(place, *signing, *place.arguments, environment=home, status=1)
    assert "`--organisation org_…`" in unnamed.stderr, "it is looked for in their own"
    step(house, place, office, Role.PRIVACY_OFFICER, *signing)

    def executed() -> dict[str, Any] | None:
        shown: dict[str, Any] = http.get(path, headers=office.headers).json()
        return shown if shown["in_force"] else None

    shown = until(executed, "the clerk executes it")
    assert shown["countersignature"]["actor"] == shown["reviewed"]["actor"]
    assert shown["countersignature"]["actor"].startswith("user_")
    return shown


@pytest.fixture(scope="module")
def enterprise(place: Installation, office: Office, house: House) -> dict[str, Any]:
    """The organisation's executed enterprise agreement."""
    return carry_out(place, office, house, Kind.ENTERPRISE_AGREEMENT)


def test_c18_a_form_in_korean_executes_the_addendum(
    place: Installation, http: httpx2.Client, office: Office, house: House
) -> None:
    kind = Kind.DATA_PROCESSING_ADDENDUM
    (template,) = ask(place, office, "templates", kind.value)
    assert template["title"]["korean"]
    fields = [f"--field={name}={value}" for name, value in FORMS[kind].items()]
    draft = ask(place, office, "submit", kind.value, "--draft", *fields)
    assert draft["language"] == "english"
    row = ask(place, office, "submit", draft["id"], "--korean")
    assert row["language"] == "korean", "the language that the command names is the one signed in"
    assert row["countersignature"]["name"] == "A. Signatory"
    path = f"{PATH}/{row['id']}"

    def answered() -> httpx2.Response | None:
        got = http.get(f"{path}/document", headers=office.headers)
        assert got.status_code in (200, 409)
        return got if got.status_code == 200 else None

    document = until(answered, "the document is made")
    assert document.headers["content-type"] == "application/pdf"
    shown = ask(place, office, "show", row["id"])
    assert shown == http.get(path, headers=office.headers).json()
    digest = hashlib.sha256(document.content)
    assert (shown["status"], shown["document_sha256"]) == ("executed", digest.hexdigest())
    assert http.get(f"{path}/document").status_code == 401
    theirs = http.get(f"{path}/document", headers=house.headers(office, Role.PRIVACY_OFFICER))
    assert theirs.content == document.content, "both parties have the same document"

    root = http.get("/log/public-keys.json").json()["documents"]
    trusted = x509.Certificate.load(pem.unarmor(root.encode())[2])
    (signature,) = PdfFileReader(io.BytesIO(document.content)).embedded_signatures
    context = ValidationContext(trust_roots=[trusted], allow_fetching=False)
    status = validate_pdf_signature(signature, context)
    assert status.bottom_line
    assert status.coverage is SignatureCoverageLevel.ENTIRE_FILE

    wanted = to_base64(digest.digest())
    until(lambda: any(one.get("document") == wanted for one in logged(place)), "it is in the log")
    file = place.root / "signed.pdf"
    assert ask(place, office, "download", row["id"], "-o", str(file))["sha256"] == (
        digest.hexdigest()
    )
    assert file.read_bytes() == document.content
    keys = http.get("/log/public-keys.json").json()
    assert f'"document":"{wanted}"' in found_by_a_stranger(place, file, keys["log"])
    file.write_bytes(document.content + b" ")
    assert "not in the log" in found_by_a_stranger(place, file, keys["log"], status=1)
    variables = {**bare_environment(place), "OPENAI_ADMIN_KEY": office.admin_key}
    ending = ("terminate", row["id"], "--reasons", "we move")
    done = run_command(place, "agreements", *ending, *place.arguments, environment=variables)
    (listed,) = (one for one in ask(place, office, "list") if one["id"] == row["id"])
    assert (listed["status"], listed["in_force"]) == ("executed", True)
    assert listed["ended"]["reasons"] == "we move"
    assert listed["in_force_until"] == listed["ended"]["at"] + 30 * 86_400
    ends = to_rfc3339(Instant(1000 * listed["in_force_until"]))
    assert f"is executed, in force until {ends}" in done.stdout
    said = "".join(log.read_text() for log in (place.output, *place.data.rglob("*.log")))
    assert "가나다" not in said


def test_a_list_is_whole_however_long_it_is(place: Installation, http: httpx2.Client) -> None:
    other = open_office(place, http, "Changes its mind")
    for _ in range(101):
        kind = {"kind": "data_processing_addendum"}
        draft = http.post(PATH, headers=other.headers, json=kind).json()["id"]
        ended = http.post(
            f"{PATH}/{draft}/terminate", headers=other.headers, json={"reasons": "no"}
        )
        assert ended.json()["status"] == "terminated"
    assert len({row["id"] for row in ask(place, other, "list")}) == 101


def found_by_a_stranger(place: Installation, document: Path, key: str, status: int = 0) -> str:
    """What the script of the operators' page prints for whoever has the document alone."""
    page = (REPOSITORY / "docs" / "operating" / "agreements.md").read_text()
    script = page.partition("```python\n")[2].partition("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", script, place.origin, str(document), key],
        cwd=REPOSITORY / "verifier",
        env={"SSL_CERT_FILE": str(place.data / "tls" / "bundle.pem")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def test_c16_a_protected_project_is_refused_what_its_agreement_does_not_cover(
    place: Installation,
    http: httpx2.Client,
    office: Office,
    house: House,
    enterprise: dict[str, Any],
) -> None:
    projects = office.client.admin.organization.projects
    project = projects.create(name="records").id
    accounts = projects.service_accounts
    key = accounts.create(project, name="ward").api_key
    assert key is not None
    headers = {"authorization": f"Bearer {key.value}", "content-type": "application/json"}

    def chat(**more: object) -> httpx2.Response:
        return http.post(CHAT, headers=headers, content=chat_body("hello", **more))

    uncovered = {"store": True, "tools": [{"type": "mcp"}], "web_search_options": {}}
    until(lambda: chat(**uncovered).status_code == 200, "gateways know the key")
    early = http.post(f"{PATH}/protected-projects/{project}", headers=office.headers)
    assert early.status_code == 409
    assert enterprise["in_force"]
    kind = Kind.BUSINESS_ASSOCIATE_AGREEMENT
    form = {"kind": kind.value, "form": FORMS[kind], "submit": True}
    row = http.post(PATH, headers=office.headers, json=form).json()
    officer = house.headers(office, Role.PRIVACY_OFFICER)
    no = {"decision": "decline", "reasons": "no health data here"}
    assert http.post(f"{PATH}/{row['id']}/review", headers=officer, json=no).status_code == 200
    declined = http.get(f"{PATH}/{row['id']}", headers=office.headers).json()
    assert (declined["status"], declined["in_force"]) == ("declined", False)
    assert declined["reviewed"]["reasons"] == "no health data here"
    early = http.post(f"{PATH}/protected-projects/{project}", headers=office.headers)
    assert early.status_code == 409
    carry_out(place, office, house, kind)
    assert ask(place, office, "protect", project)["protected_health"] is True
    refused = chat(**uncovered)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (403, "protected_health_features")
    assert "`store`, `tools`" in error["message"]
    assert "C16" in error["message"]
    plain = chat().json()["error"]
    assert "business associate agreement" in plain["message"], "its backend is under none"
    files = http.get("/v1/files", headers=headers)
    assert files.json()["error"]["code"] == "protected_health_endpoint"


def test_c08_zero_retention_is_applied_for_decided_and_in_force_everywhere(
    place: Installation,
    http: httpx2.Client,
    office: Office,
    house: House,
    enterprise: dict[str, Any],
) -> None:
    """Until it is revoked: an approval that is due for review stays."""
    assert enterprise["in_force"]
    admin = office.client.admin.organization
    project = admin.projects.create(name="notes").id
    key = admin.projects.service_accounts.create(project, name="notes").api_key
    assert key is not None
    lead, auditor = (house.headers(office, role) for role in (Role.SAFETY_LEAD, Role.AUDITOR))

    def recorded(content: str = "hello") -> list[bool]:
        """Of each of some calls, over a connection of its own, whether content was recorded."""
        found = []
        for _ in range(12):
            with place.client() as client:
                headers = {"authorization": f"Bearer {key.value}"}
                body = chat_body(content, store=True)
                answered = client.post(CHAT, content=body, headers=headers)
                assert answered.status_code in (200, 401), answered.text
                if answered.status_code == 401:
                    return [False]
                found.append("bailee-record" in answered.headers)
        return found

    until(lambda: all(recorded()), "every worker knows the key, and records")
    form = {
        "mode": "zero_data_retention",
        "category": "health",
        "use_case": "Notes of visits",
        "project_id": project,
    }
    applied = http.post(APPLICATIONS, headers=office.headers, json=form).json()
    path = f"{APPLICATIONS}/{applied['id']}"
    facts = {one["fact"]: one["value"] for one in applied["assessment"]["reasons"]}
    assert applied["state"] == "assessed"
    assert facts.keys() == {"account_age", "verified_domain", "flags", "category"}
    assert facts["category"] == "health"
    undecided = http.get(f"{APPLICATIONS}/undecided", headers=lead).json()["data"]
    assert [one["id"] for one in undecided] == [applied["id"]]
    yes = {"approve": True, "reasons": "Known clinic"}
    for nobody in (office.headers, auditor):
        assert http.post(f"{path}/decision", headers=nobody, json=yes).status_code == 403
    silent = http.post(f"{path}/decision", headers=lead, json={**yes, "reasons": ""})
    assert (silent.status_code, silent.json()["error"]["param"]) == (400, "reasons")

    again = http.post(APPLICATIONS, headers=office.headers, json=form)
    assert (again.status_code, applied["id"] in again.text) == (409, True)
    whole = http.post(
        APPLICATIONS, headers=office.headers, json={**form, "project_id": None}
    ).json()
    assert len(http.get(f"{APPLICATIONS}/undecided", headers=lead).json()["data"]) == 2
    by_mistake = http.post(
        f"{APPLICATIONS}/{whole['id']}/withdrawal", headers=office.headers
    ).json()
    assert (by_mistake["state"], by_mistake["withdrawn_by"][:4]) == ("withdrawn", "key_")
    assert http.get(f"{APPLICATIONS}/undecided", headers=lead).json()["data"] == undecided
    home = home_of(house, place, Role.SAFETY_LEAD)
    typed = ("zero-retention", "decide", applied["id"], "approve", "--reasons", "x")
    unnamed = run_command(place, *typed, *place.arguments, environment=home, status=1)
    assert "no such application" in unnamed.stderr
    assert "`--organisation org_…`" in unnamed.stderr, "it is looked for in their own"
    past = http.post(f"{path}/decision", headers=lead, json={**yes, "since": 1_577_836_800})
    assert (past.status_code, past.json()["error"]["param"]) == (400, "since")
    review_at = Instant((SystemClock().now() + 90 * DAY_MS) // SECOND_MS * SECOND_MS)
    deciding = (
        *("zero-retention", "decide", applied["id"], "approve", "--reasons", "Known clinic"),
        *("--review-at", to_rfc3339(review_at)),
    )
    decided = step(house, place, office, Role.SAFETY_LEAD, *deciding)
    assert (decided["state"], decided["mode_in_force"]) == ("active", "zero_data_retention")
    assert not any(recorded(CANARY)), "it is in force in every worker when the command returns"
    assert search(files_below(place.data, place.temporary), (CANARY.encode(),)) == []
    shown = http.get(path, headers=office.headers).json()
    assert (shown["reasons"], shown["decided_by"][:5]) == ("Known clinic", "user_")
    assert shown["review_at"] == review_at // SECOND_MS

    lesser = http.post(
        APPLICATIONS, headers=office.headers, json={**form, "mode": "modified_abuse_monitoring"}
    ).json()
    typed = ("zero-retention", "decide", lesser["id"], "approve", "--reasons", "Known clinic")
    named = ("--organisation", office.organisation, *place.arguments)
    done = run_command(place, *typed, *named, environment=home)
    assert "zero_data_retention stays in force" in done.stderr
    assert not any(recorded(CANARY))
    lesser_path = f"{APPLICATIONS}/{lesser['id']}/revocation"
    ended = http.post(lesser_path, headers=lead, json={"reasons": "Not wanted"}).json()
    assert (ended["state"], ended["mode_in_force"]) == ("revoked", "zero_data_retention")

    def due() -> bool:
        found = http.get(f"{APPLICATIONS}/due", headers=lead).json()["data"]
        return [one["id"] for one in found] == [applied["id"]]

    assert not due()
    soon = {"review_at": SystemClock().now() // 1000 + 3}
    assert http.post(f"{path}/review", headers=lead, json=soon).status_code == 200
    until(due, "its review date passes")
    assert not any(recorded(CANARY))
    assert http.post(f"{path}/review", headers=lead, json={}).json()["state"] == "active"
    assert not due()
    ending = ("zero-retention", "revoke", applied["id"], "--reasons", "The contract ended")
    assert step(house, place, office, Role.SAFETY_LEAD, *ending)["state"] == "revoked"
    assert all(recorded()), "no worker acts on it any more when the command returns"

    wanted = [
        *["zero_retention_approved"] * 2,
        "zero_retention_revoked",
        *["zero_retention_approved"] * 2,
        "zero_retention_revoked",
    ]

    def told() -> bool:
        types = [str(one["type"]) for one in logged(place)]
        return [one for one in types if one.startswith("zero_retention")] == wanted

    until(told, "the log says so: approved, the lesser and its end, reviewed twice, revoked")
    audited = http.get("/v1/organization/audit_logs", headers=office.headers).json()["data"]
    types = [
        one["type"].partition(".")[2]
        for one in audited
        if "zero_ret" in one["type"] and applied["id"] in json.dumps(one)
    ]
    verbs = ["submitted", "assessed", "approved", "started", "reviewed", "reviewed", "revoked"]
    # Whether somebody looked before it was reviewed is a matter of seconds.
    assert [one for one in reversed(types) if one in verbs] == verbs
