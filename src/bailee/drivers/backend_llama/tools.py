"""Calls of functions that a caller forces, on a model that was never taught to call any.

`tool_choice` may force a call: of any function (`required`) or of a named one. llama.cpp forces
nothing where the model's own template has no words for tools. So the answer is held by a grammar
to one call, made from the functions' JSON schemas, the model is told of the functions in a system
message, and what it writes is told as OpenAI tells a call. That the call has the right form is
certain, that it makes sense is the model's business. A streamed call comes when it is whole.

Where nothing is forced (`auto`, `none`), the request goes on as it came, and whatever the model's
template does with `tools` is what happens: that of the default model leaves them out.
"""

import re
from typing import Any, Final, NamedTuple

import msgspec

from bailee.drivers.backend_llama.requests import RequestRefused
from bailee.kernel.redacted import hidden

_ANY: Final = "required"
_NO_PARAMETERS: Final = {"type": "object", "properties": {}, "additionalProperties": False}
_NOT_BESIDE: Final = (
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "json_schema", "grammar"),
    *("stream", "stream_options", "logprobs", "top_logprobs"),
)
"""Members that a grammar of ours takes the place of, or that say how the answer is told."""
_PARTIAL: Final = re.compile(
    r'\s*\{\s*"name"\s*:\s*"([^"]*)"\s*,\s*"arguments"\s*:\s*(.*)', re.DOTALL
)
_SYSTEM: Final = ("system", "developer")
_ID_CHARACTERS: Final = 24
_EVENTS: Final = "text/event-stream"
_JSON: Final = "application/json"


class Function(NamedTuple):
    """One function that may be called."""

    name: str
    parameters: dict[str, Any]
    told: dict[str, Any]
    """As the caller describes it."""

    def __repr__(self) -> str:
        return hidden(self)


