"""What handlers read of a request is what the published document says, and what they answer too.

Handlers read bodies and queries for themselves, so that the document has them from elsewhere: here
their source is followed through the functions of `bailee.api` that they call.
"""

import ast
import functools
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from tools.make_openapi_reference import described_application, served_document

from bailee.api.document import Document, operations_of

_ASKS: Final = ("value_of", "many_of", "number_of", "choice_of")
"""Each takes a request and a parameter's name."""
_DECODES: Final = ("body_of", "read_json")
"""Each takes a request and what its body is."""
_ANYTHING: Final[tuple[Document, ...]] = ({}, {"type": "object", "additionalProperties": {}})


class Reads(NamedTuple):
    """What a handler reads of a request."""

    body: bool = False
    kinds: frozenset[type[msgspec.Struct]] = frozenset()
    """What its body is decoded as."""
    query: frozenset[str] = frozenset()
    pages: bool = False


@functools.cache
def document() -> Document:
    return served_document()


def handlers() -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Method, path as the document has it, and handler."""
    for route in described_application().routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    if method.lower() in document()["paths"].get(route.path_format, {}):
                        yield str(method).lower(), route.path_format, handler


def reads(function: Callable[..., Any], seen: frozenset[str] = frozenset()) -> Reads:
    """Followed through everything in `bailee.api`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    around = inspect.getclosurevars(function)
    known = {**around.globals, **around.nonlocals}
    found = Reads(pages=bool(seen & {"newest_first", "page_of"}))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        found = _with(found, _read_by(call, known))
    for name, value in known.items():
        inner = isinstance(value, FunctionType) and value.__module__.startswith("bailee.api")
        if inner and name not in seen:
            found = _with(found, reads(value, seen | {name}))
    return found


def _read_by(call: ast.Call, known: dict[str, Any]) -> Reads:
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [one.value for one in arguments if isinstance(one, ast.Constant)]
    if isinstance(call.func, ast.Name):
        if call.func.id in _ASKS and isinstance(arguments[1], ast.Constant):
            return Reads(query=frozenset({str(texts[0])}))
        if call.func.id in _DECODES and isinstance(arguments[1], ast.Name):
            kind = known.get(arguments[1].id)
            if isinstance(kind, type):
                return Reads(kinds=frozenset({kind}))
    if isinstance(call.func, ast.Attribute):
        whose = ast.unparse(call.func.value)
        if whose == "request" and call.func.attr in ("body", "stream"):
            return Reads(body=True)
        if whose in ("query", "request.query_params") and call.func.attr == "get":
            return Reads(query=frozenset({str(texts[0])}))
    return Reads()


def _with(one: Reads, other: Reads) -> Reads:
    return Reads(
        one.body or other.body,
        one.kinds | other.kinds,
        one.query | other.query,
        one.pages or other.pages,
    )


def resolved(part: Document) -> Document:
    """The part of the document, or what it refers to."""
    if "$ref" not in part:
        return part
    return functools.reduce(
        lambda found, name: found[name], part["$ref"].removeprefix("#/").split("/"), document()
    )


def parameters(operation: Document, where: str) -> dict[str, Document]:
    found = map(resolved, operation.get("parameters", ()))
    return {one["name"]: one for one in found if one["in"] == where}


ALL = sorted(handlers(), key=lambda one: one[:2])
NAMES = [f"{method} {path}" for method, path, _ in ALL]


@pytest.mark.parametrize(("method", "path", "handler"), ALL, ids=NAMES)
def test_what_a_handler_reads_is_described(
    method: str, path: str, handler: HTTPRouteHandler
) -> None:
    operation, read = document()["paths"][path][method], reads(handler.fn)
    assert ("requestBody" in operation) == read.body
    told = {name.removesuffix("[]") for name in parameters(operation, "query")}
    spread = {n for n, one in parameters(operation, "query").items() if "style" in one}
    assert told - spread == read.query - spread, "described, and read"
    if read.pages:
        assert {"limit", "after"} <= told
    for kind in read.kinds:
        schema = resolved(operation["requestBody"]["content"]["application/json"]["schema"])
        fields = msgspec.structs.fields(kind)
        assert schema["properties"].keys() == {field.encode_name for field in fields}
        needed = {field.encode_name for field in fields if field.required}
        assert needed <= set(schema.get("required", ()))
        assert operation["requestBody"]["required"] == bool(schema.get("required"))


@pytest.mark.parametrize(("path", "operation"), operations_of(document()))
def test_an_operation_says_what_it_takes_and_what_it_answers(
    path: str, operation: Document
) -> None:
    assert parameters(operation, "path").keys() == set(re.findall(r"\{(\w+)\}", path))
    good = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
    assert good
    for answer in good:
        for told in answer["content"].values():
            assert resolved(told["schema"]) not in _ANYTHING


def test_what_is_not_routed_has_bodies_too() -> None:
    routed = set(NAMES)
    hot = [
        (path, item["post"])
        for path, item in document()["paths"].items()
        if "post" in item and f"post {path}" not in routed
    ]
    assert hot
    assert [path for path, operation in hot if "requestBody" not in operation] == []


def test_names_are_unique_and_all_that_is_named_is_there() -> None:
    names = [operation["operationId"] for _, operation in operations_of(document())]
    assert len(names) == len(set(names))
    for reference in set(re.findall(r"'\$ref': '([^']+)'", str(document()))):
        assert resolved({"$ref": reference})
