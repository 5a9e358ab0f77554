"""`/bailee/v1/zero_retention`: applications for zero retention and modified monitoring."""

from collections.abc import Mapping
from typing import Final

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import (
    asked_page,
    body_of,
    choice_of,
    handle,
    project_id,
    value_of,
)
from bailee.api.administration.session import AnyRequest, Session, session_of
from bailee.api.administration.shapes import Listed, answer, listed, seconds_or_none
from bailee.governance.zero_retention.assessment import Rule, packaged_rules
from bailee.governance.zero_retention.model import APPLICATION, Application, Assessment, State
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import handle_text, project_text, tenant_text
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode

_SECONDS_MAX: Final = 1 << 40
_STATES: Final = tuple(state.value for state in State)


class Apply(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked for. `submit: false` keeps it as a draft."""

    mode: str
    category: str
    use_case: str
    project_id: str | None = None
    submit: bool = True


class Decide(msgspec.Struct, forbid_unknown_fields=True):
    """What was decided, and why. Instants in Unix seconds, for approvals alone."""

    approve: bool
    reasons: str
    since: int | None = None
    review_at: int | None = None


class Review(msgspec.Struct, forbid_unknown_fields=True):
    """When the next review is; left out: in a year."""

    review_at: int | None = None


class Revoke(msgspec.Struct, forbid_unknown_fields=True):
    """Why."""

    reasons: str


class ReasonView(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that was looked at, and what it contributes."""

    fact: str
    value: str
    points: int
    english: str
    korean: str


class AssessmentView(msgspec.Struct, frozen=True, kw_only=True):
    """How likely misuse is, by the listed facts and no others. It decides nothing."""

    object: str = "bailee.zero_retention.assessment"
    rules: str
    likelihood: str
    points: int
    reasons: list[ReasonView]


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """One rule: what a fact counts, if it is so (`id`)."""

    id: str
    points: int
    english: str
    korean: str


class RulesView(msgspec.Struct, frozen=True, kw_only=True):
    """What applications are assessed by."""

    object: str = "bailee.zero_retention.rules"
    version: str
    medium: int
    high: int
    account_age: list[RuleView]
    verified_domain: list[RuleView]
    flags: list[RuleView]
    categories: list[RuleView]


class ApplicationView(msgspec.Struct, frozen=True, kw_only=True):
    """An application. Who did something is named as in the audit log."""

    id: str
    object: str = "bailee.zero_retention.application"
    organization_id: str
    project_id: str | None
    mode: str
    category: str
    use_case: str
    state: str
    mode_in_force: str | None
    """What holds now where it is for; null in lists. A stricter one than `mode` stays."""
    created_at: int | None
    created_by: str
    submitted_at: int | None
    submitted_by: str | None
    assessment: AssessmentView | None
    decided_at: int | None
    decided_by: str | None
    reasons: str | None
    since: int | None
    active_at: int | None
    review_at: int | None
    reviewed_at: int | None
    reviewed_by: str | None
    revoked_at: int | None
    revoked_by: str | None
    revocation_reasons: str | None
    withdrawn_at: int | None
    withdrawn_by: str | None


@get("/rules", summary="What applications are assessed by")
async def read_rules() -> Response[RulesView]:
    """Every rule with its points, and from how many misuse counts as likelier. Public."""
    rules = packaged_rules()
    return answer(
        RulesView(
            version=rules.version,
            medium=rules.medium,
            high=rules.high,
            account_age=[
                _rule(
                    "otherwise" if age.below_days is None else f"below_{age.below_days}_days",
                    age.rule,
                )
                for age in rules.account_age
            ],
            verified_domain=_rules(rules.verified_domain),
            flags=_rules(rules.flags),
            categories=_rules(rules.categories),
        )
    )


def _rules(rules: Mapping[str, Rule]) -> list[RuleView]:
    return [_rule(name, rule) for name, rule in rules.items()]


def _rule(name: str, rule: Rule) -> RuleView:
    return RuleView(id=name, points=rule.points, english=rule.english, korean=rule.korean)


@get(
    "/assessment", summary="What an application would be assessed as", action="zero_retention.read"
)
async def read_assessment(request: AnyRequest) -> Response[AssessmentView]:
    """Every fact that is looked at, as it is now, for a `category` of use."""
    session = await session_of(request)
    category = value_of(request, "category") or ""
    found = await session.zero_retention.assessment(session.tenant, category)
    return answer(_assessment(found))


@get("/applications", summary="List applications", action="zero_retention.read")
async def list_applications(request: AnyRequest) -> Response[Listed[ApplicationView]]:
    """The organisation's applications, oldest first; with `state`, those in that state."""
    session = await session_of(request)
    state = choice_of(request, "state", _STATES, "") if value_of(request, "state") else None
    found = [
        row
        for row in await session.zero_retention.all(session.tenant)
        if state is None or row.state(session.now).value == state
    ]
    return listed(found, asked_page(request), _name, lambda row: _view(row, session.now))


@post("/applications", status_code=200, summary="Apply", action="zero_retention.apply")
async def apply(request: AnyRequest) -> Response[ApplicationView]:
    """Apply for a mode, for a project or for the whole organisation. It is assessed at once.

    Without an executed enterprise agreement: 403, and it is kept as the draft that this names.
    """
    session = await session_of(request)
    asked = await body_of(request, Apply)
    try:
        mode = RetentionMode(asked.mode)
    except ValueError:
        mode = RetentionMode.DEFAULT  # refused below, with what there is
    row = await session.zero_retention.apply(
        session.tenant,
        None if asked.project_id is None else project_id(asked.project_id),
        mode,
        asked.category,
        asked.use_case,
        submit=asked.submit,
    )
    return await _told(session, row)


@get(
    "/applications/due",
    summary="Approvals of all organisations that are due for review",
    action="zero_retention.read",
    every_organisation=True,
)
async def list_due(request: AnyRequest) -> Response[Listed[ApplicationView]]:
    """For the house: approvals whose review date has passed. They stay in force."""
    session = await session_of(request)
    found = await session.zero_retention.everywhere((State.DUE_FOR_REVIEW,))
    return listed(found, asked_page(request), _name, lambda row: _view(row, session.now))


@get(
    "/applications/undecided",
    summary="Applications of all organisations to be decided",
    action="zero_retention.read",
    every_organisation=True,
)
async def list_undecided(request: AnyRequest) -> Response[Listed[ApplicationView]]:
    """For the house: applications that are assessed and wait for a decision."""
    session = await session_of(request)
    found = await session.zero_retention.everywhere((State.ASSESSED,))
    return listed(found, asked_page(request), _name, lambda row: _view(row, session.now))


@get("/applications/{application:str}", summary="An application", action="zero_retention.read")
async def get_application(
    application: FromPath[str], request: AnyRequest
) -> Response[ApplicationView]:
    """One application, with all that has happened to it."""
    session = await session_of(request)
    found = await session.zero_retention.one(session.tenant, _identifier(application))
    return await _told(session, found)


@post(
    "/applications/{application:str}/submission",
    status_code=200,
    summary="Submit a draft",
    action="zero_retention.apply",
)
async def submit(application: FromPath[str], request: AnyRequest) -> Response[ApplicationView]:
    """Submit a draft; it is assessed at once."""
    session = await session_of(request)
    row = await session.zero_retention.submit(session.tenant, _identifier(application))
    return await _told(session, row)


@post(
    "/applications/{application:str}/withdrawal",
    status_code=200,
    summary="Withdraw an application",
    action="zero_retention.apply",
)
async def withdraw(application: FromPath[str], request: AnyRequest) -> Response[ApplicationView]:
    """Withdraw an application that is not decided: nobody will decide it. It stays listed."""
    session = await session_of(request)
    row = await session.zero_retention.withdraw(session.tenant, _identifier(application))
    return await _told(session, row)


@post(
    "/applications/{application:str}/decision",
    status_code=200,
    summary="Decide an application",
    action="zero_retention.decide",
)
async def decide(application: FromPath[str], request: AnyRequest) -> Response[ApplicationView]:
    """Approve or decline; an approval that begins now is in force everywhere on return.

    A stricter mode that is in force (`mode_in_force`) stays, and the approval permits its own.
    """
    session = await session_of(request)
    asked = await body_of(request, Decide)
    identifier, nouns = _identifier(application), session.zero_retention
    since, review_at = _instant("since", asked.since), _instant("review_at", asked.review_at)
    if asked.approve:
        row = await nouns.approve(
            session.tenant, identifier, asked.reasons, since=since, review_at=review_at
        )
    elif since is not None or review_at is not None:
        raise InvalidInput("What is declined has no dates.", field="since")
    else:
        row = await nouns.decline(session.tenant, identifier, asked.reasons)
    return await _told(session, row)


@post(
    "/applications/{application:str}/review",
    status_code=200,
    summary="Let an approval go on",
    action="zero_retention.decide",
)
async def review(application: FromPath[str], request: AnyRequest) -> Response[ApplicationView]:
    """Review a standing approval: it goes on until the next review."""
    session = await session_of(request)
    asked = await body_of(request, Review)
    row = await session.zero_retention.review(
        session.tenant, _identifier(application), _instant("review_at", asked.review_at)
    )
    return await _told(session, row)


@post(
    "/applications/{application:str}/revocation",
    status_code=200,
    summary="Revoke an approval",
    action="zero_retention.revoke",
)
async def revoke(application: FromPath[str], request: AnyRequest) -> Response[ApplicationView]:
    """End an approval, and every mode that needed it; it holds everywhere on return.

    The strictest mode comes instead that other approvals still permit, and else the default.
    """
    session = await session_of(request)
    asked = await body_of(request, Revoke)
    row = await session.zero_retention.revoke(
        session.tenant, _identifier(application), asked.reasons
    )
    return await _told(session, row)


def _identifier(text: str) -> bytes:
    return handle(APPLICATION, text, "application")


def _name(row: Application) -> str:
    return handle_text(APPLICATION, row.application)


def _instant(name: str, seconds: int | None) -> Instant | None:
    if seconds is None:
        return None
    if not 0 <= seconds <= _SECONDS_MAX:
        raise InvalidInput(f"`{name}` is an instant in Unix seconds.", field=name)
    return Instant(1000 * seconds)


def _assessment(found: Assessment) -> AssessmentView:
    return AssessmentView(
        rules=found.rules,
        likelihood=found.likelihood.value,
        points=found.points,
        reasons=[ReasonView(**reason._asdict()) for reason in found.reasons],
    )


async def _told(session: Session, row: Application) -> Response[ApplicationView]:
    return answer(_view(row, session.now, await session.zero_retention.in_force(row)))


def _view(row: Application, now: Instant, in_force: RetentionMode | None = None) -> ApplicationView:
    return ApplicationView(
        id=_name(row),
        organization_id=tenant_text(row.tenant),
        project_id=None if row.project is None else project_text(row.project),
        mode=row.mode.value,
        category=row.category,
        use_case=row.use_case,
        state=row.state(now).value,
        mode_in_force=None if in_force is None else in_force.value,
        created_at=seconds_or_none(row.created_at),
        created_by=row.created_by,
        submitted_at=seconds_or_none(row.submitted_at),
        submitted_by=row.submitted_by,
        assessment=None if row.assessment is None else _assessment(row.assessment),
        decided_at=seconds_or_none(row.decided_at),
        decided_by=row.decided_by,
        reasons=row.reasons,
        since=seconds_or_none(row.since),
        active_at=seconds_or_none(row.active_at),
        review_at=seconds_or_none(row.review_at),
        reviewed_at=seconds_or_none(row.reviewed_at),
        reviewed_by=row.reviewed_by,
        revoked_at=seconds_or_none(row.revoked_at),
        revoked_by=row.revoked_by,
        revocation_reasons=row.revocation_reasons,
        withdrawn_at=seconds_or_none(row.withdrawn_at),
        withdrawn_by=row.withdrawn_by,
    )


ROUTER = Router(
    "/bailee/v1/zero_retention",
    route_handlers=[
        *(read_rules, read_assessment, list_applications, apply, list_due, list_undecided),
        *(get_application, submit, withdraw, decide, review, revoke),
    ],
)
