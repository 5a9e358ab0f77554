"""The Response object around its output: what it repeats of the request, and its state.

Members have the API's order with `usage` last, where the rate limits look for it.
"""

from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from bailee.serving.responses.request import CreateResponse

Document = dict[str, Any]
_AUTO: Final = "auto"


class Made(NamedTuple):
    """What is settled before anything is answered."""

    token: str
    """Random, at least 32 hexadecimal digits: the identifiers of Response and items come of it."""
    created_s: int
    """Unix seconds."""
    store: bool
    """Whether the Response can be asked for later."""
    conversation: str | None = None

    @property
    def response_id(self) -> str:
        """What the Response is called."""
        return f"resp_{self.token}"

    def item_id(self, prefix: str, index: int) -> str:
        """What the item at a place of the output is called."""
        return f"{prefix}_{self.token}{index:04x}"


class Ended(NamedTuple):
    """How an answer ended."""

    status: str
    """`completed`, `incomplete`, `failed`, `cancelled`."""
    incomplete_reason: str | None = None
    error: Document | None = None
    completed_s: int | None = None


IN_PROGRESS: Final = Ended("in_progress")
QUEUED: Final = Ended("queued")


def response_document(
    request: CreateResponse,
    made: Made,
    ended: Ended,
    output: list[Document],
    usage: Document | None = None,
) -> Document:
    """A Response as the API shows it."""
    fields = request.fields
    reasoning = fields.reasoning
    document: Document = {
        "id": made.response_id,
        "object": "response",
        "created_at": made.created_s,
        "status": ended.status,
        "background": fields.background is True,
        "completed_at": ended.completed_s,
        "error": ended.error,
        "incomplete_details": (
            {"reason": ended.incomplete_reason} if ended.incomplete_reason else None
        ),
        "instructions": fields.instructions,
        "max_output_tokens": fields.max_output_tokens,
        "max_tool_calls": fields.max_tool_calls,
        "model": fields.model,
        "output": output,
        "parallel_tool_calls": fields.parallel_tool_calls is not False,
        "previous_response_id": fields.previous_response_id,
        "prompt_cache_key": fields.prompt_cache_key,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "safety_identifier": fields.safety_identifier,
        "service_tier": fields.service_tier or _AUTO,
        "store": made.store,
        "temperature": _said(fields.temperature),
        "text": _text(request),
        "tool_choice": fields.tool_choice if fields.tool_choice is not None else _AUTO,
        "tools": request.tools,
        "top_logprobs": fields.top_logprobs or 0,
        "top_p": _said(fields.top_p),
        # Nothing is left out of an input that is too long, whatever was asked for.
        "truncation": "disabled",
        "user": fields.user,
        "metadata": fields.metadata or {},
        "usage": usage,
    }
    if made.conversation is not None:
        document["conversation"] = {"id": made.conversation}
    return document


def usage_document(usage: Any) -> Document | None:
    """A chat answer's usage as a Response states it; None if it states none."""
    if not isinstance(usage, dict):
        return None
    taken, given = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    inside, thought = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return {
        "input_tokens": taken,
        "input_tokens_details": {
            "cached_tokens": _count(inside, "cached_tokens"),
            "cache_write_tokens": _count(inside, "cache_write_tokens"),
        },
        "output_tokens": given,
        "output_tokens_details": {"reasoning_tokens": _count(thought, "reasoning_tokens")},
        "total_tokens": _count(usage, "total_tokens") or taken + given,
    }


def encoded(document: Document) -> bytes:
    """A document's JSON."""
    return msgspec.json.encode(document)


def _text(request: CreateResponse) -> Document:
    text = request.fields.text
    said: Document = {"format": {"type": "text"}}
    if text is not None and text.format is not None:
        said["format"] = text.format
    if text is not None and text.verbosity is not None:
        said["verbosity"] = text.verbosity
    return said


def _said(value: Raw | UnsetType) -> Raw | None:
    return None if value is UNSET else value


def _count(document: Any, name: str) -> int:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, int) else 0
