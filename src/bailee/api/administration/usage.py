"""`/v1/organization/usage/…` and `…/costs`: counts in buckets of time.

Buckets begin at whole minutes, hours or days of UTC. What OpenAI counts and nothing here uses
(images, audio, hosted tools) is answered with empty buckets. Counts reach the rows within seconds
of a call.
"""

import base64
from collections import defaultdict
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Response, Router, get
from litestar.params import FromPath

from bailee.api.administration.asked import (
    choice_of,
    key_id,
    many_of,
    number_of,
    project_id,
    refuse,
    value_of,
)
from bailee.api.administration.session import (
    AnyRequest,
    Session,
    administration_of,
    session_of,
)
from bailee.api.administration.shapes import answer
from bailee.governance.usage.model import (
    MINUTES_PER_DAY,
    MINUTES_PER_HOUR,
    Kind,
    Total,
    Wanted,
)
from bailee.governance.usage.service import cost_usd
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import key_text, project_text

_SECONDS_MAX: Final = 1 << 40
_PAGE: Final = "page_"
_UNUSED: Final = frozenset(
    {
        *("audio_speeches", "audio_transcriptions", "code_interpreter_sessions", "decisions"),
        *("file_search_calls", "images", "vector_stores", "web_search_calls"),
    }
)
"""What OpenAI counts and nothing here uses."""
_GROUPS: Final = ("project_id", "api_key_id", "model")
_COST_GROUPS: Final = ("project_id", "api_key_id", "line_item")


class Width(NamedTuple):
    """A bucket's width, with how many are given at once."""

    minutes: int
    usual: int
    most: int


_WIDTHS: Final = {
    "1m": Width(1, 60, 1440),
    "1h": Width(MINUTES_PER_HOUR, 24, 168),
    "1d": Width(MINUTES_PER_DAY, 7, 31),
}
_COST_WIDTH: Final = Width(MINUTES_PER_DAY, 7, 180)


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """What was used from `start_time` until `end_time`, by group."""

    object: str = "bucket"
    start_time: int
    end_time: int
    results: list[dict[str, Any]]


class Buckets(msgspec.Struct, frozen=True, kw_only=True):
    """Buckets in the order of time, empty ones too."""

    object: str = "page"
    data: list[Bucket]
    has_more: bool
    next_page: str | None


class Span(NamedTuple):
    """The time that a page of buckets covers, in minutes since the epoch."""

    begin: int
    """Of the first bucket."""
    start: int
    """Not before this."""
    end: int
    limit: int
    width: int

    @property
    def last(self) -> int:
        """Where the page ends."""
        return min(self.end, self.begin + self.limit * self.width)


@get(
    "/usage/{kind:str}",
    summary="What was used",
    action="organisation.read",
)
async def get_usage(kind: FromPath[str], request: AnyRequest) -> Response[Buckets]:
    """Calls and tokens in buckets of `bucket_width` 1m, 1h or 1d.

    `group_by` takes project_id, api_key_id and model; `project_ids`, `api_key_ids` and `models`
    pick some.
    """
    session = await session_of(request)
    width = _WIDTHS[choice_of(request, "bucket_width", tuple(_WIDTHS), "1d")]
    span = _span(request, session, width)
    for name in ("user_ids", "batch"):
        refuse(name, value_of(request, name), "calls are not told apart by it.")
    groups = _groups(request, _GROUPS)
    if kind in _UNUSED:
        return answer(_buckets(span, []))
    if kind not in {known.value for known in Kind}:
        raise NotFound("There is no such usage. See the compatibility table.")
    wanted = _wanted(request, span)._replace(
        kind=Kind(kind),
        by_project="project_id" in groups,
        by_key="api_key_id" in groups,
        by_model="model" in groups,
    )
    totals = await session.usage.totals(session.tenant, wanted)
    return answer(_buckets(span, [(t.start_minute, _usage(Kind(kind), t)) for t in totals]))


