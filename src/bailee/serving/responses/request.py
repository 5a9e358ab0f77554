"""A request to create a Response, read once, and the chat request that asks the same.

Fields that mean the same in both are carried over byte for byte, unknown ones too. What belongs to
the Response alone (`metadata`, `include`, `store`) stays here. Fields that would be silently
without effect are refused.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from bailee.kernel.redacted import HiddenStruct, hidden
from bailee.serving.call import decoded
from bailee.serving.responses.items import Item, chat_messages, input_items
from bailee.serving.responses.refusals import invalid, missing, unsupported
from bailee.serving.responses.tools import Tool, chat_tools, function_tools

LOGPROBS: Final = "message.output_text.logprobs"
METADATA_PAIRS: Final = 16
METADATA_NAME_CHARACTERS: Final = 64
METADATA_VALUE_CHARACTERS: Final = 512


class Format(HiddenStruct, frozen=True):
    """`text.format`."""

    type: str = "text"
    name: str | UnsetType = UNSET
    schema: Raw | UnsetType = UNSET
    strict: bool | UnsetType | None = UNSET
    description: str | UnsetType = UNSET


class Text(Struct, omit_defaults=True):
    """`text`."""

    format: Format | None = None
    verbosity: str | None = None


class Reasoning(Struct):
    """`reasoning`."""

    effort: str | None = None
    summary: str | None = None


class Fields(Struct):
    """What is acted on or repeated."""

    model: str
    input: Any = UNSET
    instructions: str | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    text: Text | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    top_logprobs: int | None = None
    reasoning: Reasoning | None = None
    metadata: dict[str, str] | None = None
    include: list[str] | None = None
    truncation: str | None = None
    stream: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    background: bool | None = None
    prompt: Raw | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET
    temperature: Raw | UnsetType = UNSET
    top_p: Raw | UnsetType = UNSET
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: str | None = None

    def __repr__(self) -> str:
        return hidden(self)


_FIELDS: Final = msgspec.json.Decoder(Fields)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_CHATS: Final = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "functions": "tools",
    "function_call": "tool_choice",
    "logprobs": "include",
    "n": "input",
}
"""Chat's fields, with where the Responses API has the same."""
_MESSAGE: Final = re.compile(r"messages\[(\d{1,6})\]")
_FUNCTION: Final = re.compile(r"(tools\[\d{1,6}\])\.function")
_REFUSED: Final = {
    "prompt": "Prompt templates are not kept here. Send 'instructions' and 'input'.",
    "context_management": "Contexts are not compacted here. Leave 'context_management' out.",
}
_STAYS: Final = frozenset(Fields.__struct_fields__) - {
    "temperature", "top_p", "user", "safety_identifier", "prompt_cache_key", "service_tier",
}  # fmt: skip
_DROPPED: Final = _STAYS | {"store", "stream_options", "background_options"}


