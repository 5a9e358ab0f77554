"""What the canary sends: every operation that takes content, in every way in which a call can go.

Each call has a word of its own, wherever a caller can put text. An operation that the API answers
and that takes content has an entry here, or a test fails.
"""

import json
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from bailee.settings import Settings

ECHO: Final = "echo"
"""The model that answers; the others are named for how they fail (`upstream`)."""
BOUNDARY: Final = "canary-form"
_FORM: Final = f"multipart/form-data; boundary={BOUNDARY}"
_JSON: Final = "application/json"
_BRACES: Final = re.compile(r"\{[^}]*\}")


class Way(StrEnum):
    """How a call goes."""

    WHOLE = "answered whole"
    STREAM = "streamed"
    LOCAL = "answered by the local model"
    FAILING = "upstream fails"
    SILENT = "upstream closes without a byte"
    BROKEN = "upstream breaks off"
    BROKEN_STREAM = "upstream breaks off in a stream"
    TIMEOUT = "upstream is silent for too long"
    LEAVING = "client leaves in a stream"
    LEAVING_EARLY = "client leaves in its request"
    BAD_JSON = "body is cut short"
    BAD_TYPE = "field of a wrong type"
    UNKNOWN_MODEL = "unknown model"
    UNKNOWN_PATH = "unknown path"
    WRONG_KEY = "wrong key"
    STRANGE_HEADERS = "content in headers"


Statuses = frozenset[int]
ANSWERS: Final[Mapping[Way, Statuses]] = {
    Way.WHOLE: frozenset({200}),
    Way.STREAM: frozenset({200}),
    Way.LOCAL: frozenset({200}),
    Way.FAILING: frozenset({500, 502}),
    Way.SILENT: frozenset({502}),
    Way.BROKEN: frozenset({502}),
    Way.BROKEN_STREAM: frozenset({200}),
    Way.TIMEOUT: frozenset({504}),
    Way.LEAVING: frozenset({200}),
    Way.LEAVING_EARLY: frozenset({0}),
    Way.BAD_JSON: frozenset({400}),
    Way.BAD_TYPE: frozenset({400}),
    Way.UNKNOWN_MODEL: frozenset({404}),
    Way.UNKNOWN_PATH: frozenset({404}),
    Way.WRONG_KEY: frozenset({401}),
    Way.STRANGE_HEADERS: frozenset({200}),
}
"""What each way must end in, where nothing is killed and the operation is allowed; 0: no answer."""

_ASKS_MODEL: Final = (
    *(Way.WHOLE, Way.STREAM, Way.FAILING, Way.SILENT, Way.BROKEN, Way.BROKEN_STREAM),
    *(Way.TIMEOUT, Way.LEAVING, Way.UNKNOWN_MODEL),
)
_ANY_BODY: Final = (*(Way.LEAVING_EARLY, Way.UNKNOWN_PATH, Way.WRONG_KEY, Way.STRANGE_HEADERS),)
_MODELS: Final[Mapping[Way, str]] = {
    Way.LOCAL: Settings().model.name,
    Way.FAILING: "fail",
    Way.SILENT: "silent",
    Way.BROKEN: "break",
    Way.BROKEN_STREAM: "break",
    Way.TIMEOUT: "hang",
    Way.LEAVING: "hold",
}
_STREAMED: Final = frozenset({Way.STREAM, Way.BROKEN_STREAM, Way.LEAVING})

Body = Callable[[str, Way], bytes]


class Kind(NamedTuple):
    """One operation that takes content."""

    operation: str
    """As the compatibility table calls it."""
    media: str
    body: Body
    ways: tuple[Way, ...]
    under_zero_retention: int = 0
    """What it ends in there, whatever its request holds; 0: as it does elsewhere."""
    within: "Kind | None" = None
    """What makes the thing that its path or its body names (`{id}`)."""

    @property
    def path(self) -> str:
        """Its path; what it has in braces is made before."""
        return self.operation.partition(" ")[2]

    def path_of(self, name: str) -> str:
        """Its path, of a thing of this name."""
        return _BRACES.sub(name, self.path)


def model_of(way: Way, content: str) -> str:
    """The model that makes a call go this way."""
    return content if way is Way.UNKNOWN_MODEL else _MODELS.get(way, ECHO)


def _chat(content: str, way: Way) -> bytes:
    said = {"role": "user", "content": _said(content), "name": content}
    short = {"max_tokens": 4} if way is Way.LOCAL else {}
    return _asked(content, way, {"messages": [said], **short}, "messages")


