"""`/v1/organization/certificates` and `…/projects/{project}/certificates`.

What an active certificate demands, and where clients can show one:
docs/operating/client-certificates.md. Administration itself never wants one.
"""

from typing import Final

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import (
    asked_page,
    body_of,
    choice_of,
    handle,
    many_of,
    project_id,
)
from bailee.api.administration.session import (
    AnyRequest,
    Session,
    administration_of,
    session_of,
)
from bailee.api.administration.shapes import Listed, answer, listed, seconds
from bailee.governance.certificates import model
from bailee.governance.certificates.reading import pem_of
from bailee.governance.certificates.service import CERTIFICATE
from bailee.kernel.errors import Conflict, InvalidInput
from bailee.kernel.ids import ProjectId, handle_text

_CONTENT: Final = "content"


class UploadCertificate(msgspec.Struct):
    """A certificate in PEM."""

    certificate: str
    name: str | None = None


class NameCertificate(msgspec.Struct):
    """What a certificate is to be called."""

    name: str | None = None


class ToggleCertificates(msgspec.Struct):
    """Which certificates are meant."""

    certificate_ids: list[str]


class CertificateDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """When a certificate is valid; its text where it was asked for."""

    valid_at: int | None
    expires_at: int | None
    content: str | None = None


class CertificateView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A certificate; `active` where a list for an organisation or a project says so."""

    object: str
    id: str
    name: str | None
    created_at: int
    certificate_details: CertificateDetails
    active: bool | None = None


class CertificatesToggled(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates that were activated or deactivated."""

    object: str
    data: list[CertificateView]


class CertificateDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """That a certificate is no more."""

    object: str = "certificate.deleted"
    id: str


@get(
    "/certificates",
    summary="List certificates",
    action="organisation.read",
)
async def list_certificates(request: AnyRequest) -> Response[Listed[CertificateView]]:
    """The organisation's certificates, and which are active for all of it; newest first."""
    return await _listed(request, None)


@post(
    "/certificates",
    status_code=200,
    summary="Upload a certificate",
    action="organisation.administer",
)
async def upload_certificate(request: AnyRequest) -> Response[CertificateView]:
    """Upload the certificate of an authority or of a client, in PEM. It is not active yet."""
    session = await session_of(request)
    asked = await body_of(request, UploadCertificate)
    return answer(
        _view(await session.certificates.upload(session.tenant, asked.certificate, asked.name))
    )


@get(
    "/certificates/{certificate:str}",
    summary="A certificate",
    action="organisation.read",
)
async def get_certificate(
    certificate: FromPath[str], request: AnyRequest
) -> Response[CertificateView]:
    """One certificate; with `include[]=content` in PEM as well."""
    session = await session_of(request)
    include = set(many_of(request, "include"))
    if not include <= {_CONTENT}:
        raise InvalidInput(f"`include` takes {_CONTENT}.", field="include")
    known = await session.certificates.one(session.tenant, _certificate_id(certificate))
    return answer(_view(known, content=bool(include)))


@post(
    "/certificates/{certificate:str}",
    status_code=200,
    summary="Name a certificate",
    action="organisation.administer",
)
async def modify_certificate(
    certificate: FromPath[str], request: AnyRequest
) -> Response[CertificateView]:
    """Call a certificate something else."""
    session = await session_of(request)
    asked = await body_of(request, NameCertificate)
    named = _certificate_id(certificate)
    if asked.name is None:
        return answer(_view(await session.certificates.one(session.tenant, named)))
    return answer(_view(await session.certificates.rename(session.tenant, named, asked.name)))


@delete(
    "/certificates/{certificate:str}",
    status_code=200,
    summary="Delete a certificate",
    action="organisation.administer",
)
async def delete_certificate(
    certificate: FromPath[str], request: AnyRequest
) -> Response[CertificateDeleted]:
    """Delete a certificate that is active nowhere."""
    session = await session_of(request)
    await session.certificates.remove(session.tenant, _certificate_id(certificate))
    return answer(CertificateDeleted(id=certificate))


@post(
    "/certificates/activate",
    status_code=200,
    summary="Activate certificates",
    action="organisation.administer",
)
async def activate_certificates(request: AnyRequest) -> Response[CertificatesToggled]:
    """From now on the organisation's API keys want a client with one of the active ones."""
    return await _activated(request, None)


