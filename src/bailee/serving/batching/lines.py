"""The lines of a batch's input: found in a stream of bytes, and checked.

Pure. What is wrong with a line is told by its number and the member at fault, and never quoted.
"""

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from bailee.application_state.batches import BatchProblem
from bailee.kernel.redacted import Content, HiddenStruct
from bailee.serving.call import (
    CHAT_COMPLETIONS,
    COMPLETIONS,
    EMBEDDINGS,
    MODERATIONS,
    RESPONSES,
    Operation,
)

BATCHED: Final[Mapping[str, Operation]] = {
    operation.endpoint: operation
    for operation in (CHAT_COMPLETIONS, COMPLETIONS, EMBEDDINGS, RESPONSES, MODERATIONS)
}
"""What the lines of a batch may ask for."""
MOST_LINES: Final = 50_000
MOST_BYTES: Final = 200 * 1024 * 1024
MOST_PROBLEMS: Final = 100
"""How many are told of one batch."""
_ID_CHARACTERS: Final = 512
_DIGEST_BYTES: Final = 16
_TRUE: Final = b"true"


class _Body(msgspec.Struct):
    model: str
    stream: Raw | UnsetType = UNSET
    background: Raw | UnsetType = UNSET
    previous_response_id: str | None = None
    conversation: Raw | UnsetType = UNSET


class _Line(HiddenStruct, frozen=True):
    custom_id: str
    method: str
    url: str
    body: Raw


class Line(NamedTuple):
    """A line that can be answered."""

    position: int
    """From 0, among the lines that are not blank."""
    custom_id: str
    body: Content

    def __repr__(self) -> str:
        return f"<Line {self.position}>"


class NumberedLine(NamedTuple):
    """A line as it stands in the file."""

    number: int
    """From 1, as an editor counts."""
    data: bytes | None
    """None: it is longer than any line may be."""


async def lines_of(
    content: AsyncIterable[bytes], longest_bytes: int
) -> AsyncIterator[NumberedLine]:
    """The lines that are not blank. No more than one is held at a time."""
    rest, number, overlong = bytearray(), 0, False
    async for part in content:
        rest += part
        begin = 0
        while (end := rest.find(b"\n", begin)) >= 0:
            number += 1
            data = bytes(rest[begin:end])
            begin = end + 1
            if overlong or len(data) > longest_bytes:
                overlong = False
                yield NumberedLine(number, None)
            elif not data.isspace() and data:
                yield NumberedLine(number, data)
        del rest[:begin]
        if len(rest) > longest_bytes:
            overlong = True
            rest.clear()
    if overlong:
        yield NumberedLine(number + 1, None)
    elif rest.strip():
        yield NumberedLine(number + 1, bytes(rest))


class Checker:
    """Checks the lines of one batch in order."""

    def __init__(self, endpoint: str) -> None:
        self.problems: Final[list[BatchProblem]] = []
        self.count = 0
        self.model: str | None = None
        self._endpoint = endpoint
        self._seen: set[bytes] = set()

    def check(self, line: NumberedLine) -> None:
        """One line. What is wrong is in `problems`, as far as it is told."""
        self.count += 1
        problem = self._problem(line)
        if problem is not None and len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def finish(self) -> None:
        """All lines were checked."""
        if self.count == 0:
            self.problems.append(BatchProblem("empty_file", "The input file has no requests."))
        if self.count > MOST_LINES:
            message = f"The input file has more than {MOST_LINES} requests. Split it."
            self.problems.insert(0, BatchProblem("too_many_requests", message))

    def _problem(self, line: NumberedLine) -> BatchProblem | None:
        number = line.number
        if line.data is None:
            return BatchProblem("line_too_long", "This request is longer than any may be.", number)
        try:
            read = msgspec.json.decode(line.data, type=_Line)
        except msgspec.ValidationError as error:
            return _mistyped(str(error), number, "")
        except (msgspec.DecodeError, RecursionError):
            message = "This line is not parseable as valid JSON in UTF-8."
            return BatchProblem("invalid_json_line", message, number)
        if not 0 < len(read.custom_id) <= _ID_CHARACTERS:
            message = f"A custom_id has 1 to {_ID_CHARACTERS} characters."
            return BatchProblem("invalid_custom_id", message, number, "custom_id")
        digest = hashlib.blake2b(read.custom_id.encode(), digest_size=_DIGEST_BYTES).digest()
        if digest in self._seen:
            message = "This custom_id was used by an earlier line. Make each unique."
            return BatchProblem("duplicate_custom_id", message, number, "custom_id")
        self._seen.add(digest)
        if read.method != "POST":
            return BatchProblem("invalid_method", "The method must be POST.", number, "method")
        if read.url != self._endpoint:
            message = f"The url must be the batch's endpoint, {self._endpoint}."
            return BatchProblem("invalid_url", message, number, "url")
        return self._body_problem(read.body, number)

    def _body_problem(self, body: Raw, number: int) -> BatchProblem | None:
        try:
            read = msgspec.json.decode(body, type=_Body)
        except msgspec.ValidationError as error:
            return _mistyped(str(error), number, "body")
        except (msgspec.DecodeError, RecursionError):
            message = "This line is not parseable as valid JSON in UTF-8."
            return BatchProblem("invalid_json_line", message, number, "body")
        for name, value in (("stream", read.stream), ("background", read.background)):
            if value is not UNSET and bytes(value) == _TRUE:
                message = f"'{name}' has no place in a batch."
                return BatchProblem("unsupported_parameter", message, number, f"body.{name}")
        said = read.conversation is not UNSET and bytes(read.conversation) != b"null"
        if read.previous_response_id is not None or said:
            name = "conversation" if said else "previous_response_id"
            message = "A batch's requests stand alone. Write the context into the input."
            return BatchProblem("unsupported_parameter", message, number, f"body.{name}")
        if self.model is None:
            self.model = read.model
        elif read.model != self.model:
            message = "All requests of a batch must name the same model."
            return BatchProblem("mismatched_model", message, number, "body.model")
        return None


def read_line(line: NumberedLine, position: int) -> Line:
    """A line that was checked."""
    read = msgspec.json.decode(line.data or b"", type=_Line)
    return Line(position, read.custom_id, Content(read.body))


def _mistyped(message: str, number: int, within: str) -> BatchProblem:
    """In our words: the decoder's name members and types, never values."""
    required = message.partition("missing required field `")[2].partition("`")[0]
    if required:
        param = f"{within}.{required}" if within else required
        told = f"Missing required parameter: '{param}'."
        return BatchProblem("missing_required_parameter", told, number, param)
    place = message.partition("at `$.")[2].partition("`")[0]
    param = ".".join(part for part in (within, place) if part)
    if not param:
        return BatchProblem("invalid_type", "This line must be a JSON object.", number)
    return BatchProblem("invalid_type", f"Invalid type for '{param}'.", number, param)
