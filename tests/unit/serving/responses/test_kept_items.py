"""What a conversation can hold, by role and kind of part."""

import copy
from typing import Any

import pytest

from bailee.serving.errors import CallRefused
from bailee.serving.responses.kept_items import check_kept_items

SAID: Any = {"type": "input_text", "text": "lemon"}
ANSWERED: Any = {"type": "output_text", "text": "sour", "annotations": [], "logprobs": []}
REFUSED: Any = {"type": "refusal", "refusal": "no"}
SEEN: Any = {"type": "input_image", "image_url": "https://example.org/lemon.png"}


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": "lemon"},
        {"type": "message", "role": "user", "content": [SAID, SEEN]},
        {"role": "system", "content": [SAID]},
        {"role": "developer", "content": []},
        {"role": "assistant", "content": [ANSWERED, REFUSED]},
        {"role": "assistant", "content": [SAID]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "17"},
        {"type": "function_call_output", "call_id": "c", "output": [SAID]},
        {"type": "reasoning", "summary": []},
    ],
)
def test_what_the_description_allows_is_kept(item: dict[str, Any]) -> None:
    before = copy.deepcopy(item)
    check_kept_items([item], "items")
    assert item == before, "what is checked is kept as it came"


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"content": "lemon"}, ".role"),
        ({"role": "narrator", "content": "lemon"}, ".role"),
        ({"role": ["user"], "content": "lemon"}, ".role"),
        ({"role": "user"}, ".content"),
        ({"role": "user", "content": 5}, ".content"),
        ({"role": "user", "content": ["lemon"]}, ".content[0]"),
        ({"role": "user", "content": [SAID, ANSWERED]}, ".content[1].type"),
        ({"role": "system", "content": [REFUSED]}, ".content[0].type"),
        ({"role": "assistant", "content": [{"text": "sour"}]}, ".content[0].type"),
        ({"role": "user", "content": [{"type": "input_text"}]}, ".content[0].text"),
        ({"role": "assistant", "content": [{**REFUSED, "refusal": 1}]}, ".content[0].refusal"),
        ({"type": "function_call", "call_id": "c", "name": "f"}, ".arguments"),
        ({"type": "function_call_output", "output": "17"}, ".call_id"),
        ({"type": "function_call_output", "call_id": "c"}, ".output"),
        ({"type": "function_call_output", "call_id": "c", "output": [ANSWERED]}, ".output[0].type"),
        (["lemon"], ""),
        ({"type": 5}, ".type"),
        ({"type": "lemon"}, ".type"),
    ],
)
def test_what_no_conversation_can_hold_names_its_field(item: Any, field: str) -> None:
    with pytest.raises(CallRefused) as refused:
        check_kept_items([{"role": "user", "content": "fits"}, item], "items")
    assert refused.value.field == f"items[1]{field}"
    assert "lemon" not in str(refused.value)