@get(
    "/costs",
    summary="What it cost",
    action="organisation.read",
)
async def get_costs(request: AnyRequest) -> Response[Buckets]:
    """Costs by day, at the prices that the operator has set now; without prices they are 0.

    `group_by` takes project_id, api_key_id and line_item (a model, read or written).
    """
    session = await session_of(request)
    prices = administration_of(request).prices
    choice_of(request, "bucket_width", ("1d",), "1d")
    span = _span(request, session, _COST_WIDTH)
    groups = _groups(request, _COST_GROUPS)
    wanted = _wanted(request, span)._replace(
        by_project="project_id" in groups, by_key="api_key_id" in groups, by_model=True
    )
    sums: defaultdict[tuple[Any, ...], list[float]] = defaultdict(lambda: [0.0, 0])
    for total in await session.usage.totals(session.tenant, wanted):
        tokens = (total.input_tokens, total.output_tokens)
        for what, cost, count in zip(
            ("input_tokens", "output_tokens"), cost_usd(total, prices), tokens, strict=True
        ):
            item = f"{total.model}, {what}" if "line_item" in groups else None
            place = sums[total.start_minute, _project(total), _key(total), item]
            place[0] += cost
            place[1] += count
    items = set(many_of(request, "line_items"))
    results = [
        (minute, _cost(project, key, item, cost, int(quantity)))
        for (minute, project, key, item), (cost, quantity) in sums.items()
        if not items or item in items
    ]
    return answer(_buckets(span, results))


def _span(request: AnyRequest, session: Session, width: Width) -> Span:
    start_s = number_of(request, "start_time", 0, _SECONDS_MAX)
    if start_s is None:
        raise InvalidInput("`start_time` is needed, in Unix seconds.", field="start_time")
    now_s = session.now // 1000
    end_s = number_of(request, "end_time", 0, _SECONDS_MAX, now_s + 60) or 0
    limit = number_of(request, "limit", 1, width.most, width.usual) or width.usual
    # Nothing is used in the future: a list does not go on for ever.
    start, end = start_s // 60, min(-(-end_s // 60), now_s // 60 + 1)
    begin = start // width.minutes * width.minutes
    page = value_of(request, "page")
    if page is not None:
        begin = max(begin, _page_minute(page) // width.minutes * width.minutes)
    return Span(begin, max(start, begin), end, limit, width.minutes)


def _page_minute(page: str) -> int:
    try:
        text = base64.urlsafe_b64decode(page.removeprefix(_PAGE)).decode("ascii")
        minute = int(text)
    except ValueError:
        minute = -1
    if not 0 <= minute <= _SECONDS_MAX:
        raise InvalidInput("This is no page of such a list. Begin anew.", field="page")
    return minute


def _groups(request: AnyRequest, known: tuple[str, ...]) -> frozenset[str]:
    groups = frozenset(many_of(request, "group_by"))
    if not groups <= frozenset(known):
        raise InvalidInput(f"`group_by` takes {', '.join(known)} here.", field="group_by")
    return groups


def _wanted(request: AnyRequest, span: Span) -> Wanted:
    return Wanted(
        start_minute=span.start,
        end_minute=span.last,
        width_minutes=span.width,
        projects=tuple(project_id(text) for text in many_of(request, "project_ids")),
        public_ids=tuple(key_id(text) for text in many_of(request, "api_key_ids")),
        models=many_of(request, "models"),
    )


def _buckets(span: Span, results: list[tuple[int, dict[str, Any]]]) -> Buckets:
    by_bucket: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for minute, result in results:
        by_bucket[minute].append(result)
    has_more = span.last < span.end
    following = base64.urlsafe_b64encode(str(span.last).encode()).decode()
    return Buckets(
        data=[
            Bucket(
                start_time=60 * minute,
                end_time=60 * (minute + span.width),
                results=by_bucket[minute],
            )
            for minute in range(span.begin, span.last, span.width)
        ],
        has_more=has_more,
        next_page=_PAGE + following if has_more else None,
    )


def _usage(kind: Kind, total: Total) -> dict[str, Any]:
    result: dict[str, Any] = {
        "object": f"organization.usage.{kind.value}.result",
        "input_tokens": total.input_tokens,
        "num_model_requests": total.requests,
        "project_id": _project(total),
        "user_id": None,
        "api_key_id": _key(total),
        "model": total.model,
    }
    if kind is Kind.COMPLETIONS:
        result |= {
            "output_tokens": total.output_tokens,
            "input_cached_tokens": 0,
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
            "batch": None,
            "service_tier": None,
        }
    return result


def _cost(
    project: str | None, key: str | None, item: str | None, cost: float, quantity: int
) -> dict[str, Any]:
    return {
        "object": "organization.costs.result",
        "amount": {"value": cost, "currency": "usd"},
        "line_item": item,
        "project_id": project,
        "api_key_id": key,
        "quantity": None if item is None else quantity,
        "quantity_unit": None if item is None else "tokens",
    }


def _project(total: Total) -> str | None:
    return None if total.project is None else project_text(total.project)


def _key(total: Total) -> str | None:
    return None if total.public_id is None else key_text(total.public_id)


ROUTER = Router("/v1/organization", route_handlers=[get_usage, get_costs])
