"""A request's body as a call: the few fields that the request path acts on, and the bytes.

Everything else, known or not, is forwarded as it came. Types are checked where Bailee acts on a
field; the rest is the model's business. Where a value must differ upstream (`model` behind an
alias, `store`), the object is written anew from its top-level members, each byte for byte.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bailee.kernel.redacted import HiddenStruct
from bailee.ports.backend import BackendAnswer, BackendCall
from bailee.serving.choices import choices_at
from bailee.serving.ending import Ending
from bailee.serving.errors import Because, CallRefused
from bailee.serving.inputs import DEFAULT_MODERATION_MODEL, check_moderated, check_texts

Typed = TypeVar("Typed")

MAX_END_USER_CHARACTERS: Final = 64
"""Of `safety_identifier`, as the API documents it."""

_STORE: Final = b'"store"'
_NO_CHOICE: Final = "Invalid enum value"
_AT: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_EXPECTED: Final = re.compile(r"^Expected `([^`]+)`, got `([^`]+)`")
_REQUIRED: Final = re.compile(r"^Object missing required field `([^`]+)`")
_UNKNOWN: Final = re.compile(
    r"^Object contains unknown field `(.*?)`(?: - at `\$[^`]*`)?$", re.DOTALL
)
_REPEATED: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""A name that may be repeated to whoever sent it: what has another form may be content."""
_JSON_TYPES: Final = {"str": "string", "bool": "boolean", "int": "integer", "float": "number"}


class _StreamOptions(Struct):
    include_usage: bool | None = None


_NOT_GIVEN: Final = (UNSET,) * 5


class _Read(HiddenStruct, frozen=True):
    """The members that matter to every operation."""

    model: str
    stream: bool | None = None
    store: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: msgspec.Raw | UnsetType = UNSET
    cache_salt: msgspec.Raw | UnsetType = UNSET
    cache_prompt: msgspec.Raw | UnsetType = UNSET
    id_slot: msgspec.Raw | UnsetType = UNSET
    n_cache_reuse: msgspec.Raw | UnsetType = UNSET

    @property
    def names_cache(self) -> bool:
        """Whether it says what a backend is to remember, or to go on from."""
        given = (
            *(self.prompt_cache_key, self.cache_salt, self.cache_prompt),
            *(self.id_slot, self.n_cache_reuse),
        )
        return given != _NOT_GIVEN


class _ChatRead(_Read, frozen=True):
    messages: list[msgspec.Raw] | UnsetType = UNSET


class _CompletionRead(_Read, frozen=True):
    prompt: msgspec.Raw | UnsetType = UNSET


class _ResponsesRead(_Read, frozen=True):
    input: msgspec.Raw | UnsetType = UNSET
    max_output_tokens: int | None = None


class _EmbeddingsRead(_Read, frozen=True):
    input: str | list[str | int | list[int]] | UnsetType = UNSET


class _ModerationsRead(_Read, frozen=True):
    model: str = DEFAULT_MODERATION_MODEL
    input: str | list[str | dict[str, msgspec.Raw]] | UnsetType = UNSET


class Operation(NamedTuple):
    """One operation of the compatibility table."""

    endpoint: str
    """As in `/v1/chat/completions`; what policy and records call it."""
    backend_path: str
    decoder: msgspec.json.Decoder[Any]
    required: str
    translated: bool = False
    """Whether backends may be asked in other words: a call of it needs a `Translation`."""
    check: Callable[[Any], None] | None = None
    """What more must hold of the required member. Raises CallRefused."""


CHAT_COMPLETIONS: Final = Operation(
    "/v1/chat/completions", "/chat/completions", msgspec.json.Decoder(_ChatRead), "messages"
)
COMPLETIONS: Final = Operation(
    "/v1/completions", "/completions", msgspec.json.Decoder(_CompletionRead), "prompt"
)
RESPONSES: Final = Operation(
    "/v1/responses", "/responses", msgspec.json.Decoder(_ResponsesRead), "input", translated=True
)
EMBEDDINGS: Final = Operation(
    "/v1/embeddings",
    "/embeddings",
    msgspec.json.Decoder(_EmbeddingsRead),
    "input",
    check=check_texts,
)
MODERATIONS: Final = Operation(
    "/v1/moderations",
    "/moderations",
    msgspec.json.Decoder(_ModerationsRead),
    "input",
    check=check_moderated,
)


class Translation(Protocol):
    """Between a client and a backend that may speak another language. One for each call."""

    @property
    def ending(self) -> Ending:
        """Finds the end of the stream that the client gets."""
        ...

    def backend_call(self, upstream_model: str, *, native: bool) -> BackendCall:
        """What a backend is asked. Raises CallRefused for what its language cannot say."""
        ...

    def answer(self, answer: BackendAnswer) -> BackendAnswer:
        """A backend's answer in the client's language."""
        ...

    def error_event(self, refused: CallRefused) -> bytes | None:
        """The last event of a stream that broke off; None: the API's own."""
        ...


