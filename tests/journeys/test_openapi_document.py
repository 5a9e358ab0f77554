"""schemathesis against the served document, on a whole installation: no server error, and nothing
that the document does not say.

The document is taken as it is served, but for one thing: names of what is there (models, files,
projects, …) are offered in it, since a guessed name is always the same refusal.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.fixtures.clients import REAL, ask_command, await_model, backend
from tests.fixtures.documented_model import DocumentedModel
from tests.fixtures.example_things import ORGANIZATION, Things
from tests.fixtures.installation import Installation, installation
from tests.fixtures.model import model_file

from bailee.api.document import METHODS, Document

pytestmark = pytest.mark.journey

MODEL: Final = "documented"
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
ENDS: Final = ("/archive", "/cancel")
"""Operations that end what they name, beside deletions."""
SEED: Final = 7
FEW, MANY = 4, 1000


class Office(NamedTuple):
    """An organisation with a project's key, an admin key, and things to ask for."""

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
    key = ask_command(place, "admin", "bootstrap", "--organisation", name)["key"]
    with place.client() as client, place.client() as admin:
        client.headers["authorization"] = f"Bearer {tenant.key}"
        admin.headers["authorization"] = f"Bearer {key}"
        yield Office(tenant.key, key, Things(place, client, admin, MODEL, REAL))


Made = dict[str, Callable[[], str]]


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
    key: str,
    examples: int,
    timeout_s: float,
) -> None:
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", str(file)),
            *("--url", place.origin, "--tls-verify", str(place.bundle), "--no-color"),
            *("--header", f"Authorization: Bearer {key}"),
            *("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing"),
            *("--max-examples", str(examples), "--seed", str(SEED), "--no-shrink"),
            *("--continue-on-failure", "--generation-database", "none", "--warnings", "off"),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def served(place: Installation, administration: bool) -> Document:
    """One half of the document."""
    with place.client() as client:
        document: Document = client.get("/bailee/v1/openapi/openapi.json").json()
    document["paths"] = {
        path: item
        for path, item in document["paths"].items()
        if path.startswith(ORGANIZATION) == administration
    }
    return document


def ask_of_projects(place: Installation, office: Office, folder: Path, examples: int) -> None:
    things, document = office.things, served(place, administration=False)
    offer_in_paths(document, lambda path: kept(things, path))
    named = {
        "model": MODEL,
        "training_file": things.training_file(),
        "input_file_id": things.file(),
        "previous_response_id": things.response(),
        "conversation": things.conversation(),
    }
    offer_in_bodies(document, named)
    campaign(place, folder, document, office.key, examples, 7000)


def ask_of_the_organisation(
    place: Installation, office: Office, folder: Path, examples: int
) -> None:
    things, document = office.things, served(place, administration=True)
    offer_in_paths(document, lambda path: administered(things, path))
    offer_in_bodies(document, {"user_id": things.user()})
    campaign(place, folder, document, office.admin_key, examples, 7000)


@pytest.mark.timeout(300)
def test_nothing_is_outside_the_document(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    ask_of_projects(place, office, tmp_path, FEW)


@pytest.mark.timeout(300)
def test_nothing_of_the_administration_is_outside_the_document(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    ask_of_the_organisation(place, office, tmp_path, FEW)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_nothing_is_outside_the_document_at_length(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    ask_of_projects(place, office, tmp_path, MANY)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_nothing_of_the_administration_is_outside_the_document_at_length(
    place: Installation, office: Office, tmp_path: Path
) -> None:
    ask_of_the_organisation(place, office, tmp_path, MANY)
