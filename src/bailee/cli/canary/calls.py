"""What the canary sends: every operation that takes content, in every way in which a call can go.

Each call has a word of its own, wherever a caller can put text. An operation that the API answers
and that takes content has an entry here, or a test fails.
"""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

ECHO: Final = "echo"
"""The model that answers; the others are named for how they fail (`upstream`)."""
BOUNDARY: Final = "canary-form"
_FORM: Final = f"multipart/form-data; boundary={BOUNDARY}"
_JSON: Final = "application/json"


class Way(StrEnum):
    """How a call goes."""

    WHOLE = "answered whole"
    STREAM = "streamed"
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
    zero_retention: bool
    """Whether it is allowed there; else it is refused with 403, with content in its request."""
    within: str | None = None
    """The operation that makes the thing which its path names."""

    @property
    def path(self) -> str:
        """Its path; what it has in braces is made before."""
        return self.operation.partition(" ")[2]


def model_of(way: Way, content: str) -> str:
    """The model that makes a call go this way."""
    return content if way is Way.UNKNOWN_MODEL else _MODELS.get(way, ECHO)


def _chat(content: str, way: Way) -> bytes:
    said = {"role": "user", "content": _said(content), "name": content}
    return _asked(content, way, {"messages": [said]}, "messages")


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


def _form(fields: Mapping[str, str], file: str, content: str) -> bytes:
    lines = []
    for name, value in fields.items():
        lines += [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{name}"', "", value]
    disposition = f'Content-Disposition: form-data; name="{file}"; filename="{content}.txt"'
    lines += [f"--{BOUNDARY}", disposition, "", _said(content), f"--{BOUNDARY}--", ""]
    return "\r\n".join(lines).encode()


def _upload(content: str, way: Way) -> bytes:
    body: dict[str, object] = {
        "filename": content,
        "purpose": "user_data",
        "bytes": 1 << 20,
        "mime_type": "text/plain",
    }
    return _spoilt(body, content, way, "bytes")


_BAD: Final = (Way.BAD_JSON, Way.BAD_TYPE)
KINDS: Final = (
    Kind("POST /v1/chat/completions", _JSON, _chat, (*_ASKS_MODEL, *_ANY_BODY, *_BAD), True),
    Kind("POST /v1/completions", _JSON, _completion, (*_ASKS_MODEL, *_ANY_BODY, *_BAD), True),
    Kind("POST /v1/files", _FORM, _file, (Way.WHOLE, *_ANY_BODY, Way.BAD_TYPE), False),
    Kind("POST /v1/uploads", _JSON, _upload, (Way.WHOLE, *_ANY_BODY, *_BAD), False),
    Kind(
        "POST /v1/uploads/{upload_id}/parts",
        *(_FORM, _part, (Way.WHOLE, *_ANY_BODY), False),
        within="POST /v1/uploads",
    ),
)
WITHOUT_CONTENT: Final = frozenset(
    {"POST /v1/uploads/{upload_id}/complete", "POST /v1/uploads/{upload_id}/cancel"}
)
"""Operations whose bodies hold no text of the caller's."""


class Call(NamedTuple):
    """One call to be made."""

    kind: Kind
    way: Way
    content: str
    """Its word."""


def calls(mark: str, count: int) -> list[Call]:
    """So many calls, each way of each operation in turn, each with a word that holds `mark`."""
    turns = [(kind, way) for kind in KINDS for way in kind.ways]
    return [
        Call(*turns[number % len(turns)], f"{mark}-{number:06d}-{mark}") for number in range(count)
    ]
