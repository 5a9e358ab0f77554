"""Features that a call uses are found wherever its body has them."""

import json

import pytest

from bailee.policy.model import Feature
from bailee.serving.features import features_of

FUNCTION = {"type": "function", "function": {"name": "f"}}
BODIES: list[tuple[dict[str, object], tuple[Feature, ...]]] = [
    ({"messages": [{"role": "user", "content": "hello"}]}, ()),
    ({"input": "file_id background tools", "tools": [FUNCTION, {"type": "custom"}]}, ()),
    ({"background": True}, (Feature.BACKGROUND,)),
    ({"background": False, "tools": [], "previous_response_id": None}, ()),
    ({"tools": [FUNCTION, {"type": "web_search"}]}, (Feature.TOOLS,)),
    ({"web_search_options": {}}, (Feature.TOOLS,)),
    ({"tools": [{"type": "mcp", "server_url": "https://x"}]}, (Feature.TOOLS,)),
    ({"previous_response_id": "resp_1"}, (Feature.STORED_CONTEXT,)),
    ({"conversation": {"id": "conv_1"}}, (Feature.STORED_CONTEXT,)),
    ({"prompt": {"id": "pmpt_1"}}, (Feature.STORED_CONTEXT,)),
    ({"prompt": "a completion's"}, ()),
    (
        {"messages": [{"content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
        (Feature.FILES,),
    ),
    ({"input": [{"content": [{"type": "input_file", "file_data": "…"}]}]}, ()),
    (
        {"background": True, "tools": [{"type": "file_search", "vector_store_ids": ["vs"]}]},
        (Feature.BACKGROUND, Feature.TOOLS, Feature.FILES),
    ),
]


@pytest.mark.parametrize(("body", "features"), BODIES)
def test_features(body: dict[str, object], features: tuple[Feature, ...]) -> None:
    assert features_of(json.dumps(body).encode()) == features


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"background":', b"[" * 5000])
def test_what_is_no_object_uses_none(body: bytes) -> None:
    assert features_of(body) == ()
