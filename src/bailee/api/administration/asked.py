"""Reading what administrators send: bodies, query parameters and identifiers in paths.

Whatever is wrong is an InvalidInput that names the parameter. An identifier that cannot be one is
as unknown as any other: NotFound.
"""

import enum
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from bailee.api.administration.session import AnyRequest
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, parse_handle, parse_key, parse_project
from bailee.kernel.instants import Instant
from bailee.kernel.numbers import whole_number
from bailee.serving.call import read_as

Body = TypeVar("Body", bound=msgspec.Struct)
Choice = TypeVar("Choice", bound=enum.Enum)
Item = TypeVar("Item")
Identifier = TypeVar("Identifier")

_LIMIT_MAX: Final = 100
_LIMIT_USUAL: Final = 20
_EXPIRY_MAX_S: Final = 10 * 366 * 86400


class Page(NamedTuple):
    """Which part of a list is asked for."""

    limit: int
    after: str | None
    before: str | None


async def body_of(request: AnyRequest, kind: type[Body]) -> Body:
    """The body. Raises CallRefused in OpenAI's words; an absent body counts as an empty one."""
    return read_as(kind, await request.body() or b"{}")


def value_of(request: AnyRequest, name: str) -> str | None:
    """A query parameter; the last one of its name, empty ones left out."""
    values = many_of(request, name)
    return values[-1] if values else None


def many_of(request: AnyRequest, name: str) -> tuple[str, ...]:
    """A query parameter that may come several times, as `name` or as `name[]`."""
    query = request.query_params
    found: list[str] = [*query.getall(name, []), *query.getall(f"{name}[]", [])]
    return tuple(value for value in found if value)


def number_of(
    request: AnyRequest, name: str, least: int, most: int, usual: int | None = None
) -> int | None:
    """A query parameter that is a number. Raises InvalidInput unless it is within bounds."""
    text = value_of(request, name)
    if text is None:
        return usual
    number = whole_number(text, least, most)
    if number is None:
        raise InvalidInput(f"`{name}` is a number from {least} to {most}.", field=name)
    return number


def choice_of(request: AnyRequest, name: str, choices: tuple[str, ...], usual: str) -> str:
    """A query parameter that is one of a few words. Raises InvalidInput."""
    text = value_of(request, name) or usual
    if text not in choices:
        raise InvalidInput(f"`{name}` is one of {', '.join(choices)}.", field=name)
    return text


def asked_page(request: AnyRequest, most: int = _LIMIT_MAX, usual: int = _LIMIT_USUAL) -> Page:
    """`limit`, `after` and `before`. Raises InvalidInput."""
    limit = number_of(request, "limit", 1, most, usual) or usual
    return Page(limit, value_of(request, "after"), value_of(request, "before"))


def cut(items: list[Item], page: Page, name_of: Callable[[Item], str]) -> tuple[list[Item], bool]:
    """The part of a list, and whether more follows. Raises InvalidInput for an unknown place."""
    names = [name_of(item) for item in items]
    try:
        begin = names.index(page.after) + 1 if page.after is not None else 0
        end = names.index(page.before) if page.before is not None else len(items)
    except ValueError:
        field = "after" if page.after is not None else "before"
        raise InvalidInput("There is no such place in the list. Begin anew.", field=field) from None
    if page.before is not None and page.after is None:
        begin = max(0, end - page.limit)
    last = min(end, begin + page.limit)
    return items[begin:last], last < len(items)


def project_id(text: str) -> ProjectId:
    """A project in a path. Raises NotFound."""
    return _identifier(lambda: parse_project(text), "project")


def key_id(text: str) -> str:
    """The public identifier of a key in a path. Raises NotFound."""
    return _identifier(lambda: parse_key(text), "API key")


def handle(prefix: str, text: str, what: str) -> bytes:
    """Any other identifier in a path. Raises NotFound."""
    return _identifier(lambda: parse_handle(prefix, text), what)


def expiry(now: Instant, seconds: int | None) -> Instant | None:
    """When something expires that is to last so long. Raises InvalidInput."""
    if seconds is None:
        return None
    if not 1 <= seconds <= _EXPIRY_MAX_S:
        raise InvalidInput(
            f"`expires_in_seconds` is from 1 to {_EXPIRY_MAX_S}.", field="expires_in_seconds"
        )
    return Instant(now + 1000 * seconds)


def asked_role(kind: type[Choice], text: str | None) -> Choice:
    """A role by its word. Raises InvalidInput, with the words that there are."""
    try:
        return kind(text)
    except ValueError:
        words = ", ".join(str(role.value) for role in kind)
        raise InvalidInput(f"`role` is one of {words}.", field="role") from None


def refuse(name: str, value: Any, why: str) -> None:
    """Refuse a parameter that this server does not know how to keep."""
    if value is not None:
        raise InvalidInput(f"`{name}` is not offered here: {why}", field=name)


def _identifier(parse: Callable[[], Identifier], what: str) -> Identifier:
    try:
        return parse()
    except ValueError:
        raise NotFound(f"There is no such {what}. List what there is.") from None
