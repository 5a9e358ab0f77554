"""OpenAI's own examples, sent to a whole installation; and what the table refuses is refused.

The model alone is replaced: by one that answers in the documented shape.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest
from tests.fixtures.clients import backend
from tests.fixtures.documented_model import DocumentedModel
from tests.fixtures.installation import Installation, Tenant, installation
from tests.fixtures.openai_examples import (
    FILE_CONTENT,
    Example,
    answer_complaints,
    asked,
    examples,
    models,
    request_complaints,
)
from tools.make_openapi_reference import TARGET

from bailee.api.compatibility import Entry, entries
from bailee.api.errors import COMPATIBILITY_TABLE

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with DocumentedModel().running() as model:
        served = backend("documented", model.url, {name: name for name in sorted(models())})
        with installation(tmp_path_factory.mktemp("examples"), settings=served) as made:
            yield made


@pytest.fixture(scope="module")
def tenant(place: Installation) -> Tenant:
    return place.tenant("examples")


@pytest.fixture(scope="module")
def client(place: Installation, tenant: Tenant) -> Iterator[httpx.Client]:
    with place.client() as made:
        made.headers["authorization"] = f"Bearer {tenant.key}"
        Makers(made).file()  # documented lists are not empty
        yield made


class Makers:
    """Makes what examples speak of."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        self._upload = ""

    def file(self) -> str:
        form = {"purpose": "batch"}
        return self._made("/v1/files", files={"file": ("a.jsonl", FILE_CONTENT)}, data=form)

    def upload(self) -> str:
        body = {
            "filename": "a.jsonl",
            "purpose": "fine-tune",
            "bytes": 2 * len(FILE_CONTENT),
            "mime_type": "text/jsonl",
        }
        self._upload = self._made("/v1/uploads", json=body)
        return self._upload

    def part(self) -> str:
        """Of the upload that was made last: the two of an example are the whole file."""
        path = f"/v1/uploads/{self._upload}/parts"
        return self._made(path, files={"data": ("data", FILE_CONTENT)})

    def by_pattern(self) -> Mapping[str, Callable[[], str]]:
        """What is made for names of a pattern, in this order."""
        return {
            r"\bfile-[A-Za-z0-9]+": self.file,
            r"\bupload_[A-Za-z0-9]+": self.upload,
            r"\bpart_[a-z]+\d+": self.part,
        }

    def _made(self, path: str, **sent: Any) -> str:
        got = self._client.post(path, **sent)
        assert got.status_code == 200, got.text
        return str(got.json()["id"])


@pytest.mark.parametrize("example", examples(), ids=str)
def test_a_documented_example_is_answered_in_shape(client: httpx.Client, example: Example) -> None:
    request = asked(example, Makers(client).by_pattern())
    path = f"/v1{request.url}"
    if request.body is not None:
        assert request_complaints(example.operation, request.body) == []
        got = client.request(
            request.method,
            path,
            content=request.body,
            headers={"content-type": "application/json"},
        )
    else:
        got = client.request(
            request.method, path, files=request.files or None, data=request.fields or None
        )
    assert got.status_code == 200, got.text
    media = got.headers["content-type"].partition(";")[0]
    assert answer_complaints(example.operation, media, got.content) == []


REFUSED = [entry for entry in entries() if not entry.served]


def test_what_is_refused_says_why_and_reaches_no_backend(client: httpx.Client) -> None:
    wrong = []
    for entry in REFUSED:
        path = re.sub(r"\{[^}]*\}", "some", entry.path)
        got = client.request(entry.method, path)
        error = got.json()["error"]
        told = COMPATIBILITY_TABLE in error["message"] and entry.note in error["message"]
        if not (got.status_code == 404 and told) and not _another_method(entry, got):
            wrong.append((entry.name, got.status_code, error["message"]))
    assert wrong == []


def _another_method(entry: Entry, got: httpx.Response) -> bool:
    """Whether the path is served, and says which methods it has."""
    return got.status_code == 405 and entry.method not in got.headers["allow"]


def test_what_is_served_is_there(client: httpx.Client) -> None:
    for entry in entries():
        if entry.served:
            got = client.request(entry.method, re.sub(r"\{[^}]*\}", "some", entry.path))
            assert "unknown_url" not in got.text, entry.name
            assert got.status_code != 405, entry.name


def test_the_published_document_is_the_served_one(client: httpx.Client) -> None:
    served = client.get("/bailee/v1/openapi/openapi.json")
    assert served.json() == json.loads(TARGET.read_text("utf-8"))
