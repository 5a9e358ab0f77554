"""The OpenAPI document of everything that is served: one for the hot operations and all others.

Litestar describes what it routes. `openapi.json` beside this module adds what it cannot know: the
hot operations, which it does not route, and the shapes of bodies that handlers read for themselves.
Fields that it does not name are allowed everywhere. Every failure has the one shape.
"""

import json
from functools import cache
from importlib import resources
from typing import Any, Final

from litestar.openapi.plugins import JsonRenderPlugin

Document = dict[str, Any]

METHODS: Final = ("get", "post", "put", "patch", "delete")
_ERROR: Final = {
    "description": "What was wrong, and what to do.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_EVERY_CALLER: Final[list[Document]] = [{"key": []}]
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
    document: Document = json.loads(json.dumps(routed))
    for path in document["paths"].values():
        for method in METHODS:
            if method in path:
                _tidy(path[method])
    _lay_over(document, _beside())
    for path in document["paths"].values():
        for method in METHODS:
            if method in path:
                path[method].setdefault("security", _EVERY_CALLER)
                path[method]["responses"].setdefault("default", _ERROR)
    return document


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
    """Objects are merged, parameters added; all else, contents of answers too, is replaced."""
    for name, value in over.items():
        if name == "content" or not isinstance(value, dict):
            under[name] = under.get(name, []) + value if name == "parameters" else value
        else:
            _lay_over(under.setdefault(name, {}), value)
