"""Answers of the text runner: a status and JSON, errors in OpenAI's shape.

Messages name what to do and quote nothing of the request.
"""

from typing import NamedTuple

import msgspec

from bailee.kernel.redacted import hidden


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return hidden(self)


class Refused(Exception):
    """The request cannot be answered; becomes `Answer` by `answer`."""

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.code = code

    @property
    def answer(self) -> Answer:
        """Status 400 in OpenAI's shape."""
        return error(400, str(self), field=self.field, code=self.code)


def error(
    status: int, message: str, *, field: str | None = None, code: str | None = None
) -> Answer:
    """An error in OpenAI's shape."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": field, "code": code}}
    return Answer(status, msgspec.json.encode(body))
