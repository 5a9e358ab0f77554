"""A chat completion that is kept: its name, and a stream put together."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion

from bailee.serving.call import CHAT_COMPLETIONS, parse
from bailee.serving.chat_storing import ChatStoring

CALL = parse(CHAT_COMPLETIONS, b'{"model":"m","messages":[],"stream":true,"n":2}')
TEXTS = st.lists(st.text(min_size=1, max_size=5), max_size=4)


def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    chunk = {"id": "theirs", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return json.dumps({**chunk, "choices": [choice]}).encode()


@given(TEXTS, TEXTS, TEXTS)
def test_a_stream_is_put_together(zero: list[str], one: list[str], arguments: list[str]) -> None:
    storing = ChatStoring(CALL, "chatcmpl-ours")
    call: dict[str, Any] = {"index": 0, "id": "c", "type": "function", "function": {"name": "f"}}
    chunks = [chunk(1, {"role": "assistant", "content": ""}), chunk(0, {"tool_calls": [call]})]
    chunks += [chunk(1, {"content": piece}) for piece in one]
    chunks += [chunk(0, {"content": piece}) for piece in zero]
    chunks += [
        chunk(0, {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        for piece in arguments
    ]
    chunks += [chunk(0, {}, "tool_calls"), chunk(1, {}, "stop")]
    for data in chunks:
        named = storing.named(data)
        assert json.loads(named) == json.loads(data) | {"id": "chatcmpl-ours"}
        storing.gather(named)
    completion = ChatCompletion.model_validate(storing.completion)
    assert completion.id == "chatcmpl-ours"
    first, second = completion.choices
    assert (first.message.content or "", second.message.content) == ("".join(zero), "".join(one))
    (called,) = first.message.tool_calls or []
    assert called.type == "function"
    assert called.function.arguments == "".join(arguments)
    assert (first.finish_reason, second.finish_reason) == ("tool_calls", "stop")


def test_what_is_no_completion_passes_as_it_is() -> None:
    storing = ChatStoring(CALL, "chatcmpl-ours")
    for data in (b"[DONE]", b"not json", b'{"error":{"message":"x"}}', b"[1]"):
        assert storing.named(data) is data