class CreateResponse:
    """One request."""

    __slots__ = ("_members", "_places", "fields", "items", "tools")

    def __init__(self, fields: Fields, members: dict[str, Raw]) -> None:
        self.fields: Final = fields
        self._members: Final = members
        self.items: Final[list[Item]] = input_items(fields.input)
        """The request's own input."""
        self.tools: list[Tool] = fields.tools or []
        self._places: list[str] = []

    @property
    def logprobs(self) -> bool:
        """Whether log probabilities are wanted."""
        return bool(self.fields.top_logprobs) or LOGPROBS in (self.fields.include or ())

    def chat_body(self, upstream_model: str, before: list[Item]) -> bytes:
        """The chat request, where `before` stands before the input.

        Raises CallRefused (WRONG_TYPE) for what chat cannot say.
        """
        fields = self.fields
        self._refuse_what_chat_lacks()
        items = [*before, *self.items]
        messages, self._places = chat_messages(fields.instructions, items, len(before))
        body: dict[str, Any] = {"model": upstream_model, "messages": messages}
        self.tools = function_tools(fields.tools or [])
        tools = chat_tools(self.tools, fields.tool_choice)
        if tools.tools:
            body["tools"] = tools.tools
            if tools.choice is not None:
                body["tool_choice"] = tools.choice
            if fields.parallel_tool_calls is not None:
                body["parallel_tool_calls"] = fields.parallel_tool_calls
        if fields.max_output_tokens is not None:
            body["max_completion_tokens"] = fields.max_output_tokens
        if fields.reasoning is not None and fields.reasoning.effort is not None:
            body["reasoning_effort"] = fields.reasoning.effort
        if fields.text is not None:
            body |= _text(fields.text)
        if self.logprobs:
            body["logprobs"] = True
            if fields.top_logprobs:
                body["top_logprobs"] = fields.top_logprobs
        if fields.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        body |= {name: raw for name, raw in self._members.items() if name not in _DROPPED}
        return msgspec.json.encode(body)

    def place_of(self, field: str) -> str:
        """What this request calls a member of the chat request that was made of it."""
        message = _MESSAGE.match(field)
        if message is not None and int(message[1]) < len(self._places):
            return self._places[int(message[1])] + field[message.end() :]
        function = _FUNCTION.match(field)
        if function is not None:
            return function[1] + field[function.end() :]
        name, dot, rest = field.partition(".")
        if name == "response_format":
            rest = rest.removeprefix("json_schema").removeprefix(".")
            return f"text.format.{rest}" if rest else "text.format"
        return _CHATS.get(name, name) + dot + rest

    def native_body(self, upstream_model: str, before: list[Item]) -> bytes:
        """The request for a backend that speaks the Responses API itself.

        Nothing is kept there: what is stored for a caller is stored here.
        """
        members: dict[str, Any] = dict(self._members)
        members["model"] = upstream_model
        members["store"] = False
        for name in ("previous_response_id", "conversation", "background", "background_options"):
            members.pop(name, None)
        if before:
            members["input"] = [*before, *self.items]
        return msgspec.json.encode(members)

    def _refuse_what_chat_lacks(self) -> None:
        for name, message in _REFUSED.items():
            if self._members.get(name, _NULL) != _NULL:
                raise unsupported(name, message)
        for name, instead in _CHATS.items():
            if name in self._members:
                raise unsupported(
                    name,
                    f"Unsupported parameter: '{name}'. In the Responses API, use '{instead}'.",
                )


_NULL: Final = Raw(b"null")


def read_request(body: bytes) -> CreateResponse:
    """Read a body. Raises CallRefused (BAD_JSON, WRONG_TYPE)."""
    fields, members = decoded(_FIELDS, body), decoded(_MEMBERS, body)
    if fields.input is UNSET or fields.input is None:
        raise missing("input")
    check_metadata(fields.metadata)
    return CreateResponse(fields, members)


def check_metadata(metadata: dict[str, str] | None) -> None:
    """Hold metadata to the API's limits. Raises CallRefused (WRONG_TYPE)."""
    if metadata is None:
        return
    if len(metadata) > METADATA_PAIRS:
        raise invalid("metadata", f"'metadata' has at most {METADATA_PAIRS} pairs.")
    for name, value in metadata.items():
        if len(name) > METADATA_NAME_CHARACTERS or len(value) > METADATA_VALUE_CHARACTERS:
            raise invalid(
                "metadata",
                f"Names in 'metadata' have at most {METADATA_NAME_CHARACTERS} characters, "
                f"values {METADATA_VALUE_CHARACTERS}.",
            )


def _text(text: Text) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if text.verbosity is not None:
        said["verbosity"] = text.verbosity
    wanted = text.format
    if wanted is None or wanted.type == "text":
        return said
    if wanted.type == "json_object":
        return said | {"response_format": {"type": "json_object"}}
    if wanted.type != "json_schema":
        raise invalid(
            "text.format.type", "'text.format.type' is 'text', 'json_object' or 'json_schema'."
        )
    for name in ("name", "schema"):
        if getattr(wanted, name) is UNSET:
            raise missing(f"text.format.{name}")
    schema: dict[str, Any] = {"name": wanted.name, "schema": wanted.schema}
    if isinstance(wanted.strict, bool):
        schema["strict"] = wanted.strict
    if wanted.description is not UNSET:
        schema["description"] = wanted.description
    return said | {"response_format": {"type": "json_schema", "json_schema": schema}}