class Forced(NamedTuple):
    """A request whose answer is one call."""

    functions: tuple[Function, ...]
    members: dict[str, Any]
    told: str
    """The functions as the model is told of them."""

    def __repr__(self) -> str:
        return hidden(self)

    def body(self) -> bytes:
        """What llama.cpp is asked instead. Raises RequestRefused for schemas nested too deeply."""
        members = {name: one for name, one in self.members.items() if name not in _NOT_BESIDE}
        members["messages"] = self._messages()
        try:
            schema = {"name": "call", "schema": self._schema()}
            members["response_format"] = {"type": "json_schema", "json_schema": schema}
            members["stream"] = False
            return msgspec.json.encode(members)
        except RecursionError:
            raise _too_deep() from None

    def answer(self, body: bytes) -> tuple[str, bytes]:
        """A completion's media type and body, as OpenAI tells a call."""
        document = msgspec.json.decode(body)
        for choice in document["choices"]:
            self._tell(choice, document["id"])
        if self.members.get("stream") is True:
            return _EVENTS, b"".join(self._events(document))
        return _JSON, msgspec.json.encode(document)

    def _schema(self) -> dict[str, Any]:
        if len(self.functions) == 1:
            return self.functions[0].parameters
        names = [f"f{index}" for index in range(len(self.functions))]
        calls = [
            {
                "type": "object",
                "properties": {
                    "name": {"const": function.name},
                    "arguments": {"$ref": f"#/$defs/{name}"},
                },
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for name, function in zip(names, self.functions, strict=True)
        ]
        within = {
            name: _moved(function.parameters, f"#/$defs/{name}")
            for name, function in zip(names, self.functions, strict=True)
        }
        return {"anyOf": calls, "$defs": within}

    def _messages(self) -> Any:
        messages = self.members.get("messages")
        if not isinstance(messages, list):
            return messages
        first = messages[0] if messages else None
        if isinstance(first, dict) and first.get("role") in _SYSTEM:
            content = first.get("content")
            if isinstance(content, str):
                return [{**first, "content": f"{content}\n\n{self.told}"}, *messages[1:]]
            return messages
        return [{"role": "system", "content": self.told}, *messages]

    def _tell(self, choice: dict[str, Any], completion: str) -> None:
        name, arguments = self._call(choice["message"].get("content") or "")
        choice["message"] = {"role": "assistant", "content": None, "refusal": None}
        if choice["finish_reason"] == "stop":
            choice["finish_reason"] = "tool_calls"
        if name is not None:
            random = completion.removeprefix("chatcmpl-")[:_ID_CHARACTERS]
            function = {"name": name, "arguments": arguments}
            call = {"id": f"call_{random}{choice['index']}", "type": "function"}
            choice["message"]["tool_calls"] = [{**call, "function": function}]

    def _call(self, text: str) -> tuple[str | None, str]:
        """Name and arguments; a call that was cut off has as much of them as there is."""
        if len(self.functions) == 1:
            return self.functions[0].name, text
        try:
            whole = msgspec.json.decode(text, type=_Call)
        except msgspec.DecodeError:
            begun = _PARTIAL.match(text)
            return (None, "") if begun is None else (begun[1], begun[2])
        return whole.name, bytes(whole.arguments).decode()

    def _events(self, document: dict[str, Any]) -> list[bytes]:
        head: dict[str, Any] = {
            name: document[name]
            for name in ("id", "created", "model", "system_fingerprint")
            if name in document
        }
        head["object"] = "chat.completion.chunk"
        events: list[dict[str, Any]] = []
        for choice in document["choices"]:
            at: dict[str, Any] = {"index": choice["index"], "finish_reason": None}
            message = choice["message"]
            calls = [{"index": 0, **call} for call in message.get("tool_calls", ())]
            delta: dict[str, Any] = {"role": "assistant", "content": None}
            if calls:
                delta["tool_calls"] = calls
            ended = {**at, "delta": {}, "finish_reason": choice["finish_reason"]}
            events += [{**head, "choices": [{**at, "delta": delta}]}, {**head, "choices": [ended]}]
        options = self.members.get("stream_options")
        if isinstance(options, dict) and options.get("include_usage") is True:
            events.append({**head, "choices": [], "usage": document.get("usage")})
        told = [b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events]
        return [*told, b"data: [DONE]\n\n"]


class _Call(msgspec.Struct):
    name: str
    arguments: msgspec.Raw

    def __repr__(self) -> str:
        return hidden(self)


def forced(body: bytes) -> Forced | None:
    """What a chat request that was checked forces; None: it forces no call.

    Raises RequestRefused.
    """
    if b"tool_choice" not in body and b"\\u" not in body:
        return None
    try:
        members = msgspec.json.decode(body, type=dict[str, Any])
    except RecursionError:
        raise _too_deep() from None
    choice = members.get("tool_choice")
    if choice != _ANY and not isinstance(choice, dict):
        return None
    tools = members.get("tools")
    functions = _functions(tools if isinstance(tools, list) else [])
    if isinstance(choice, dict):
        chosen = choice.get("function")
        name = chosen.get("name") if isinstance(chosen, dict) else None
        if choice.get("type") != "function" or not isinstance(name, str):
            raise RequestRefused(
                "This model can be made to call a function: 'tool_choice' is 'none', 'auto', "
                "'required' or names one.",
                "tool_choice",
            )
        functions = [function for function in functions if function.name == name][:1]
        if not functions:
            raise RequestRefused("'tool_choice' names none of the functions in 'tools'.", "tools")
    if not functions:
        raise RequestRefused("'tool_choice' wants a call, and 'tools' has no functions.", "tools")
    try:
        told = msgspec.json.encode([function.told for function in functions]).decode()
    except RecursionError:
        raise _too_deep() from None
    what = "the arguments for" if len(functions) == 1 else "a call of one of"
    return Forced(tuple(functions), members, f"Answer with {what} these functions, as JSON: {told}")


def _too_deep() -> RequestRefused:
    return RequestRefused("The functions' schemas are nested too deeply. Flatten them.", "tools")


def _functions(tools: list[Any]) -> list[Function]:
    functions = [tool["function"] for tool in tools]
    return [
        Function(one["name"], one.get("parameters") or _NO_PARAMETERS, one) for one in functions
    ]


def _moved(schema: Any, place: str) -> Any:
    """A schema whose references into itself hold when it stands at `place` of another."""
    if isinstance(schema, list):
        return [_moved(one, place) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: place + one[1:]
        if name == "$ref" and isinstance(one, str) and one.startswith("#")
        else _moved(one, place)
        for name, one in schema.items()
    }
