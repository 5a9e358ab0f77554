"""`/bailee/v1/agreements`: texts, forms, review, signatures, documents, protected projects.

Everything needs an admin key or a signed-in person; what each may, the matrix says. An agreement is
shown with its form to whoever may read it, and to nobody else.
"""

from typing import Final, Literal

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import asked_page, body_of, handle, project_id
from bailee.api.administration.session import AnyRequest, Session, session_of
from bailee.api.administration.shapes import (
    NEVER_CACHED,
    Listed,
    answer,
    listed,
    seconds,
    seconds_or_none,
    whole,
)
from bailee.governance.agreements import model
from bailee.governance.agreements.events import AGREEMENT
from bailee.governance.agreements.model import Kind, Language
from bailee.governance.agreements.templates import Both
from bailee.governance.agreements.versions import Offered, Outstanding
from bailee.kernel.errors import NotFound
from bailee.kernel.ids import handle_text, project_text, tenant_text

KindName = Literal[
    "enterprise_agreement", "data_processing_addendum", "business_associate_agreement"
]
_KINDS: Final = frozenset(kind.value for kind in Kind)


class BeginAgreement(msgspec.Struct, forbid_unknown_fields=True):
    """Which agreement, in which language, with what its form says so far."""

    kind: KindName
    language: Literal["english", "korean"] = "english"
    form: dict[str, str] = {}
    submit: bool = False


class FillAgreement(msgspec.Struct, forbid_unknown_fields=True):
    """Fields of the form, and the language; an empty value empties a field."""

    form: dict[str, str]
    language: Literal["english", "korean"] | None = None
    """In which it is to be signed; absent or null: as it was."""


class ReviewAgreement(msgspec.Struct, forbid_unknown_fields=True):
    """What becomes of a submitted agreement; reasons with every decision."""

    decision: Literal["begin", "accept", "decline"]
    reasons: str = ""


class CountersignAgreement(msgspec.Struct, forbid_unknown_fields=True):
    """Who signs for the operator."""

    name: str
    title: str


class TerminateAgreement(msgspec.Struct, forbid_unknown_fields=True):
    """Why it ends."""

    reasons: str


class PublishVersion(msgspec.Struct, forbid_unknown_fields=True):
    """Which text is to be in force."""

    kind: KindName
    version: str


class BothView(msgspec.Struct, frozen=True, kw_only=True):
    """The same words in both languages; English governs."""

    english: str
    korean: str


