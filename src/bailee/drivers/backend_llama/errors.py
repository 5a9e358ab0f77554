"""llama.cpp's errors in OpenAI's shape and in words of ours.

Its own messages come from its parser and quote the request here and there, so none is passed on:
what they are about is found in them, and said anew. What is not known is the caller's mistake or
the model's failure, as llama.cpp's status says.
"""

import re
from typing import Final, NamedTuple

import msgspec

from bailee.drivers.backend_llama.requests import CHAT
from bailee.kernel.redacted import hidden

INVALID: Final = "invalid_request_error"
_CONTEXT: Final = "exceed_context_size_error"
_INTERNAL: Final = 500
_CALLERS: Final = 400
_TYPES: Final = {400: INVALID, 401: INVALID, 403: INVALID, 404: INVALID}
_STATUSES: Final = {501: _CALLERS}
"""llama.cpp says 501 of what a model or build does not support: the caller's to change."""
_MISREAD: Final = re.compile(r"Failed to parse (messages|tools):")
"""What llama.cpp says with 500 of a request that it cannot read."""
_FIELD: Final = re.compile(
    r"Field '([a-z_.]{1,48})':(?: Value must be between (-?\d+) <= value <= (-?\d+))?"
)
_ASSISTANTS: Final = "assistant messages at the end"
_SCHEMA: Final = "JSON schema"
_NO_GRAMMAR: Final = (
    "The JSON schema in '{}' cannot be turned into a grammar that holds this model to it. Look at "
    "each 'type' (one of JSON Schema's), each '$ref' (to a place in the schema) and each 'enum' "
    "(not empty), or simplify it."
)
_ABOUT: Final = ("response_format", "tool_choice", "top_logprobs", "grammar", "messages", "prompt")
"""Members of a request that a message may be about, the one that tells most first."""


class _LlamaError(msgspec.Struct):
    message: str = ""
    type: str = ""
    code: int | str | None = None
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class _Document(msgspec.Struct):
    error: _LlamaError


class Told(NamedTuple):
    """An error as the caller gets it."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return hidden(self)


def openai_error(status: int, body: bytes, path: str, schema: str = "response_format") -> Told:
    """An error of llama.cpp; `schema` names the member whose JSON schema the answer obeys."""
    try:
        error = msgspec.json.decode(body, type=_Document).error
    except (msgspec.DecodeError, RecursionError):
        error = _LlamaError()
    status = _STATUSES.get(status, status)
    if error.type == _CONTEXT:
        return _too_long(status, error, "messages" if path == CHAT else "prompt")
    misread = _MISREAD.match(error.message)
    if misread is not None and status == _INTERNAL:
        status = _CALLERS
    if status >= _INTERNAL:
        return Told(
            status,
            error_json("The model could not answer this request.", "server_error", None),
        )
    message, field = _said(error.message, misread, schema)
    return Told(status, error_json(message, _TYPES.get(status, INVALID), field))


def error_json(message: str, kind: str, field: str | None, code: str | None = None) -> bytes:
    """An error's body."""
    return msgspec.json.encode(
        {"error": {"message": message, "type": kind, "param": field, "code": code}}
    )


def _said(message: str, misread: re.Match[str] | None, schema: str) -> tuple[str, str | None]:
    if misread is not None:
        return f"This model cannot read '{misread[1]}'. Compare it with the API's.", misread[1]
    field = _FIELD.match(message)
    if field is not None:
        name, low, high = field.groups()
        if low is None:
            return f"Invalid value for '{name}'.", name
        return f"'{name}' is a whole number from {low} to {high} for this model.", name
    if _ASSISTANTS in message:
        return "This model goes on from one message of the assistant, not from several.", "messages"
    if _SCHEMA in message:
        return _NO_GRAMMAR.format(schema), schema
    for about in _ABOUT:
        if about in message:
            return f"Invalid value for '{about}'.", about
    return "This model cannot read the request. Look at its members' types and values.", None


def _too_long(status: int, error: _LlamaError, field: str) -> Told:
    message = (
        f"This model's maximum context length is {error.n_ctx} tokens. However, your {field} "
        f"resulted in {error.n_prompt_tokens} tokens. Please reduce the length of the {field}."
    )
    return Told(status, error_json(message, INVALID, field, "context_length_exceeded"))
