"""`/bailee/v1/consents`: what owners let their data serve besides (C02).

The texts are public. Everything else wants an admin key or a signed-in person. Giving and
withdrawing answer when they hold in every gateway worker, which takes about two seconds. The
command asks the matrix for these, since it depends on the kind: to opt out asks for no more than
to stop sharing.
"""

from typing import Any

import msgspec
from litestar import Request, Response, Router, get, post

from bailee.api.administration.asked import (
    asked_page,
    body_of,
    choice_of,
    number_of,
    project_id,
    value_of,
)
from bailee.api.administration.session import AnyRequest, session_of
from bailee.api.administration.shapes import Listed, answer, listed
from bailee.governance.consent import texts
from bailee.governance.consent.events import STATEMENT
from bailee.governance.consent.model import Kind, Statement
from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import ProjectId, handle_text, project_text
from bailee.kernel.instants import Instant
from bailee.policy.show import BothLanguages

_KINDS = tuple(kind.value for kind in Kind)
_LATEST_S = 253_402_300_799


class TextView(msgspec.Struct, frozen=True, kw_only=True):
    """What is agreed to."""

    object: str = "consent.text"
    version: str
    kind: str
    digest: str
    """SHA-256 of the text's file, hexadecimal: to be sent back with an agreement."""
    title: BothLanguages
    body: BothLanguages


