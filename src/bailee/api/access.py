"""What every operation on kept things begins with: who calls, and what the policy says of it."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from litestar import Request

from bailee.application_state.keeping import KeptFor
from bailee.kernel.errors import InvalidInput
from bailee.kernel.numbers import whole_number
from bailee.policy.model import Decision
from bailee.serving.bearer import bearer_credential
from bailee.serving.caller import Caller

AnyRequest = Request[Any, Any, Any]
Headers = dict[str, str]
LONGEST_PAGE: Final = 100


class Admitted(NamedTuple):
    """A caller whose call the policy allows."""

    caller: Caller
    whose: KeptFor
    decision: Decision
    headers: Headers
    """What the answer says of handling and limits."""


Admit = Callable[[AnyRequest, str], Admitted]
"""Authenticates, decides and counts. `endpoint` is as in the policy's table, as in
`GET /v1/files/{id}`. Raises CallRefused."""


def shown_credential(request: AnyRequest) -> str:
    """The key that a request shows; nothing where it shows none."""
    return bearer_credential(request.headers.get("authorization")) or ""


class Paging(NamedTuple):
    """Which part of a list is asked for."""

    after: str | None
    limit: int
    descending: bool


def newest_first(request: AnyRequest, *, default: int = 20, longest: int = LONGEST_PAGE) -> Paging:
    """The parameters of a list that has one order alone. Raises InvalidInput naming one."""
    query = request.query_params
    limit = whole_number(query.get("limit", str(default)), 1, longest)
    if limit is None:
        raise InvalidInput(
            f"Invalid value for 'limit': expected an integer from 1 to {longest}.", field="limit"
        )
    return Paging(query.get("after"), limit, descending=True)


def paging(
    request: AnyRequest, *, default: int = 20, longest: int = LONGEST_PAGE, order: str = "desc"
) -> Paging:
    """The list parameters of the API. Raises InvalidInput naming the parameter."""
    order = request.query_params.get("order", order)
    if order not in ("asc", "desc"):
        raise InvalidInput("Invalid value for 'order': expected 'asc' or 'desc'.", field="order")
    asked = newest_first(request, default=default, longest=longest)
    return asked._replace(descending=order == "desc")


def list_of(data: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page, as the API writes it."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }
