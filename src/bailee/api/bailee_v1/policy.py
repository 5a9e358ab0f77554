"""`/bailee/v1/policy`: published versions (public), drafts, their differences, their publication.

`versions` is the feed that customers follow: what is published is there before it takes effect.
`/bailee/v1/policy/explain` is in `api.operations`, since API keys ask it. Texts of drafts are TOML,
as docs/policy.md describes them.
"""

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import body_of, handle, value_of
from bailee.api.administration.session import AnyRequest, administration_of, session_of
from bailee.api.administration.shapes import (
    Listed,
    answer,
    seconds,
    seconds_or_none,
    whole,
)
from bailee.governance.decisions.model import KEPT_DAYS
from bailee.governance.policy_drafts.model import DRAFT, Draft, Published, Reviewed
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import handle_text
from bailee.policy.difference import Difference
from bailee.policy.drafting import DraftTexts, notice, packaged_rules
from bailee.policy.history import PolicyHistory, PolicyVersion
from bailee.policy.reading import Problem
from bailee.policy.show import BothLanguages, ShownVersion, digest, show
from bailee.policy.simulation import Simulation


class WrittenDraft(msgspec.Struct, forbid_unknown_fields=True):
    """The texts of a draft, TOML."""

    version: str
    endpoints: str | None = None


class ApprovedDigest(msgspec.Struct, forbid_unknown_fields=True):
    """Which text an approval is for."""

    digest: str


class SimulatedDays(msgspec.Struct, forbid_unknown_fields=True):
    """How far back decisions are replayed."""

    days: int = KEPT_DAYS


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """A published version, in short."""

    object: str = "bailee.policy_version"
    id: str
    service: str
    effective_at: int
    superseded_at: int | None
    published_at: int | None
    """Null for what ships with Bailee."""
    digest: str
    """SHA-256 in hexadecimal, as the log's `policy_published` has it."""
    summary: BothLanguages
    notice: BothLanguages | None
    """What customers were told; null for what ships with Bailee."""


class ProblemView(msgspec.Struct, frozen=True, kw_only=True):
    """Something wrong with a draft, where, and what is allowed."""

    file: str
    key: str
    message: str


