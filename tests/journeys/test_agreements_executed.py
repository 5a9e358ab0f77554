"""Agreements over a whole installation: clauses C16 and C18."""

import asyncio
import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from asn1crypto import pem, x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from tests.fixtures.agreements import FORMS, officer, world_of
from tests.fixtures.clients import bare_environment, run_command
from tests.fixtures.installation import CHAT, Installation, chat_body, installation
from tests.fixtures.office import Office, open_office
from tests.fixtures.waiting import until

from bailee.drivers.postgres.engine import open_engine
from bailee.drivers.system import SystemClock
from bailee.governance.agreements.events import AGREEMENT
from bailee.governance.agreements.model import Kind
from bailee.governance.agreements.templates import packaged_library
from bailee.kernel.ids import parse_handle, parse_tenant
from bailee.lifecycle.log_reader import LogReader
from bailee.schema.roles import ADMINISTRATOR, CLERK
from bailee.transparency.base64 import to_base64
from bailee.transparency.entry import parse
from bailee.wiring.database import database_url
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import read_trust

pytestmark = pytest.mark.journey

SETTINGS = """
[agreements]
operator_name = "Acme Cloud Ltd"
operator_address = "1 Road, Town"
signatory_name = "A. Signatory"
signatory_title = "Director"
"""
PATH = "/bailee/v1/agreements"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installation(tmp_path_factory.mktemp("agreements"), settings=SETTINGS) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: Installation) -> Iterator[httpx2.Client]:
    with httpx2.Client(
        base_url=place.origin, verify=place.ssl_context(), trust_env=False, timeout=30
    ) as client:
        yield client


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


def carry_out(place: Installation, office: Office, kind: Kind) -> None:
    """The operator's part, which only signed-in people may do, and the customer's over HTTP."""

    async def house(agreement: str, step: str) -> None:
        async with AsyncExitStack() as stack:
            engines = []
            for role in (ADMINISTRATOR, CLERK):
                url = database_url(place.settings, place.places, role)
                engine = open_engine(url, role)
                stack.push_async_callback(engine.dispose)
                engines.append(engine)
            world = world_of(engines[0], engines[1], packaged_library())
            world.clock.set(SystemClock().now())
            service = world.by(officer(world.clock.now()))
            tenant = parse_tenant(office.organisation)
            named = parse_handle(AGREEMENT, agreement)
            if step == "accept":
                await service.accept(tenant, named, "it qualifies")
            else:
                await service.countersign(tenant, named, "O. Officer", "Privacy officer")

    fields = [f"--field={name}={value}" for name, value in FORMS[kind].items()]
    row = ask(place, office, "submit", kind.value, *fields)
    assert row["status"] == "submitted"
    asyncio.run(house(row["id"], "accept"))
    assert ask(place, office, "sign", row["id"])["status"] == "signed"
    asyncio.run(house(row["id"], "countersign"))

    def executed() -> bool:
        shown = office.http.get(f"{PATH}/{row['id']}", headers=office.headers).json()
        return bool(shown["in_force"])

    until(executed, "the clerk executes it")


def test_c18_a_form_in_korean_executes_the_addendum(
    place: Installation, http: httpx2.Client, office: Office
) -> None:
    kind = Kind.DATA_PROCESSING_ADDENDUM
    (template,) = ask(place, office, "templates", kind.value)
    assert template["title"]["korean"]
    fields = [f"--field={name}={value}" for name, value in FORMS[kind].items()]
    row = ask(place, office, "submit", kind.value, "--korean", *fields)
    assert row["countersignature"]["name"] == "A. Signatory"
    path = f"{PATH}/{row['id']}"

    def answered() -> httpx2.Response | None:
        got = http.get(f"{path}/document", headers=office.headers)
        assert got.status_code in (200, 409)
        return got if got.status_code == 200 else None

    document = until(answered, "the document is made")
    assert document.headers["content-type"] == "application/pdf"
    shown = http.get(path, headers=office.headers).json()
    digest = hashlib.sha256(document.content)
    assert (shown["status"], shown["document_sha256"]) == ("executed", digest.hexdigest())
    assert http.get(f"{path}/document").status_code == 401

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
    said = "".join(log.read_text() for log in (place.output, *place.data.rglob("*.log")))
    assert "가나다" not in said


def test_c16_a_protected_project_is_refused_what_its_agreement_does_not_cover(
    place: Installation, http: httpx2.Client, office: Office
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
    carry_out(place, office, Kind.ENTERPRISE_AGREEMENT)
    carry_out(place, office, Kind.BUSINESS_ASSOCIATE_AGREEMENT)
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
