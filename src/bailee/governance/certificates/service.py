"""Commands on certificates: uploading, naming, deleting, and making them count.

An active certificate is a demand: from then on API keys of the organisation, or of the one project
for which it was activated, are refused unless the client shows a certificate that leads to an
active one. What is active for the organisation and for the project counts alike. Each command is
one transaction with its audit event, and holds in every gateway worker within 1 s of return.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from bailee.governance.certificates import repository
from bailee.governance.certificates.model import Certificate, Listed
from bailee.governance.certificates.reading import pem_of, read_certificate
from bailee.kernel.errors import Conflict, InvalidInput, NotFound
from bailee.kernel.ids import ProjectId, TenantId, handle_text, project_text, tenant_text
from bailee.kernel.names import checked_name
from bailee.ports.audit import Audit, AuditEvent
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction
from bailee.ports.randomness import Randomness

CERTIFICATE: Final = "cert_"
CERTIFICATES_MAX: Final = 50
TOGGLED_MAX: Final = 10
_ID_BYTES: Final = 16


class Certificates:
    """Certificates of organisations, in the role `administrator`."""

    def __init__(
        self, database: Database, clock: Clock, randomness: Randomness, audit: Audit
    ) -> None:
        self._database = database
        self._clock = clock
        self._randomness = randomness
        self._audit = audit

    async def upload(self, tenant: TenantId, text: str, name: str | None) -> Certificate:
        """Keep a certificate (PEM), active nowhere.

        Raises:
            InvalidInput: it cannot be used, or its name cannot be.
            Conflict: the organisation has it, or as many as it may have.
        """
        now = self._clock.now()
        read = read_certificate(text, now)
        row = Certificate(
            certificate=self._randomness.random_bytes(_ID_BYTES),
            tenant=tenant,
            name=None if name is None else checked_name(name),
            content=read.content,
            created_at=now,
            valid_at=read.valid_at,
            expires_at=read.expires_at,
        )
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction, tenant)
            known = await repository.certificates(transaction)
            if any(one.content == row.content for one in known):
                raise Conflict(
                    "The organisation has this certificate. List its certificates.",
                    field="certificate",
                )
            if len(known) >= CERTIFICATES_MAX:
                raise Conflict(
                    f"An organisation has at most {CERTIFICATES_MAX} certificates. Delete one."
                )
            await repository.add(transaction, row, hashlib.sha256(row.content).digest())
            await self._audit.write(transaction, _event("certificate.created", row))
        return row

    async def one(self, tenant: TenantId, certificate: bytes) -> Certificate:
        """One certificate. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            return await _one(transaction, certificate)

    async def all(self, tenant: TenantId, project: ProjectId | None = None) -> list[Listed]:
        """Those of the organisation, or those active for a project. Raises NotFound."""
        async with self._database.transaction(tenant) as transaction:
            active = await _active(transaction, tenant, project)
            known = await repository.certificates(transaction)
        return [Listed(one, one.certificate in active) for one in known]

    async def rename(self, tenant: TenantId, certificate: bytes, name: str) -> Certificate:
        """Call a certificate something else. Raises NotFound, InvalidInput."""
        checked_name(name)
        async with self._database.transaction(tenant) as transaction:
            row = (await _one(transaction, certificate))._replace(name=name)
            await repository.rename(transaction, certificate, name)
            await self._audit.write(transaction, _event("certificate.updated", row))
        return row

    async def remove(self, tenant: TenantId, certificate: bytes) -> None:
        """Delete a certificate. Raises NotFound, Conflict while it is active anywhere."""
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction, tenant)
            row = await _one(transaction, certificate)
            if await repository.is_active_anywhere(transaction, certificate):
                raise Conflict(
                    "The certificate is active. Deactivate it for the organisation and for every "
                    "project first."
                )
            await repository.remove(transaction, certificate)
            event = _event("certificate.deleted", row, certificate=pem_of(row.content))
            await self._audit.write(transaction, event)

    async def activate(
        self, tenant: TenantId, project: ProjectId | None, certificates: Sequence[bytes]
    ) -> list[Listed]:
        """Make certificates count for the organisation or for a project; all or none, repeatable.

        Raises:
            InvalidInput: none or too many were named.
            NotFound: the organisation has no such project or certificate.
            Conflict: the project is archived, or a certificate has expired.
        """
        return await self._toggle(tenant, project, certificates, active=True)

    async def deactivate(
        self, tenant: TenantId, project: ProjectId | None, certificates: Sequence[bytes]
    ) -> list[Listed]:
        """Make certificates count no more; all or none, repeatable. Raises as `activate`."""
        return await self._toggle(tenant, project, certificates, active=False)

    async def _toggle(
        self,
        tenant: TenantId,
        project: ProjectId | None,
        certificates: Sequence[bytes],
        *,
        active: bool,
    ) -> list[Listed]:
        if not 1 <= len(certificates) <= TOGGLED_MAX:
            raise InvalidInput(
                f"Give 1 to {TOGGLED_MAX} identifiers of certificates.", field="certificate_ids"
            )
        async with self._database.transaction(tenant) as transaction:
            await repository.lock(transaction, tenant)
            before = await _active(transaction, tenant, project)
            rows = [await _one(transaction, one) for one in dict.fromkeys(certificates)]
            changed = [row for row in rows if (row.certificate in before) is not active]
            if active:
                await self._check(transaction, project, changed)
            if changed:
                named = [row.certificate for row in changed]
                after = [one for one in before if one not in named] + (named if active else [])
                await _set_active(transaction, tenant, project, after)
                await self._audit.write(transaction, _toggled(tenant, project, changed, active))
        return [Listed(row, active) for row in rows]

    async def _check(
        self,
        transaction: DatabaseTransaction,
        project: ProjectId | None,
        changed: Sequence[Certificate],
    ) -> None:
        if project is not None and await repository.is_archived(transaction, project):
            raise Conflict("The project is archived. It cannot be changed any more.")
        if any(row.expires_at <= self._clock.now() for row in changed):
            raise Conflict("A certificate has expired: nobody could show it. Upload another.")