class FieldView(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a form."""

    name: str
    type: str
    required: bool
    max_characters: int
    choices: list[str]
    label: BothView


class SectionView(msgspec.Struct, frozen=True, kw_only=True):
    """A section of a text."""

    title: BothView
    text: BothView

    def __repr__(self) -> str:
        return "<SectionView>"


class TemplateView(msgspec.Struct, frozen=True, kw_only=True):
    """The text in force of one kind of agreement."""

    object: str = "bailee.agreement.template"
    kind: str
    version: str
    title: BothView
    sha256: str
    reviewed: bool
    countersigned_by: str
    requires: list[str]
    newer_text_notice_days: int
    """How long an older text stays in force once this one is published."""
    termination_notice_days: int
    """How long an executed one stays in force after notice of its termination."""
    published_at: int | None
    fields: list[FieldView]
    sections: list[SectionView]


class SignatureView(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed."""

    name: str
    title: str
    actor: str
    at: int


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """Who decided, and why."""

    actor: str
    at: int
    reasons: str


class AgreementView(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement."""

    object: str = "bailee.agreement"
    id: str
    organization: str
    kind: str
    version: str
    language: str
    status: str
    in_force: bool
    created_at: int
    submitted_at: int | None
    executed_at: int | None
    in_force_until: int | None
    document_sha256: str | None
    form: dict[str, str]
    reviewed: DecisionView | None
    signature: SignatureView | None
    countersignature: SignatureView | None
    ended: DecisionView | None


class OutstandingView(msgspec.Struct, frozen=True, kw_only=True):
    """An executed agreement that is to be executed anew."""

    object: str = "bailee.agreement.outstanding"
    agreement: str
    organization: str
    version: str
    in_force_until: int


class ProtectedView(msgspec.Struct, frozen=True, kw_only=True):
    """That a project is protected."""

    object: str = "bailee.agreement.protected_project"
    project: str
    protected_health: bool = True


@get("/templates", summary="Texts that can be agreed to", action="agreement.read")
async def list_templates(request: AnyRequest) -> Response[Listed[TemplateView]]:
    """The text in force of each kind, in both languages, with the fields of its form."""
    session = await session_of(request)
    found = await session.agreements.offered(session.tenant)
    names = [one.template.kind.value for one in found]
    return answer(whole([_template(one) for one in found], names, has_more=False))


@post(
    "/templates/publish",
    status_code=200,
    summary="Publish a newer text",
    action="agreement.publish",
    every_organisation=True,
)
async def publish_template(request: AnyRequest) -> Response[Listed[OutstandingView]]:
    """Put a newer text in force; gives who is to execute it anew, and until when."""
    session = await session_of(request)
    asked = await body_of(request, PublishVersion)
    due = await session.agreement_versions.publish(Kind(asked.kind), asked.version)
    return _outstanding(due)


@get(
    "/templates/{kind:str}/outstanding",
    summary="Who is to execute a newer text",
    action="agreement.review",
    every_organisation=True,
)
async def list_outstanding(
    kind: FromPath[str], request: AnyRequest
) -> Response[Listed[OutstandingView]]:
    """Everybody's executed agreements of versions older than the one in force."""
    session = await session_of(request)
    if kind not in _KINDS:
        raise NotFound("There is no such kind of agreement. List the templates.")
    return _outstanding(await session.agreement_versions.outstanding(Kind(kind)))


@get(
    "/waiting",
    summary="What waits for the operator",
    action="agreement.review",
    every_organisation=True,
)
async def list_waiting(request: AnyRequest) -> Response[Listed[AgreementView]]:
    """Everybody's agreements that wait for review or a counter-signature, oldest first."""
    session = await session_of(request)
    found = await session.agreements.waiting()
    return listed(found, asked_page(request), _name, lambda row: _view(row, session))


@get("/", summary="List agreements", action="agreement.read")
async def list_agreements(request: AnyRequest) -> Response[Listed[AgreementView]]:
    """The organisation's agreements, newest first."""
    session = await session_of(request)
    found = await session.agreements.all(session.tenant)
    found.reverse()
    return listed(found, asked_page(request), _name, lambda row: _view(row, session))


@post("/", status_code=200, summary="Begin an agreement", action="agreement.request")
async def begin_agreement(request: AnyRequest) -> Response[AgreementView]:
    """Begin a draft; with `submit` hand it in at once, in one call.

    A data processing addendum that an owner hands in is signed with it.
    """
    session = await session_of(request)
    asked = await body_of(request, BeginAgreement)
    row = await session.agreements.draft(
        session.tenant, Kind(asked.kind), Language(asked.language), asked.form, submit=asked.submit
    )
    return answer(_view(row, session))


@get("/{agreement:str}", summary="An agreement", action="agreement.read")
async def get_agreement(agreement: FromPath[str], request: AnyRequest) -> Response[AgreementView]:
    """One agreement, with its form."""
    session = await session_of(request)
    return answer(_view(await session.agreements.one(session.tenant, _id(agreement)), session))


@post("/{agreement:str}", status_code=200, summary="Fill in a form", action="agreement.request")
async def fill_agreement(agreement: FromPath[str], request: AnyRequest) -> Response[AgreementView]:
    """Change fields of a draft's form, or in which language it is to be signed."""
    session = await session_of(request)
    asked = await body_of(request, FillAgreement)
    language = None if asked.language is None else Language(asked.language)
    row = await session.agreements.fill(session.tenant, _id(agreement), asked.form, language)
    return answer(_view(row, session))


@post(
    "/{agreement:str}/submit",
    status_code=200,
    summary="Submit an agreement",
    action="agreement.request",
)
async def submit_agreement(
    agreement: FromPath[str], request: AnyRequest
) -> Response[AgreementView]:
    """Hand a completed form in; what nobody reviews is signed with it by an owner."""
    session = await session_of(request)
    row = await session.agreements.submit(session.tenant, _id(agreement))
    return answer(_view(row, session))


@post(
    "/{agreement:str}/review",
    status_code=200,
    summary="Review an agreement",
    action="agreement.review",
)
async def review_agreement(
    agreement: FromPath[str], request: AnyRequest
) -> Response[AgreementView]:
    """Begin to assess it, accept it or decline it, with reasons."""
    session = await session_of(request)
    asked = await body_of(request, ReviewAgreement)
    named, tenant, agreements = _id(agreement), session.tenant, session.agreements
    if asked.decision == "begin":
        row = await agreements.begin_review(tenant, named)
    elif asked.decision == "accept":
        row = await agreements.accept(tenant, named, asked.reasons)
    else:
        row = await agreements.decline(tenant, named, asked.reasons)
    return answer(_view(row, session))


@post(
    "/{agreement:str}/sign", status_code=200, summary="Sign an agreement", action="agreement.sign"
)
async def sign_agreement(agreement: FromPath[str], request: AnyRequest) -> Response[AgreementView]:
    """Sign for the organisation, under the name that the form gives."""
    session = await session_of(request)
    row = await session.agreements.sign(session.tenant, _id(agreement))
    return answer(_view(row, session))


@post(
    "/{agreement:str}/countersign",
    status_code=200,
    summary="Counter-sign an agreement",
    action="agreement.countersign",
)
async def countersign_agreement(
    agreement: FromPath[str], request: AnyRequest
) -> Response[AgreementView]:
    """Sign for the operator; its document follows within seconds."""
    session = await session_of(request)
    asked = await body_of(request, CountersignAgreement)
    row = await session.agreements.countersign(
        session.tenant, _id(agreement), asked.name, asked.title
    )
    return answer(_view(row, session))


@post("/{agreement:str}/terminate", status_code=200, summary="Terminate an agreement")
async def terminate_agreement(
    agreement: FromPath[str], request: AnyRequest
) -> Response[AgreementView]:
    """Give up preparing an agreement, or give notice that an executed one ends.

    An executed one is in force (`in_force_until`) for the `termination_notice_days` of its text
    more; `ended` says who gave notice and why.
    """
    session = await session_of(request)
    asked = await body_of(request, TerminateAgreement)
    row = await session.agreements.terminate(session.tenant, _id(agreement), asked.reasons)
    return answer(_view(row, session))


@get("/{agreement:str}/document", summary="A signed document", action="agreement.read")
async def get_document(agreement: FromPath[str], request: AnyRequest) -> Response[bytes]:
    """The signed PDF. 409 until the agreement is executed."""
    session = await session_of(request)
    named = _id(agreement)
    pdf = await session.agreements.document(session.tenant, named)
    name = f'attachment; filename="{handle_text(AGREEMENT, named)}.pdf"'
    headers = {**NEVER_CACHED, "content-disposition": name}
    return Response(pdf, media_type="application/pdf", headers=headers)


@post(
    "/protected-projects/{project:str}",
    status_code=200,
    summary="Protect a project",
    action="organisation.administer",
)
async def protect_project(project: FromPath[str], request: AnyRequest) -> Response[ProtectedView]:
    """Put a project under the business associate agreement; it stays so until it is archived."""
    session = await session_of(request)
    named = project_id(project)
    await session.protection.protect(session.tenant, named)
    return answer(ProtectedView(project=project_text(named)))


def _id(text: str) -> bytes:
    return handle(AGREEMENT, text, "agreement")


def _name(row: model.Agreement) -> str:
    return handle_text(AGREEMENT, row.agreement)


def _both(both: Both) -> BothView:
    return BothView(english=both.english, korean=both.korean)


def _template(one: Offered) -> TemplateView:
    template = one.template
    return TemplateView(
        kind=template.kind.value,
        version=template.version,
        title=_both(template.title),
        sha256=template.digest.hex(),
        reviewed=template.review,
        countersigned_by=template.countersigned_by.value,
        requires=[kind.value for kind in template.requires],
        newer_text_notice_days=template.newer_text_notice_days,
        termination_notice_days=template.termination_notice_days,
        published_at=seconds_or_none(one.published_at),
        fields=[
            FieldView(
                name=field.name,
                type=field.type.value,
                required=field.required,
                max_characters=field.max_characters,
                choices=list(field.choices),
                label=_both(field.label),
            )
            for field in template.fields
        ],
        sections=[
            SectionView(title=_both(section.title), text=_both(section.words))
            for section in template.sections
        ],
    )


def _outstanding(due: list[Outstanding]) -> Response[Listed[OutstandingView]]:
    views = [
        OutstandingView(
            agreement=_name(one.agreement),
            organization=tenant_text(one.agreement.tenant),
            version=one.agreement.version,
            in_force_until=seconds(one.in_force_until),
        )
        for one in due
    ]
    return answer(whole(views, [view.agreement for view in views], has_more=False))


def _signature(one: model.Signature | None) -> SignatureView | None:
    if one is None:
        return None
    return SignatureView(name=one.name, title=one.title, actor=one.actor, at=seconds(one.at))


def _decision(one: model.Ended | None) -> DecisionView | None:
    if one is None:
        return None
    return DecisionView(actor=one.actor, at=seconds(one.at), reasons=one.reasons)


def _view(row: model.Agreement, session: Session) -> AgreementView:
    return AgreementView(
        id=_name(row),
        organization=tenant_text(row.tenant),
        kind=row.kind.value,
        version=row.version,
        language=row.language.value,
        status=row.state.value,
        in_force=row.in_force(session.now),
        created_at=seconds(row.created_at),
        submitted_at=seconds_or_none(row.submitted_at),
        executed_at=seconds_or_none(row.executed_at),
        in_force_until=seconds_or_none(row.in_force_until),
        document_sha256=None if row.document_digest is None else row.document_digest.hex(),
        form=dict(row.form),
        reviewed=_decision(row.reviewed),
        signature=_signature(row.signature),
        countersignature=_signature(row.countersignature),
        ended=_decision(row.ended),
    )


ROUTER = Router(
    "/bailee/v1/agreements",
    route_handlers=[
        *(list_templates, publish_template, list_outstanding, list_waiting),
        *(list_agreements, begin_agreement, get_agreement, fill_agreement, submit_agreement),
        *(review_agreement, sign_agreement, countersign_agreement, terminate_agreement),
        *(get_document, protect_project),
    ],
)
