"""OpenAI's own examples, sent to a whole installation; and what the table refuses is refused.

The model alone is replaced: by one that answers in the documented shape.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import httpx
import pytest
from tests.fixtures.clients import ask_command, backend
from tests.fixtures.described import Described
from tests.fixtures.documented_model import DocumentedModel
from tests.fixtures.example_things import ORGANIZATION, Things, from_the_beginning
from tests.fixtures.installation import Installation, installation
from tests.fixtures.model import model_file
from tests.fixtures.openai_examples import (
    Example,
    answer_complaints,
    asked,
    examples,
    models,
)
from tests.fixtures.waiting import until
from tools.make_openapi_reference import TARGET

from bailee.api.compatibility import Entry, beyond, entries
from bailee.api.errors import OPENAPI_DOCUMENT
from bailee.governance.audit.model import EVENT_TYPES

pytestmark = pytest.mark.journey


MODEL: Final = "gpt-5.4"
LEARNER: Final = "gpt-4o-mini"
"""What examples fine-tune. Here it is the embedded model, which can be."""
OFFICE: Final = "examples"
JOBS: Final = "/v1/fine_tuning/jobs"


class Refused(NamedTuple):
    """How an example is refused that is not answered with what it asks for, and why."""

    status: int
    parameter: str | None
    """What the refusal names."""
    why: str


REFUSED_EXAMPLES: Final = {
    "POST /v1/responses Web search": Refused(
        400, "tools[0].type", "OpenAI searches the web on machines of its own."
    ),
    "POST /v1/responses File search": Refused(
        400, "tools[0].type", "OpenAI keeps and searches vector stores on machines of its own."
    ),
    "POST /v1/responses File input": Refused(
        400,
        "input[0].content[1].file_url",
        "Nobody fetches addresses, and chat completions, which the backend speaks, have none.",
    ),
    "POST /v1/moderations Image and text": Refused(
        400, "input", "The embedded classifier reads texts alone."
    ),
    f"POST {JOBS} Reinforcement": Refused(
        400, "model", "It wants a reasoning model of OpenAI's; its method is not served either."
    ),
    f"POST {JOBS} W&B Integration": Refused(
        400, None, "The example is no JSON: a comma is missing. Integrations are not served either."
    ),
}
BESIDE_THE_DESCRIPTION: Final = {
    "GET /v1/organization/data_retention": ["type"],
}
"""What is answered in another way than described, by the member."""
OWN_EVENT: Final = re.compile(r"\$\.data\[\d+\]\.type: '([a-z_.]+)' is not one of")
"""How the description complains of types of events that are Bailee's own."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with DocumentedModel().running() as model:
        judge = "omni-moderation-latest"
        named = sorted(models() - {judge, LEARNER})
        served = {name: name for name in named if not name.startswith("ft:")}
        settings = backend("documented", model.url, served)
        folder = tmp_path_factory.mktemp("examples")
        embedded: dict[str, Any] = {
            "model_file": model_file(),
            "model_name": LEARNER,
            "text_models": True,
        }
        with installation(folder, settings=settings, asks=True, **embedded) as made:
            yield made


@pytest.fixture(scope="module")
def client(place: Installation) -> Iterator[httpx.Client]:
    tenant = place.tenant(OFFICE)
    with place.client() as made:
        made.headers["authorization"] = f"Bearer {tenant.key}"
        until(lambda: made.post("/v1/moderations", json={"input": "hi"}).is_success, "a classifier")
        yield made


@pytest.fixture(scope="module")
def admin(place: Installation, client: httpx.Client) -> Iterator[httpx.Client]:
    key = ask_command(place, "admin", "bootstrap", "--organisation", OFFICE)["key"]
    with place.client() as made:
        made.headers["authorization"] = f"Bearer {key}"
        # Approved, so that the examples may ask for it, and not in force.
        mode = ("--retention", "modified_abuse_monitoring")
        ask_command(place, "organisations", "set", OFFICE, *mode)
        default = made.post(f"{ORGANIZATION}/data_retention", json={"retention_type": "none"})
        assert default.is_success, default.text
        yield made