async def _one(transaction: DatabaseTransaction, certificate: bytes) -> Certificate:
    for row in await repository.certificates(transaction):
        if row.certificate == certificate:
            return row
    raise NotFound("There is no such certificate. List the organisation's certificates.")


async def _active(
    transaction: DatabaseTransaction, tenant: TenantId, project: ProjectId | None
) -> list[bytes]:
    if project is None:
        return await repository.active_of_organisation(transaction, tenant) or []
    found = await repository.active_of_project(transaction, project)
    if found is None:
        raise NotFound("There is no such project. List the organisation's projects.")
    return found


async def _set_active(
    transaction: DatabaseTransaction,
    tenant: TenantId,
    project: ProjectId | None,
    active: Sequence[bytes],
) -> None:
    if project is None:
        await repository.set_active_of_organisation(transaction, tenant, active)
    else:
        await repository.set_active_of_project(transaction, project, active)


def _summary(row: Certificate) -> dict[str, object]:
    return {"id": handle_text(CERTIFICATE, row.certificate), "name": row.name}


def _event(kind: str, row: Certificate, **more: object) -> AuditEvent:
    details = {**_summary(row), **more}
    return AuditEvent(kind, row.tenant, str(details["id"]), details)


def _toggled(
    tenant: TenantId, project: ProjectId | None, changed: Sequence[Certificate], active: bool
) -> AuditEvent:
    kind = "certificates.activated" if active else "certificates.deactivated"
    resource = tenant_text(tenant) if project is None else project_text(project)
    details = {"certificates": [_summary(row) for row in changed]}
    return AuditEvent(kind, tenant, resource, details, project)