@post(
    "/certificates/deactivate",
    status_code=200,
    summary="Deactivate certificates",
    action="organisation.administer",
)
async def deactivate_certificates(request: AnyRequest) -> Response[CertificatesToggled]:
    """These count no more for the organisation; when none is left, none is wanted."""
    return await _deactivated(request, None)


@get(
    "/projects/{project:str}/certificates",
    summary="List a project's certificates",
    action="organisation.read",
)
async def list_project_certificates(
    project: FromPath[str], request: AnyRequest
) -> Response[Listed[CertificateView]]:
    """The organisation's certificates, and which are active for the project; newest first."""
    return await _listed(request, project)


@post(
    "/projects/{project:str}/certificates/activate",
    status_code=200,
    summary="Activate certificates for a project",
    action="organisation.administer",
)
async def activate_project_certificates(
    project: FromPath[str], request: AnyRequest
) -> Response[CertificatesToggled]:
    """From now on the project's API keys want a client with one of the active ones."""
    return await _activated(request, project)


@post(
    "/projects/{project:str}/certificates/deactivate",
    status_code=200,
    summary="Deactivate certificates for a project",
    action="organisation.administer",
)
async def deactivate_project_certificates(
    project: FromPath[str], request: AnyRequest
) -> Response[CertificatesToggled]:
    """These count no more for the project."""
    return await _deactivated(request, project)


async def _listed(request: AnyRequest, project: str | None) -> Response[Listed[CertificateView]]:
    session = await session_of(request)
    scope = _scope(project)
    found = await session.certificates.all(session.tenant, scope)
    if choice_of(request, "order", ("asc", "desc"), "desc") == "desc":
        found.reverse()
    return listed(
        found, asked_page(request), lambda one: _name(one.known), lambda one: _one_of(one, scope)
    )


async def _activated(request: AnyRequest, project: str | None) -> Response[CertificatesToggled]:
    session, scope, named = await _asked(request, project)
    if not administration_of(request).asks_for_certificates:
        raise Conflict(
            "Every API key would be refused: no port of this server asks clients for a "
            "certificate. Ask its operator to set server.client_certificate_port first."
        )
    toggled = await session.certificates.activate(session.tenant, scope, named)
    return _toggled(toggled, scope, "activation")


async def _deactivated(request: AnyRequest, project: str | None) -> Response[CertificatesToggled]:
    session, scope, named = await _asked(request, project)
    toggled = await session.certificates.deactivate(session.tenant, scope, named)
    return _toggled(toggled, scope, "deactivation")


async def _asked(
    request: AnyRequest, project: str | None
) -> tuple[Session, ProjectId | None, list[bytes]]:
    session = await session_of(request)
    asked = await body_of(request, ToggleCertificates)
    return session, _scope(project), [_certificate_id(text) for text in asked.certificate_ids]


def _toggled(
    toggled: list[model.Listed], scope: ProjectId | None, what: str
) -> Response[CertificatesToggled]:
    data = [_one_of(one, scope) for one in toggled]
    return answer(CertificatesToggled(object=f"{_kind(scope)}.{what}", data=data))


def _scope(project: str | None) -> ProjectId | None:
    return None if project is None else project_id(project)


def _kind(scope: ProjectId | None) -> str:
    return "organization.certificate" if scope is None else "organization.project.certificate"


def _certificate_id(text: str) -> bytes:
    return handle(CERTIFICATE, text, "certificate")


def _name(known: model.Certificate) -> str:
    return handle_text(CERTIFICATE, known.certificate)


def _one_of(one: model.Listed, scope: ProjectId | None) -> CertificateView:
    return msgspec.structs.replace(_view(one.known), object=_kind(scope), active=one.active)


def _view(known: model.Certificate, *, content: bool = False) -> CertificateView:
    details = CertificateDetails(
        valid_at=seconds(known.valid_at),
        expires_at=seconds(known.expires_at),
        content=pem_of(known.content) if content else None,
    )
    return CertificateView(
        object="certificate",
        id=_name(known),
        name=known.name,
        created_at=seconds(known.created_at),
        certificate_details=details,
    )


ROUTER = Router(
    "/v1/organization",
    route_handlers=[
        *(list_certificates, upload_certificate, get_certificate, modify_certificate),
        *(delete_certificate, activate_certificates, deactivate_certificates),
        *(list_project_certificates, activate_project_certificates),
        deactivate_project_certificates,
    ],
)
