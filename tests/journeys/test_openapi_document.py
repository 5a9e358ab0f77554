"""schemathesis against the served document, on a whole installation: no server error, and nothing
that the document does not say.

The document is taken as it is served, but for one thing: the models that may be asked for are named
in it, since a guessed name is always the same refusal.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tests.fixtures.clients import backend
from tests.fixtures.documented_model import DocumentedModel
from tests.fixtures.installation import Installation, installation

pytestmark = pytest.mark.journey

MODEL: Final = "documented"
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
)
SEED: Final = 7
FEW, MANY = 6, 1000


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with DocumentedModel().running() as model:
        served = backend("documented", model.url, {MODEL: MODEL})
        with installation(tmp_path_factory.mktemp("document"), settings=served) as made:
            yield made


def campaign(place: Installation, folder: Path, examples: int, timeout_s: float) -> None:
    with place.client() as client:
        document = client.get("/bailee/v1/openapi/openapi.json").json()
    for name, schema in document["components"]["schemas"].items():
        if name.endswith("Request") and "model" in schema["properties"]:
            schema["properties"]["model"] = {"enum": [MODEL]}
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", str(file)),
            *("--url", place.origin, "--tls-verify", str(place.bundle), "--no-color"),
            *("--header", f"Authorization: Bearer {place.demo.key}"),
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


@pytest.mark.timeout(300)
def test_nothing_is_outside_the_document(place: Installation, tmp_path: Path) -> None:
    campaign(place, tmp_path, FEW, 280)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_nothing_is_outside_the_document_at_length(place: Installation, tmp_path: Path) -> None:
    campaign(place, tmp_path, MANY, 7000)
