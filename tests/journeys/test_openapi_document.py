"""schemathesis against the served document, on a whole installation: no server error, and nothing
that the document does not say.

The document is taken as it is served, but for one thing: names of what is there (models, files,
projects, …) are offered in it, since a guessed name is always the same refusal.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.fixtures.clients import REAL, ask_command, await_model, backend
from tests.fixtures.documented_model import DocumentedModel
from tests.fixtures.example_things import ORGANIZATION, Things
from tests.fixtures.installation import Installation, installation
from tests.fixtures.model import model_file
from tests.fixtures.people import signed_in
from tests.fixtures.policy_office import version_text

from bailee.api.document import METHODS, Document
from bailee.kernel.ids import parse_tenant
from bailee.policy.access.model import Role

pytestmark = pytest.mark.journey

MODEL: Final = "documented"
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
ENDS: Final = ("/archive", "/cancel", "/withdrawal", "/submission", "/submit", "/terminate")
"""Operations that end what they name, beside deletions, or let nobody change it any more."""
OWN: Final = "/bailee/v1/"
OF_PROJECTS: Final = ""
PROJECTS_OWN: Final = tuple(f"{OWN}{noun}/" for noun in ("deletions", "records", "receipts"))
"""Paths that begin as Bailee's own administration's, and are for keys of projects."""
ENDS_THE_SESSION: Final = (f"{OWN}sessions/current", f"{OWN}sessions/{{session}}")
SEED: Final = 7
FEW, MANY = 4, 1000
"""Examples of an operation; of what takes few values there are fewer."""


class Office(NamedTuple):
    """An organisation with a project's key, an admin key, and things to ask for."""

    organisation: str
    key: str
    admin_key: str
    things: Things


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with DocumentedModel().running() as model:
        served = backend("documented", model.url, {MODEL: MODEL})
        folder = tmp_path_factory.mktemp("document")
        with installation(folder, settings=served, model_file=model_file()) as made:
            await_model(made)
            yield made


@pytest.fixture
def office(place: Installation, request: pytest.FixtureRequest) -> Iterator[Office]:
    name = f"office {request.node.name}"[:100]
    tenant = place.tenant(name)
    made = ask_command(place, "admin", "bootstrap", "--organisation", name)
    key = made["key"]
    with place.client() as client, place.client() as admin:
        client.headers["authorization"] = f"Bearer {tenant.key}"
        admin.headers["authorization"] = f"Bearer {key}"
        things = Things(place, client, admin, MODEL, REAL)
        yield Office(made["organisation"], tenant.key, key, things)


Made = dict[str, Callable[[], str]]
Asking = Callable[[Installation, Office, Path, int], float]


def kept(things: Things, path: str) -> Made:
    """What makes the things that paths outside the administration name."""
    return {
        "batch": things.batch,
        "completion": things.chat,
        "conversation": things.conversation,
        "file": things.training_file,
        "item": things.item,
        "job": things.job,
        "model": lambda: MODEL,
        "name": things.deletion,
        "record": things.record,
        "response": things.background if path.endswith("cancel") else things.response,
        "upload": things.upload,
    }


def administered(things: Things, path: str) -> Made:
    """What makes the things that paths of the administration name."""
    within = "{project}" in path
    return {
        "project": things.project,
        "account": things.account,
        "alert": things.alert if within else things.organization_alert,
        "invite": things.invite,
        "key": things.project_key if within else things.admin_key,
        "rate_limit": things.rate_limit,
        "user": things.member if within else things.user,
    }


def governed(things: Things) -> Made:
    """What makes the things that paths of Bailee's own administration name."""
    return {
        "agreement": things.agreement,
        "application": things.application,
        "user": things.user,
        "webhook": things.webhook,
    }