class ApprovalView(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word for a draft."""

    by: str
    approved_at: int


class DraftView(msgspec.Struct, frozen=True, kw_only=True):
    """A draft. `problems` is null in lists; `version` and `endpoints` too."""

    object: str = "bailee.policy_draft"
    id: str
    policy_version: str
    service: str
    state: str
    author: str
    created_at: int
    written_at: int
    effective_at: int | None
    digest: str | None
    approvals: list[ApprovalView]
    approvals_needed: int
    problems: list[ProblemView] | None
    version: str | None
    endpoints: str | None


class LintView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is wrong with a text."""

    object: str = "bailee.policy_lint"
    clean: bool
    problems: list[ProblemView]


@get("/versions", summary="Published versions of the policy")
async def list_versions(request: AnyRequest) -> Response[Listed[VersionView]]:
    """Every version of every service's policy, with what is not yet in force; newest first."""
    service = value_of(request, "service")
    drafts = administration_of(request).public().policy_drafts
    rows = {row.version: row for row in await drafts.published()}
    policies = await drafts.policies()
    views = [
        _version(policies, version, rows.get(version.id))
        for policy in policies.services.values()
        for version in policy.versions
        if service is None or version.service == service
    ]
    views.sort(key=lambda view: view.effective_at, reverse=True)
    return answer(whole(views, [view.id for view in views], False))


@get("/versions/{version:str}", summary="A version of the policy in full")
async def read_version(version: FromPath[str], request: AnyRequest) -> Response[ShownVersion]:
    """Every clause as it reads, and what each endpoint keeps."""
    policies = await administration_of(request).public().policy_drafts.policies()
    return answer(show(policies, version))


@post(
    "/lint",
    status_code=200,
    summary="Check a version of the policy",
    action="policy.read",
    every_organisation=True,
)
async def lint(request: AnyRequest) -> Response[LintView]:
    """Everything that is wrong with a text, as if it were drafted now; nothing is kept."""
    session = await session_of(request)
    asked = await body_of(request, WrittenDraft)
    problems = await session.policy_drafts.lint(DraftTexts(asked.version, asked.endpoints))
    return answer(LintView(clean=not problems, problems=_problems(problems)))


@get("/drafts", summary="Drafts of the policy", action="policy.read", every_organisation=True)
async def list_drafts(request: AnyRequest) -> Response[Listed[DraftView]]:
    """All drafts, newest first."""
    session = await session_of(request)
    views = [_draft(row) for row in await session.policy_drafts.all()]
    return answer(whole(views, [view.id for view in views], False))


@post(
    "/drafts",
    status_code=200,
    summary="Begin a draft",
    action="policy.draft",
    every_organisation=True,
)
async def begin_draft(request: AnyRequest) -> Response[DraftView]:
    """Keep a text as a draft, whatever is wrong with it; the answer names all of that."""
    session = await session_of(request)
    asked = await body_of(request, WrittenDraft)
    texts = DraftTexts(asked.version, asked.endpoints)
    return answer(_reviewed(await session.policy_drafts.write(texts)))


@get("/drafts/{draft:str}", summary="A draft", action="policy.read", every_organisation=True)
async def read_draft(draft: FromPath[str], request: AnyRequest) -> Response[DraftView]:
    """A draft with its text and everything that is wrong with it now."""
    session = await session_of(request)
    return answer(_reviewed(await session.policy_drafts.one(_identifier(draft))))


@post(
    "/drafts/{draft:str}",
    status_code=200,
    summary="Rewrite a draft",
    action="policy.draft",
    every_organisation=True,
)
async def rewrite_draft(draft: FromPath[str], request: AnyRequest) -> Response[DraftView]:
    """Replace the text of one's own draft; approvals lapse."""
    session = await session_of(request)
    asked = await body_of(request, WrittenDraft)
    texts = DraftTexts(asked.version, asked.endpoints)
    return answer(_reviewed(await session.policy_drafts.write(texts, _identifier(draft))))


@delete(
    "/drafts/{draft:str}",
    status_code=200,
    summary="Withdraw a draft",
    action="policy.draft",
    every_organisation=True,
)
async def withdraw_draft(draft: FromPath[str], request: AnyRequest) -> Response[DraftView]:
    """End a draft that is not published."""
    session = await session_of(request)
    return answer(_draft(await session.policy_drafts.withdraw(_identifier(draft))))


@get(
    "/drafts/{draft:str}/difference",
    summary="What a draft changes",
    action="policy.read",
    every_organisation=True,
)
async def read_difference(draft: FromPath[str], request: AnyRequest) -> Response[Difference]:
    """What changes for whom, from when: texts, parameters, endpoints, decisions."""
    session = await session_of(request)
    return answer(await session.policy_drafts.difference(_identifier(draft)))


@post(
    "/drafts/{draft:str}/simulation",
    status_code=200,
    summary="Replay decisions under a draft",
    action="policy.read",
    every_organisation=True,
)
async def simulate_draft(draft: FromPath[str], request: AnyRequest) -> Response[Simulation]:
    """What would have been otherwise in the last days: how many calls, of how many projects."""
    session = await session_of(request)
    asked = await body_of(request, SimulatedDays)
    if not 1 <= asked.days <= KEPT_DAYS:
        raise InvalidInput(f"Counts are kept for {KEPT_DAYS} days.", field="days")
    return answer(await session.policy_drafts.simulate(_identifier(draft), asked.days))


@post(
    "/drafts/{draft:str}/submit",
    status_code=200,
    summary="Ask for approvals",
    action="policy.draft",
    every_organisation=True,
)
async def submit_draft(draft: FromPath[str], request: AnyRequest) -> Response[DraftView]:
    """Put one's own draft up for approval; nothing may be wrong with it."""
    session = await session_of(request)
    return answer(_draft(await session.policy_drafts.submit(_identifier(draft))))


@post(
    "/drafts/{draft:str}/approvals",
    status_code=200,
    summary="Approve a draft",
    action="policy.approve",
    every_organisation=True,
)
async def approve_draft(draft: FromPath[str], request: AnyRequest) -> Response[DraftView]:
    """Give one's word for somebody else's draft, as it was read."""
    session = await session_of(request)
    asked = await body_of(request, ApprovedDigest)
    try:
        read = bytes.fromhex(asked.digest)
    except ValueError:
        raise InvalidInput(
            "A digest is hexadecimal, as the draft has it.", field="digest"
        ) from None
    return answer(_draft(await session.policy_drafts.approve(_identifier(draft), read)))


@post(
    "/drafts/{draft:str}/publish",
    status_code=200,
    summary="Publish a draft",
    action="policy.publish",
    every_organisation=True,
)
async def publish_draft(draft: FromPath[str], request: AnyRequest) -> Response[VersionView]:
    """Publish an approved draft; it holds everywhere from its instant on."""
    session = await session_of(request)
    row = await session.policy_drafts.publish(_identifier(draft))
    policies = await session.policy_drafts.policies()
    version = policies.version(row.version)
    assert version is not None  # noqa: S101  # it was published just now
    return answer(_version(policies, version, row))


def _identifier(draft: str) -> bytes:
    return handle(DRAFT, draft, "draft")


def _version(policies: PolicyHistory, version: PolicyVersion, row: Published | None) -> VersionView:
    later = [
        other.effective
        for other in policies.services[version.service].versions
        if other.effective > version.effective
    ]
    said = None if row is None else notice(version.id, version.service, version.effective)
    return VersionView(
        id=version.id,
        service=version.service,
        effective_at=seconds(version.effective),
        superseded_at=seconds(min(later)) if later else None,
        published_at=None if row is None else seconds(row.published_at),
        digest=digest(version).hex(),
        summary=BothLanguages(version.summary.english, version.summary.korean),
        notice=None if said is None else BothLanguages(said.english, said.korean),
    )


def _problems(problems: list[Problem]) -> list[ProblemView]:
    return [ProblemView(file=one.file, key=one.key, message=one.message) for one in problems]


def _reviewed(reviewed: Reviewed) -> DraftView:
    view = _draft(reviewed.draft)
    return msgspec.structs.replace(
        view,
        problems=_problems(reviewed.problems),
        version=reviewed.draft.texts.version,
        endpoints=reviewed.draft.texts.endpoints,
    )


def _draft(row: Draft) -> DraftView:
    return DraftView(
        id=handle_text(DRAFT, row.draft),
        policy_version=row.version,
        service=row.service,
        state=row.state.value,
        author=row.author,
        created_at=seconds(row.created_at),
        written_at=seconds(row.written_at),
        effective_at=seconds_or_none(row.effective),
        digest=None if row.digest is None else row.digest.hex(),
        approvals=[
            ApprovalView(by=one.actor, approved_at=seconds(one.approved_at))
            for one in row.approvals
        ],
        approvals_needed=packaged_rules().approvers,
        problems=None,
        version=None,
        endpoints=None,
    )


ROUTER = Router(
    "/bailee/v1/policy",
    route_handlers=[
        list_versions,
        read_version,
        lint,
        list_drafts,
        begin_draft,
        read_draft,
        rewrite_draft,
        withdraw_draft,
        read_difference,
        simulate_draft,
        submit_draft,
        approve_draft,
        publish_draft,
    ],
)
