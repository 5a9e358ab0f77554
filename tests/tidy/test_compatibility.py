"""OpenAI's description, the data, the table and the routes say the same of every operation."""

import re
from collections import Counter
from pathlib import Path

from litestar.testing import TestClient
from tools.make_compatibility import BEGIN, END, described_operations, main
from tools.make_openapi_reference import described_application, served_document

from bailee.api import application, errors
from bailee.api.compatibility import Entry, beyond, entries, matches, shape, why_refused
from bailee.api.document import METHODS

TABLE = (Path(__file__).parents[2] / "docs" / "compatibility.md").read_text("utf-8")


def routed() -> set[str]:
    """What the document of a gateway has below `/v1`, by shape."""
    return {
        f"{method.upper()} {shape(path)}"
        for path, item in served_document()["paths"].items()
        for method in METHODS
        if method in item and path.startswith("/v1/")
    }


def test_the_data_has_each_operation_of_the_description_and_no_other() -> None:
    assert {entry.name for entry in entries()} == set(described_operations())


def test_the_table_is_current_and_names_each_operation_once() -> None:
    assert main(["--check"]) == 0
    generated = TABLE.partition(BEGIN)[2].partition(END)[0]
    rows = re.findall(r"^\| `([A-Z]+ /[^`]+)`", generated, re.MULTILINE)
    for methods, path in re.findall(r"^- ([A-Z, ]+) `([^`]+)`$", generated, re.MULTILINE):
        rows += [f"{method} {path}" for method in methods.split(", ")]
    assert Counter(rows) == Counter(described_operations().keys())


def test_what_is_marked_as_served_is_routed_and_the_reverse() -> None:
    """A route may stand for several operations, as `/v1/organization/usage/{kind}` does."""
    marked = [entry for entry in (*entries(), *beyond()) if entry.served]
    routes = routed()
    unrouted = [e.name for e in marked if not any(_serves(route, e) for route in routes)]
    unmarked = [r for r in routes if not any(_serves(r, entry) for entry in marked)]
    assert (unrouted, unmarked) == ([], [])
    known = {shape(entry.name) for entry in entries()}
    refused = {shape(entry.name) for entry in entries() if not entry.served}
    assert routes & refused == set()
    assert {shape(entry.name) for entry in beyond()} & known == set()


def test_the_table_of_errors_has_every_status_and_code() -> None:
    shapes = [*errors._SHAPES.values(), *(one for _, one in errors._KINDS)]
    rows = re.findall(r"^\| ([0-9, ]+) \| (.*?) \|", TABLE.partition("## Errors")[2], re.MULTILINE)
    told = {
        (int(status), code)
        for statuses, codes in rows
        for status in statuses.split(", ")
        for found in re.findall(r"`([a-z_]+)`|\b(none)\b", codes)
        for code in found
        if code
    }
    assert {(one.status, one.code or "none") for one in shapes} <= told


def _serves(route: str, entry: Entry) -> bool:
    method, _, path = route.partition(" ")
    return method == entry.method and matches(path, entry.path)


def test_every_hot_operation_is_described() -> None:
    hot = {f"POST {path}" for path in application._OPERATIONS}
    assert hot | {"GET /v1/models", "GET /v1/models/{}"} <= routed()


def test_a_refusal_has_its_reason() -> None:
    assert why_refused("POST", "/v1/threads/thread_1/runs") is not None
    assert why_refused("GET", "/v1/models/any") is None
    assert why_refused("GET", "/v1/nothing/of/the/kind") is None
    reasons = {entry.note for entry in entries() if not entry.served}
    assert all(reason.endswith(".") for reason in reasons)


def test_whoever_calls_a_refused_operation_is_told_the_reason() -> None:
    """Also where the path is one that another operation has, as `/v1/responses/{id}` is."""
    refused = [entry for entry in entries() if not entry.served]
    assert refused
    with TestClient(described_application()) as client:
        for entry in refused:
            path = re.sub(r"\{[^}]*\}", "some_1", entry.path)
            got = client.request(entry.method, path)
            error = got.json()["error"]
            assert (got.status_code, error["code"]) == (404, "unknown_url"), entry.name
            assert error["message"].endswith(entry.note), entry.name
            assert "allow" not in got.headers, entry.name
        wrong = client.put("/v1/responses/resp_1")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "DELETE, GET, OPTIONS")