class Call(HiddenStruct, frozen=True):
    """What the request path knows of a request."""

    operation: Operation
    body: bytes
    model: str
    stream: bool
    store: bool | None
    includes_usage: bool
    """Whether a stream's last chunk states the usage."""
    most_answer_tokens: int
    """What the caller allows the answer to use, 0 if it does not say."""
    choices: int
    """How many answers were asked for."""
    translation: Translation | None = None
    """None: the backend gets the client's own words."""
    names_cache: bool = False
    """Whether it says what a backend is to remember, or to go on from."""
    cache_salt: str | None = None
    """The project's, where a backend is to get it in the place of the caller's words."""

    def estimated_tokens(self) -> int:
        """A guess before anything was counted: four bytes a token, and what the answer may use."""
        return len(self.body) // 4 + self.most_answer_tokens


def parse(operation: Operation, body: bytes) -> Call:
    """Read a body. Raises CallRefused: BAD_JSON, or WRONG_TYPE naming the field."""
    read = decoded(operation.decoder, body)
    required = getattr(read, operation.required)
    if required is UNSET:
        raise CallRefused(
            Because.WRONG_TYPE,
            f"Missing required parameter: '{operation.required}'.",
            field=operation.required,
            name="missing_required_parameter",
        )
    if operation.check is not None:
        operation.check(required)
    if read.safety_identifier and len(read.safety_identifier) > MAX_END_USER_CHARACTERS:
        raise CallRefused(
            Because.WRONG_TYPE,
            f"Invalid 'safety_identifier': at most {MAX_END_USER_CHARACTERS} characters.",
            field="safety_identifier",
            name="string_above_max_length",
        )
    answers = max(1, read.n or 1)
    most = read.max_completion_tokens or read.max_tokens or 0
    if operation.translated:
        answers, most = 1, read.max_output_tokens or 0
    options = read.stream_options
    return Call(
        operation,
        body,
        read.model,
        read.stream is True,
        read.store,
        options is not None and options.include_usage is True,
        max(0, most) * answers,
        answers,
        None,
        read.names_cache,
    )


def forwarded_body(call: Call, upstream_model: str) -> bytes:
    """The bytes that a backend gets.

    The very bytes of the request, unless the backend knows the model by another name or `store`
    is asked for: what is stored for a caller is stored here, never by a backend.
    """
    body = call.body
    # A second member named "store" could say otherwise to another reader.
    plain_store = not call.store and (_STORE not in body or body.count(_STORE) < 2)
    if upstream_model == call.model and plain_store:
        return body
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    members["model"] = msgspec.Raw(msgspec.json.encode(upstream_model))
    if "store" in members and call.store is not None:
        members["store"] = msgspec.Raw(b"false")
    return msgspec.json.encode(members)


def read_as(kind: type[Typed], body: bytes) -> Typed:
    """The body as `kind`. Raises CallRefused as `decoded` does."""
    return decoded(msgspec.json.Decoder(kind), body)


def decoded(decoder: msgspec.json.Decoder[Typed], body: bytes) -> Typed:
    """The body as the decoder's type. Raises CallRefused: BAD_JSON, or WRONG_TYPE naming the field.

    A field of another type is told by its place; the decoder's other words may quote the body.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _no_choice(decoder.type, str(error)) or wrong_type(str(error)) from None
    except (msgspec.DecodeError, RecursionError):
        raise bad_json() from None


def bad_json() -> CallRefused:
    """The refusal of a body that cannot be read at all."""
    return CallRefused(
        Because.BAD_JSON,
        "We could not parse the JSON body of your request. The API expects a JSON object in UTF-8.",
    )


def _no_choice(kind: object, message: str) -> CallRefused | None:
    """The refusal of a word that is none of a few; None: the message is about something else."""
    where = _AT.search(message)
    if not message.startswith(_NO_CHOICE) or where is None:
        return None
    place, words = where.group(1), choices_at(kind, where.group(1))
    if not place or not words:
        return None
    return CallRefused(
        Because.WRONG_TYPE,
        f"Invalid value for '{place}': it is one of {', '.join(words)}.",
        field=place,
        name="invalid_value",
    )


def _unknown_field(name: str, message: str) -> CallRefused:
    place = _AT.search(message)
    within = f"{place.group(1)}." if place and place.group(1) else ""
    field = f"{within}{name}" if _REPEATED.fullmatch(name) else None
    said = (
        f"Unknown parameter: '{field}'." if field else "The body has a parameter of no known name."
    )
    return CallRefused(Because.WRONG_TYPE, said, field=field, name="unknown_parameter")


def wrong_type(message: str) -> CallRefused:
    """Say it in OpenAI's words; the decoder's message names types and places, never values."""
    unknown = _UNKNOWN.match(message)
    if unknown:
        return _unknown_field(unknown.group(1), message)
    required = _REQUIRED.match(message)
    where = _AT.search(message)
    place = where.group(1) if where else ""
    if required:
        field = f"{place}.{required.group(1)}" if place else required.group(1)
        return CallRefused(
            Because.WRONG_TYPE,
            f"Missing required parameter: '{field}'.",
            field=field,
            name="missing_required_parameter",
        )
    expected = _EXPECTED.match(message)
    if not place or expected is None:
        return bad_json()
    wanted = _JSON_TYPES.get(expected.group(1).split(" | ")[0], expected.group(1).split(" | ")[0])
    got = _JSON_TYPES.get(expected.group(2), expected.group(2))
    return CallRefused(
        Because.WRONG_TYPE,
        f"Invalid type for '{place}': expected {wanted}, but got {got} instead.",
        field=place,
        name="invalid_type",
    )
