"""The OpenAPI document of everything that is served: one for the hot operations and all others.

Litestar describes what it routes. `openapi.json` beside this module adds what it cannot know: the
hot operations, which it does not route, and the bodies and parameters that handlers read for
themselves. Fields that it does not name are allowed everywhere. Every failure has the one shape.
"""

import json
import re
from functools import cache
from importlib import resources
from typing import Any, Final

from litestar.openapi.plugins import JsonRenderPlugin

from bailee.api.bailee_v1 import BAILEE_ROUTES

Document = dict[str, Any]

METHODS: Final = ("get", "post", "put", "patch", "delete")
_ERROR: Final = {
    "description": "What was wrong, and what to do.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_EVERY_CALLER: Final[list[Document]] = [{"key": []}]
_ADMINISTRATORS: Final[list[Document]] = [{"admin_key": []}]
_ADMINISTRATED: Final = ("/v1/organization/", *(router.path for router in BAILEE_ROUTES))
_SCHEMA: Final = "#/components/schemas/"
_PAGE_OF: Final = re.compile(r"\bListed_[a-z_.]+\.(\w+)_(?=\")")
"""What Litestar calls a list of some shape."""
_LITESTARS_REFUSAL: Final = "400"
"""Its validation error has a shape of its own, which callers never see."""
_SAYS_NOTHING: Final[tuple[tuple[str, object], ...]] = (("headers", {}), ("deprecated", False))


class WholeDocument(JsonRenderPlugin):
    """Serves the document."""

    def render(self, request: Any, openapi_schema: Document) -> bytes:
        """The document as JSON."""
        return super().render(request, whole_document(openapi_schema))


def whole_document(routed: Document) -> Document:
    """What Litestar says of its routes, with all that it leaves out. `routed` stays as it was."""
    document: Document = json.loads(_PAGE_OF.sub(r"\1List", json.dumps(routed)))
    for _, operation in operations_of(document):
        _tidy(operation)
    _lay_over(document, _beside())
    _leave_out_unserved(document)
    for path, operation in operations_of(document):
        allowed = _ADMINISTRATORS if path.startswith(_ADMINISTRATED) else _EVERY_CALLER
        operation.setdefault("security", allowed)
        operation["responses"].setdefault("default", _ERROR)
    _leave_out_unused(document)
    return document


def operations_of(document: Document) -> list[tuple[str, Document]]:
    """Every operation, with its path."""
    return [
        (path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


@cache
def _beside() -> Document:
    text = (resources.files("bailee.api") / "openapi.json").read_text("utf-8")
    document: Document = json.loads(text)
    return document


def _tidy(operation: Document) -> None:
    operation["responses"].pop(_LITESTARS_REFUSAL, None)
    for part in (operation, *operation["responses"].values(), *operation.get("parameters", ())):
        for name, value in _SAYS_NOTHING:
            if part.get(name) == value:
                del part[name]


def _lay_over(under: Document, over: Document) -> None:
    """Objects are merged, parameters by name; all else, contents of answers too, is replaced."""
    for name, value in over.items():
        if name == "parameters" and isinstance(value, list):
            told = {(one.get("name"), one.get("in")) for one in value}
            kept = [one for one in under.get(name, ()) if (one["name"], one["in"]) not in told]
            under[name] = kept + value
        elif name == "content" or not isinstance(value, dict):
            under[name] = value
        else:
            _lay_over(under.setdefault(name, {}), value)


def _leave_out_unserved(document: Document) -> None:
    """What is described beside and not routed by this application has no answers."""
    paths: Document = document["paths"]
    for path, item in list(paths.items()):
        for method in METHODS:
            if method in item and "responses" not in item[method]:
                del item[method]
        if not set(METHODS) & item.keys():
            del paths[path]


def _leave_out_unused(document: Document) -> None:
    """Shapes of answers that were replaced describe nothing any more."""
    schemas: Document = document["components"]["schemas"]
    used, reached = set[str](), _named({**document, "components": {}})
    reached |= _named(document["components"]["parameters"])
    while reached:
        used |= reached
        reached = set[str]().union(*(_named(schemas[name]) for name in reached)) - used
    for name in schemas.keys() - used:
        del schemas[name]


def _named(part: Any) -> set[str]:
    """The schemas that a part of the document refers to."""
    return set(re.findall(rf'"{_SCHEMA}([^"]+)"', json.dumps(part)))