def offer_in_paths(document: Document, making: Callable[[str], Made]) -> None:
    """Every operation is offered one thing; those that end what they name have one for themselves.

    A thing within another is made within the one that was made last: what lasts is made first, and
    the outer before the inner.
    """
    made: dict[tuple[str, str], str] = {}
    operations = [
        (_ends(method, path), path.count("{"), path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]
    for ends, _, path, operation in sorted(operations, key=lambda one: one[:3]):
        make, names = making(path), re.findall(r"\{(\w+)\}", path)
        for place, name in enumerate(names):
            within = "/".join(names[: place + 1]), ends
            if name in make:
                if within not in made:
                    made[within] = make[name]()
                _offer(operation, name, made[within])


def _ends(method: str, path: str) -> str:
    return f"{method} {path}" if method == "delete" or path.endswith(ENDS) else ""


def _offer(operation: Document, name: str, made: str) -> None:
    for parameter in operation["parameters"]:
        if parameter.get("name") == name and parameter["in"] == "path":
            parameter["schema"] = {"enum": [made, "unknown"]}


def offer_in_bodies(document: Document, values: dict[str, str]) -> None:
    """What bodies name."""
    for kind, schema in document["components"]["schemas"].items():
        if kind.endswith("Request"):
            for name in values.keys() & schema["properties"].keys():
                absent = [] if name in schema.get("required", ()) else [None]
                schema["properties"][name] = {"enum": [values[name], *absent]}
    jobs = document["components"]["schemas"].get("FineTuningJobRequest")
    if jobs is not None:
        jobs["properties"]["model"] = {"enum": [REAL]}


def campaign(
    place: Installation,
    folder: Path,
    document: Document,
    headers: Mapping[str, str],
    examples: int,
) -> float:
    """Ask everything of a document; gives how many requests there were to each operation."""
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", str(file)),
            *("--url", place.origin, "--tls-verify", str(place.bundle), "--no-color"),
            *(part for one in headers.items() for part in ("--header", ": ".join(one))),
            *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(examples), "--seed", str(SEED), "--no-shrink"),
            *("--continue-on-failure", "--generation-database", "none", "--warnings", "off"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=7000,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    found = re.search(r"Tested: (\d+).*?(\d+) generated, \2 passed", done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-2000:]
    operations = sum(method in item for item in document["paths"].values() for method in METHODS)
    assert int(found[1]) == operations
    return int(found[2]) / operations


def served(place: Installation, part: str) -> Document:
    """What the document has of one part: of an administration, or `OF_PROJECTS`."""
    with place.client() as client:
        document: Document = client.get("/bailee/v1/openapi/openapi.json").json()
    document["paths"] = {
        path: item for path, item in document["paths"].items() if _part(path) == part
    }
    return document


def _part(path: str) -> str:
    for part in (ORGANIZATION, OWN):
        if path.startswith(part) and not path.startswith(PROJECTS_OWN):
            return part
    return OF_PROJECTS


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


def ask_of_projects(place: Installation, office: Office, folder: Path, examples: int) -> float:
    things, document = office.things, served(place, OF_PROJECTS)
    offer_in_paths(document, lambda path: kept(things, path))
    named = {
        "model": MODEL,
        "training_file": things.training_file(),
        "input_file_id": things.file(),
        "previous_response_id": things.response(),
        "conversation": things.conversation(),
    }
    offer_in_bodies(document, named)
    return campaign(place, folder, document, bearer(office.key), examples)


def ask_of_the_organisation(
    place: Installation, office: Office, folder: Path, examples: int
) -> float:
    things, document = office.things, served(place, ORGANIZATION)
    offer_in_paths(document, lambda path: administered(things, path))
    offer_in_bodies(document, {"user_id": things.user()})
    return campaign(place, folder, document, bearer(office.admin_key), examples)


def ask_of_governance(place: Installation, office: Office, folder: Path, examples: int) -> float:
    things, document = office.things, served(place, OWN)
    offer_in_paths(document, lambda _path: governed(things))
    return campaign(place, folder, document, bearer(office.admin_key), examples)


def ask_of_the_house(place: Installation, office: Office, folder: Path, examples: int) -> float:
    """By its privacy officer, who has chosen an organisation."""
    headers = {**bearer(asyncio.run(officer(place))), "OpenAI-Organization": office.organisation}
    document = served(place, OWN)
    for path in ENDS_THE_SESSION:
        del document["paths"][path]

    def draft() -> str:
        texts = {"version": version_text("2027-06-01", "2027-06-01T00:00:00Z")}
        with place.client() as client:
            made = client.post("/bailee/v1/policy/drafts", json=texts, headers=headers)
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    offer_in_paths(document, lambda _path: {**governed(office.things), "draft": draft})
    return campaign(place, folder, document, headers, examples)


async def officer(place: Installation) -> str:
    """The session of somebody new."""
    async with place.administration() as opened:
        await opened.create_project(organisation="House", name="first")
        house = parse_tenant((await opened.house("House"))["organisation"])
        return await signed_in(opened, house, Role.PRIVACY_OFFICER)


@pytest.mark.timeout(300)
def test_nothing_is_outside_the_document(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    assert ask_of_projects(place, office, tmp_path, FEW) >= FEW


@pytest.mark.timeout(300)
def test_nothing_of_the_administration_is_outside_the_document(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    assert ask_of_the_organisation(place, office, tmp_path, FEW) >= FEW


@pytest.mark.timeout(300)
def test_nothing_of_governance_is_outside_the_document(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    assert ask_of_governance(place, office, tmp_path, FEW) >= FEW


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_nothing_is_outside_the_document_at_length(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    assert ask_of_projects(place, office, tmp_path, MANY) >= MANY // 2


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_nothing_of_the_administration_is_outside_the_document_at_length(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    assert ask_of_the_organisation(place, office, tmp_path, MANY) >= MANY // 2


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("ask", [ask_of_governance, ask_of_the_house])
def test_nothing_of_governance_is_outside_the_document_at_length(
    place: Installation, office: Office, tmp_path: Path, ask: Asking
) -> None:
    assert ask(place, office, tmp_path, MANY) >= MANY // 2