def _completion(content: str, way: Way) -> bytes:
    return _asked(content, way, {"prompt": _said(content)}, "max_tokens")


def _asked(content: str, way: Way, more: dict[str, object], wrong: str) -> bytes:
    body: dict[str, object] = {
        "model": model_of(way, content),
        "user": content,
        "metadata": {"note": content},
        "stream": way in _STREAMED,
        **more,
    }
    return _spoilt(body, content, way, wrong)


def _spoilt(body: dict[str, object], content: str, way: Way, wrong: str) -> bytes:
    if way is Way.BAD_TYPE:
        body[wrong] = content
    encoded = json.dumps(body, ensure_ascii=False).encode()
    return encoded[:-2] if way is Way.BAD_JSON else encoded


def _said(content: str) -> str:
    return f'{content} says "비밀" and {content}'


def _file(content: str, way: Way) -> bytes:
    purpose = content if way is Way.BAD_TYPE else "user_data"
    return _form({"purpose": purpose}, "file", content)


def _part(content: str, _way: Way) -> bytes:
    return _form({}, "data", content)


def _form(fields: Mapping[str, str], file: str, content: str, text: str | None = None) -> bytes:
    lines = []
    for name, value in fields.items():
        lines += [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{name}"', "", value]
    disposition = f'Content-Disposition: form-data; name="{file}"; filename="{content}.txt"'
    lines += [f"--{BOUNDARY}", disposition, "", text or _said(content), f"--{BOUNDARY}--", ""]
    return "\r\n".join(lines).encode()


def _upload(content: str, way: Way) -> bytes:
    body: dict[str, object] = {
        "filename": content,
        "purpose": "user_data",
        "bytes": 1 << 20,
        "mime_type": "text/plain",
    }
    return _spoilt(body, content, way, "bytes")


def _stored_chat(content: str, way: Way) -> bytes:
    said = {"role": "user", "content": _said(content)}
    return _asked(content, way, {"messages": [said], "store": True}, "messages")


def _response(content: str, way: Way) -> bytes:
    more: dict[str, object] = {"input": _said(content), "instructions": content}
    return _asked(content, way, more, "max_output_tokens")


def _background(content: str, way: Way) -> bytes:
    return _asked(content, way, {"input": _said(content), "background": True}, "background")


def _held_background(content: str, _way: Way) -> bytes:
    return _background(content, Way.LEAVING).replace(b'"stream": true', b'"stream": false')


def _nothing(_content: str, _way: Way) -> bytes:
    return b"{}"


def _embedding(content: str, way: Way) -> bytes:
    model = content if way is Way.UNKNOWN_MODEL else "multilingual-e5-small"
    body: dict[str, object] = {"model": model, "input": _said(content), "user": content}
    return _spoilt(body, content, way, "dimensions")


def _moderation(content: str, way: Way) -> bytes:
    body: dict[str, object] = {"input": [_said(content), content]}
    if way in (Way.UNKNOWN_MODEL, Way.BAD_TYPE):
        body["model"] = content if way is Way.UNKNOWN_MODEL else [content]
    return _spoilt(body, content, way, "stream")


def _metadata(content: str, way: Way) -> bytes:
    return _spoilt({"metadata": {"note": content}}, content, way, "metadata")


def _items(content: str, way: Way) -> bytes:
    said = {"type": "message", "role": "user", "content": _said(content)}
    return _spoilt({"items": [said]}, content, way, "items")


def _conversation(content: str, way: Way) -> bytes:
    body = {"metadata": {"note": content}, **json.loads(_items(content, Way.WHOLE))}
    return _spoilt(body, content, way, "items")


def _job(content: str, way: Way) -> bytes:
    body: dict[str, object] = {"model": content, "training_file": content, "suffix": content}
    return _spoilt(body, content, way, "seed")


def _batch_input(content: str, way: Way) -> bytes:
    body = json.loads(_chat(content, way))
    line = {"custom_id": content, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return _form({"purpose": "batch"}, "file", content, json.dumps(line, ensure_ascii=False) + "\n")


def _slow_batch_input(content: str, _way: Way) -> bytes:
    return _batch_input(content, Way.TIMEOUT)


def _batch(content: str, way: Way) -> bytes:
    body: dict[str, object] = {
        "input_file_id": "{id}",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"note": content},
    }
    return _spoilt(body, content, way, "metadata")


_BAD: Final = (Way.BAD_JSON, Way.BAD_TYPE)
_LOCAL: Final = (Way.WHOLE, Way.UNKNOWN_MODEL, *_ANY_BODY, *_BAD)
_KEPT: Final = (Way.WHOLE, *_ANY_BODY, *_BAD)
_STORED: Final = Kind("POST /v1/chat/completions", _JSON, _stored_chat, (Way.WHOLE, Way.STREAM))
_BATCH_INPUTS: Final = Kind("POST /v1/files", _FORM, _batch_input, (Way.WHOLE,), 403)
_UPLOADS: Final = Kind("POST /v1/uploads", _JSON, _upload, _KEPT, 403)
_HELD_RESPONSES: Final = Kind("POST /v1/responses", _JSON, _held_background, (Way.WHOLE,), 400)
_SLOW_BATCH_INPUTS: Final = Kind("POST /v1/files", _FORM, _slow_batch_input, (Way.WHOLE,), 403)
_SLOW_BATCHES: Final = Kind("POST /v1/batches", _JSON, _batch, _KEPT, 403, _SLOW_BATCH_INPUTS)
_BATCHES: Final = Kind("POST /v1/batches", _JSON, _batch, _KEPT, 403, within=_BATCH_INPUTS)
_CONVERSATIONS: Final = Kind("POST /v1/conversations", _JSON, _conversation, _KEPT, 403)
KINDS: Final = (
    Kind("POST /v1/chat/completions", _JSON, _chat, (*_ASKS_MODEL, Way.LOCAL, *_ANY_BODY, *_BAD)),
    _STORED,
    Kind("POST /v1/chat/completions/{id}", _JSON, _metadata, (Way.WHOLE,), 404, within=_STORED),
    Kind("POST /v1/completions", _JSON, _completion, (*_ASKS_MODEL, *_ANY_BODY, *_BAD)),
    Kind("POST /v1/responses", _JSON, _response, (*_ASKS_MODEL, *_ANY_BODY, *_BAD)),
    Kind("POST /v1/responses", _JSON, _background, (Way.WHOLE,), 400),
    Kind(
        "POST /v1/responses/{id}/cancel", _JSON, _nothing, (Way.WHOLE,), 404, within=_HELD_RESPONSES
    ),
    _CONVERSATIONS,
    Kind("POST /v1/conversations/{id}", _JSON, _metadata, _KEPT, 403, within=_CONVERSATIONS),
    Kind("POST /v1/conversations/{id}/items", _JSON, _items, _KEPT, 403, within=_CONVERSATIONS),
    Kind("POST /v1/embeddings", _JSON, _embedding, _LOCAL),
    Kind("POST /v1/moderations", _JSON, _moderation, _LOCAL),
    Kind("POST /v1/files", _FORM, _file, (Way.WHOLE, *_ANY_BODY, Way.BAD_TYPE), 403),
    _UPLOADS,
    Kind(
        "POST /v1/uploads/{id}/parts", _FORM, _part, (Way.WHOLE, *_ANY_BODY), 403, within=_UPLOADS
    ),
    _BATCH_INPUTS,
    _BATCHES,
    Kind("POST /v1/batches/{id}/cancel", _JSON, _nothing, (Way.WHOLE,), 404, within=_SLOW_BATCHES),
    # No model is trained here: such a job is always refused.
    Kind("POST /v1/fine_tuning/jobs", _JSON, _job, (Way.LEAVING_EARLY, *_BAD), 403),
)
WITHOUT_CONTENT: Final = (
    *(f"POST /v1/uploads/{{upload_id}}/{what}" for what in ("complete", "cancel")),
    *(
        f"POST /v1/fine_tuning/jobs/{{fine_tuning_job_id}}/{what}"
        for what in ("cancel", "pause", "resume")
    ),
)
"""Operations whose bodies hold no text of the caller's. What administrators write is none."""


class Call(NamedTuple):
    """One call to be made."""

    kind: Kind
    way: Way
    content: str
    """Its word."""


def calls(mark: str, count: int, *, local_model: bool) -> list[Call]:
    """So many calls, each way of each operation in turn, each with a word that holds `mark`."""
    left_out = () if local_model else (Way.LOCAL,)
    turns = [(kind, way) for kind in KINDS for way in kind.ways if way not in left_out]
    return [
        Call(*turns[number % len(turns)], f"{mark}-{number:06d}-{mark}") for number in range(count)
    ]
