"""Types of items, against OpenAI's own description."""

import json
from pathlib import Path
from typing import Any

import zstandard

from bailee.serving.responses.kept_items import OTHER_ITEMS

DESCRIPTION = Path(__file__).parents[3] / "openai_description" / "openapi.json.zst"
LOOKED_INTO = {"message", "function_call", "function_call_output"}
UNTYPED = {"item_reference"}
"""The description lets its type be anything or nothing."""


def types_within(schemas: dict[str, Any], name: str) -> set[str]:
    """The words that `type` may be in a schema and all that it may be instead."""
    found: set[str] = set()
    seen: set[str] = set()

    def walk(schema: dict[str, Any]) -> None:
        reference = schema.get("$ref", "").rpartition("/")[2]
        if reference and reference not in seen:
            seen.add(reference)
            walk(schemas[reference])
        for several in ("oneOf", "anyOf", "allOf"):
            for one in schema.get(several, ()):
                walk(one)
        kind = schema.get("properties", {}).get("type", {})
        found.update(kind.get("enum", [kind["const"]] if "const" in kind else []))

    walk(schemas[name])
    return found


def test_every_type_of_the_description_is_known_and_no_other() -> None:
    schemas = json.loads(zstandard.decompress(DESCRIPTION.read_bytes()))["components"]["schemas"]
    described = types_within(schemas, "InputItem") | types_within(schemas, "ConversationItem")
    assert described - LOOKED_INTO == OTHER_ITEMS - UNTYPED