class StatementView(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger. Instants are Unix seconds, with milliseconds."""

    object: str = "consent"
    id: str
    kind: str
    project: str | None
    stands: bool
    valid_from: float
    valid_until: float | None
    recorded_at: float
    superseded_at: float | None
    text: str | None
    text_digest: str | None
    actor: str


class ProjectStandingView(msgspec.Struct, frozen=True, kw_only=True):
    """What stood by a project's own statement, which beats its organisation's."""

    project: str
    stands: bool
    decided_by: StatementView


class StandingView(msgspec.Struct, frozen=True, kw_only=True):
    """What stood at an instant, as it was known at another, and who said so."""

    object: str = "consent.standing"
    kind: str
    project: str | None
    stands: bool
    decided_by: StatementView | None
    projects: list[ProjectStandingView] | None
    """Every project with a statement of its own; null where one project was asked about."""


class GivenView(msgspec.Struct, frozen=True, kw_only=True):
    """What was stated, and the projects that cannot share."""

    object: str = "consent.given"
    consent: StatementView
    left_out: list[dict[str, str]]


class WithdrawnView(msgspec.Struct, frozen=True, kw_only=True):
    """What was stated, and where the receipts of what was destroyed appear in a few seconds."""

    object: str = "consent.withdrawn"
    consent: StatementView
    receipts: list[str]


class Give(msgspec.Struct, forbid_unknown_fields=True):
    """An agreement to a text."""

    text: str
    digest: str
    kind: str = Kind.SHARING.value
    project: str | None = None
    since: float | None = None


class Withdraw(msgspec.Struct, forbid_unknown_fields=True):
    """A withdrawal."""

    kind: str = Kind.SHARING.value
    project: str | None = None


@get("/text", summary="The text that consent is given to")
async def read_text(request: Request[Any, Any, Any]) -> Response[TextView]:
    """The current version in both languages. Public."""
    text = texts.current(Kind(choice_of(request, "kind", _KINDS, Kind.SHARING.value)))
    return answer(
        TextView(
            version=text.version,
            kind=text.kind.value,
            digest=text.digest.hex(),
            title=BothLanguages(*text.title),
            body=BothLanguages(*text.body),
        )
    )


@get("/", summary="The ledger of consent", action="consent.read")
async def list_consents(request: AnyRequest) -> Response[Listed[StatementView]]:
    """Every row, oldest first; with `known_at`, those that the ledger held at that instant."""
    session = await session_of(request)
    kind = value_of(request, "kind")
    chosen = None if kind is None else Kind(choice_of(request, "kind", _KINDS, kind))
    rows = await session.consents.ledger(
        session.tenant, chosen, _instant(number_of(request, "known_at", 0, _LATEST_S))
    )
    project = _project(value_of(request, "project"))
    found = [row for row in rows if project is None or row.project in (None, project)]
    return listed(found, asked_page(request), _name, _view)


@get("/standing", summary="Whether consent stood", action="consent.read")
async def read_standing(request: AnyRequest) -> Response[StandingView]:
    """Whether it stood at `as_of`, as known at `known_at`; both are now by default."""
    session = await session_of(request)
    kind = Kind(choice_of(request, "kind", _KINDS, Kind.SHARING.value))
    project = _project(value_of(request, "project"))
    at, known = (
        _instant(number_of(request, "as_of", 0, _LATEST_S)),
        _instant(number_of(request, "known_at", 0, _LATEST_S)),
    )
    row = await session.consents.stood(session.tenant, project, kind, at, known)
    own = (
        None
        if project is not None
        else await session.consents.spoken(session.tenant, kind, at, known)
    )
    return answer(
        StandingView(
            kind=kind.value,
            project=None if project is None else project_text(project),
            stands=row is not None and row.stands,
            decided_by=None if row is None else _view(row),
            projects=None
            if own is None
            else [
                ProjectStandingView(
                    project=project_text(one), stands=said.stands, decided_by=_view(said)
                )
                for one, said in own.items()
            ],
        )
    )


@post("/", status_code=200, summary="Give consent")
async def give_consent(request: AnyRequest) -> Response[GivenView]:
    """Agree to the current text, for the organisation or one project."""
    session = await session_of(request)
    asked = await body_of(request, Give)
    try:
        digest = bytes.fromhex(asked.digest)
    except ValueError:
        raise InvalidInput(
            "`digest` is hexadecimal, as the text came with it.", field="digest"
        ) from None
    since = None if asked.since is None else _milliseconds(asked.since, "since")
    given = await session.consents.give(
        session.tenant, _project(asked.project), _kind(asked.kind), asked.text, digest, since
    )
    return answer(
        GivenView(
            consent=_view(given.statement),
            left_out=[
                {"project": project_text(one.project), "why": one.refusal or ""}
                for one in given.left_out
            ],
        )
    )


@post("/withdraw", status_code=200, summary="Withdraw consent")
async def withdraw_consent(request: AnyRequest) -> Response[WithdrawnView]:
    """Stop sharing, and destroy the key to what was shared."""
    session = await session_of(request)
    asked = await body_of(request, Withdraw)
    withdrawn = await session.consents.withdraw(
        session.tenant, _project(asked.project), _kind(asked.kind)
    )
    receipts = [f"/log/receipts/{subject}.json" for subject in withdrawn.destroyed]
    return answer(WithdrawnView(consent=_view(withdrawn.statement), receipts=receipts))


def _kind(text: str) -> Kind:
    if text not in _KINDS:
        raise InvalidInput(f"`kind` is one of {', '.join(_KINDS)}.", field="kind")
    return Kind(text)


def _project(text: str | None) -> ProjectId | None:
    return None if text is None else project_id(text)


def _instant(seconds: int | None) -> Instant | None:
    return None if seconds is None else Instant(seconds * 1000)


def _milliseconds(seconds: float, name: str) -> Instant:
    if not 0 <= seconds <= _LATEST_S:
        raise InvalidInput(f"`{name}` is in Unix seconds.", field=name)
    return Instant(round(seconds * 1000))


def _name(row: Statement) -> str:
    return handle_text(STATEMENT, row.statement)


def _view(row: Statement) -> StatementView:
    return StatementView(
        id=_name(row),
        kind=row.kind.value,
        project=None if row.project is None else project_text(row.project),
        stands=row.stands,
        valid_from=row.valid_from / 1000,
        valid_until=None if row.valid_until is None else row.valid_until / 1000,
        recorded_at=row.recorded_at / 1000,
        superseded_at=None if row.superseded_at is None else row.superseded_at / 1000,
        text=row.text,
        text_digest=None if row.text_digest is None else row.text_digest.hex(),
        actor=row.actor,
    )


ROUTER = Router(
    "/bailee/v1/consents",
    route_handlers=[read_text, list_consents, read_standing, give_consent, withdraw_consent],
)