@pytest.fixture(scope="module")
def things(place: Installation, client: httpx.Client, admin: httpx.Client) -> Things:
    made = Things(place, client, admin, MODEL, LEARNER)
    for make in (made.file, made.chat, made.invite):  # documented lists are not empty
        make()
    return made


@pytest.fixture(scope="module")
def described(client: httpx.Client) -> Described:
    return Described(client.get("/bailee/v1/openapi/openapi.json").json())


@pytest.mark.timeout(600)  # one of them is trained
@pytest.mark.parametrize("example", examples(), ids=str)
def test_a_documented_example_is_answered_in_shape(
    client: httpx.Client,
    admin: httpx.Client,
    things: Things,
    described: Described,
    example: Example,
) -> None:
    request = asked(example, things.of(example.operation))
    path = f"/v1{from_the_beginning(request.url)}"
    asker = admin if path.startswith(ORGANIZATION) else client
    if request.body is not None:
        headers = {"content-type": "application/json"}
        got = asker.request(request.method, path, content=request.body, headers=headers)
    else:
        got = asker.request(
            request.method, path, files=request.files or None, data=request.fields or None
        )
    things.over()
    if str(example) in REFUSED_EXAMPLES:
        refused = REFUSED_EXAMPLES[str(example)]
        assert got.status_code == refused.status, got.text
        assert got.json()["error"]["param"] == refused.parameter, got.text
        return
    assert got.status_code in (200, 201), got.text
    assert described.request_complaints(request.method, path, request.body) == []
    assert described.answer_complaints(request.method, path, got) == []
    media = got.headers["content-type"].partition(";")[0]
    known = tuple(f"$.{name}:" for name in BESIDE_THE_DESCRIPTION.get(str(example), ()))
    found = answer_complaints(example, media, got.content)
    complaints = [
        complaint
        for complaint in found
        if not complaint.startswith(known or "-") and not _of_our_own(complaint)
    ]
    assert complaints == [], "\n".join(complaints)


def _of_our_own(complaint: str) -> bool:
    found = OWN_EVENT.match(complaint)
    return found is not None and found[1] in EVENT_TYPES


REFUSED = [entry for entry in entries() if not entry.served]


def test_what_is_refused_says_why_and_reaches_no_backend(
    client: httpx.Client, admin: httpx.Client
) -> None:
    wrong = []
    for entry in REFUSED:
        path = re.sub(r"\{[^}]*\}", "some", entry.path)
        asker = admin if path.startswith((ORGANIZATION, "/v1/projects/")) else client
        got = asker.request(entry.method, path)
        error = got.json()["error"]
        told = OPENAPI_DOCUMENT in error["message"] and entry.note in error["message"]
        if not (got.status_code == 404 and told) and not _another_method(entry, got):
            wrong.append((entry.name, got.status_code, error["message"]))
    assert wrong == []


def _another_method(entry: Entry, got: httpx.Response) -> bool:
    """Whether the path is served, and says which methods it has."""
    return got.status_code == 405 and entry.method not in got.headers["allow"]


def test_what_is_served_is_there(client: httpx.Client, admin: httpx.Client) -> None:
    for entry in (*entries(), *beyond()):
        if entry.served:
            path = re.sub(r"\{[^}]*\}", "some", entry.path)
            got = (admin if path.startswith(ORGANIZATION) else client).request(entry.method, path)
            assert "unknown_url" not in got.text, entry.name
            assert got.status_code != 405, entry.name


def test_the_published_document_is_the_served_one(client: httpx.Client) -> None:
    served = client.get("/bailee/v1/openapi/openapi.json")
    assert served.json() == json.loads(TARGET.read_text("utf-8"))
