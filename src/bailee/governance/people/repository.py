"""All SQL of people. It is confined to the transaction's organisation twice.

By a filter in each statement (`:own`) and by row-level security; each holds without the other.
"""

from typing import Any

import msgspec

from bailee.governance.people.model import (
    Assignment,
    Invite,
    Member,
    Person,
    ProjectRole,
    Role,
)
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.access.model import Role as HeldRole
from bailee.ports.database import DatabaseTransaction


async def add(transaction: DatabaseTransaction, row: Person) -> None:
    """Add a person. Raises Conflict if the organisation has one with this address."""
    await transaction.rows(
        """
        INSERT INTO people (person, tenant, email, name, added_at)
        VALUES (:person, :tenant, :email, :name, :added_at)
        """,
        person=row.person,
        tenant=row.tenant,
        email=row.email,
        name=row.name,
        added_at=row.added_at,
    )


async def people(transaction: DatabaseTransaction) -> list[Person]:
    """The organisation's people, in the order in which they were added."""
    rows = await transaction.rows(
        """
        SELECT p.person, p.tenant, p.email, p.name, p.added_at,
            EXISTS (SELECT FROM role_assignments r WHERE r.person = p.person
            AND r.role = 'owner' AND r.ended_at IS NULL) AS owner
        FROM people p WHERE p.tenant = :own ORDER BY p.added_at, p.person
        """
    )
    return [_person(row) for row in rows]


async def person(transaction: DatabaseTransaction, identifier: bytes) -> Person | None:
    """One person."""
    rows = await transaction.rows(
        """
        SELECT p.person, p.tenant, p.email, p.name, p.added_at,
            EXISTS (SELECT FROM role_assignments r WHERE r.person = p.person
            AND r.role = 'owner' AND r.ended_at IS NULL) AS owner
        FROM people p WHERE p.tenant = :own AND p.person = :person
        """,
        person=identifier,
    )
    return _person(rows[0]) if rows else None


async def person_by_email(transaction: DatabaseTransaction, email: str) -> Person | None:
    """The person with an address."""
    rows = await transaction.rows(
        """
        SELECT p.person, p.tenant, p.email, p.name, p.added_at,
            EXISTS (SELECT FROM role_assignments r WHERE r.person = p.person
            AND r.role = 'owner' AND r.ended_at IS NULL) AS owner
        FROM people p WHERE p.tenant = :own AND p.email = :email
        """,
        email=email,
    )
    return _person(rows[0]) if rows else None


async def remove(transaction: DatabaseTransaction, identifier: bytes) -> None:
    """Remove a person, and with the row their part in projects."""
    await transaction.rows(
        "DELETE FROM people WHERE tenant = :own AND person = :person", person=identifier
    )


async def assignments(transaction: DatabaseTransaction) -> list[Assignment]:
    """Every assignment of the organisation, ended ones too, in the order in which they were given.

    Those that last cannot change until the transaction ends.
    """
    rows = await transaction.rows(
        """
        SELECT assignment, tenant, person, role, given_by, given_at, ended_by, ended_at,
            confirmed_by, confirmed_at
        FROM role_assignments WHERE tenant = :own ORDER BY given_at, assignment FOR UPDATE
        """
    )
    return [_assignment(row) for row in rows]


async def lasting_assignments(transaction: DatabaseTransaction) -> list[Assignment]:
    """Every assignment that the transaction may see and that has not ended, oldest first."""
    rows = await transaction.rows(
        """
        SELECT assignment, tenant, person, role, given_by, given_at, ended_by, ended_at,
            confirmed_by, confirmed_at
        FROM role_assignments WHERE (:everywhere OR tenant = :own) AND ended_at IS NULL
            ORDER BY given_at, assignment
        """
    )
    return [_assignment(row) for row in rows]


async def give(transaction: DatabaseTransaction, row: Assignment) -> None:
    """Add an assignment. Raises Conflict if the person holds the role."""
    await transaction.rows(
        """
        INSERT INTO role_assignments (assignment, tenant, person, role, given_by, given_at)
        VALUES (:assignment, :tenant, :person, :role, :given_by, :given_at)
        """,
        assignment=row.assignment,
        tenant=row.tenant,
        person=row.person,
        role=row.role.value,
        given_by=row.given_by,
        given_at=row.given_at,
    )


async def end(
    transaction: DatabaseTransaction, assignment: bytes, ended_by: str, ended_at: Instant
) -> None:
    """End an assignment."""
    await transaction.rows(
        """
        UPDATE role_assignments SET ended_by = :ended_by, ended_at = :ended_at
        WHERE tenant = :own AND assignment = :assignment AND ended_at IS NULL
        """,
        assignment=assignment,
        ended_by=ended_by,
        ended_at=ended_at,
    )


async def confirm(
    transaction: DatabaseTransaction,
    confirmation: bytes,
    row: Assignment,
    decided_by: str,
    decided_at: Instant,
    *,
    kept: bool,
) -> None:
    """Record what was decided of an assignment."""
    await transaction.rows(
        """
        INSERT INTO role_confirmations
            (confirmation, tenant, assignment, kept, decided_by, decided_at)
        VALUES (:confirmation, :tenant, :assignment, :kept, :decided_by, :decided_at)
        """,
        confirmation=confirmation,
        tenant=row.tenant,
        assignment=row.assignment,
        kept=kept,
        decided_by=decided_by,
        decided_at=decided_at,
    )
    if kept:
        await transaction.rows(
            """
            UPDATE role_assignments SET confirmed_by = :decided_by, confirmed_at = :decided_at
            WHERE tenant = :own AND assignment = :assignment
            """,
            assignment=row.assignment,
            decided_by=decided_by,
            decided_at=decided_at,
        )


async def house(transaction: DatabaseTransaction) -> TenantId | None:
    """The operator's own organisation, if the transaction may see it."""
    rows = await transaction.rows(
        "SELECT tenant FROM organisations WHERE (:everywhere OR tenant = :own) AND house"
    )
    return TenantId(bytes(rows[0].tenant)) if rows else None


async def organisation_exists(transaction: DatabaseTransaction) -> bool:
    """Whether there is the transaction's organisation."""
    return bool(await transaction.rows("SELECT tenant FROM organisations WHERE tenant = :own"))


async def set_house(transaction: DatabaseTransaction, tenant: TenantId, *, house: bool) -> None:
    """Say whether an organisation is the operator's own. Raises Conflict if another is."""
    await transaction.rows(
        "UPDATE organisations SET house = :house WHERE tenant = :tenant",
        tenant=tenant,
        house=house,
    )


async def put_member(transaction: DatabaseTransaction, project: ProjectId, member: Member) -> None:
    """Add a person to a project, or give them another role in it.

    Raises Conflict if the organisation has no such project.
    """
    await transaction.rows(
        """
        INSERT INTO memberships (tenant, project, person, role, added_at)
        VALUES (:tenant, :project, :person, :role, :added_at)
        ON CONFLICT (project, person) DO UPDATE SET role = excluded.role
            WHERE memberships.tenant = :own
        """,
        tenant=member.person.tenant,
        project=project,
        person=member.person.person,
        role=member.role.value,
        added_at=member.added_at,
    )


async def members(transaction: DatabaseTransaction, project: ProjectId) -> list[Member]:
    """A project's people, in the order in which they were added to it."""
    rows = await transaction.rows(
        """
        SELECT p.person, p.tenant, p.email, p.name, p.added_at,
            EXISTS (SELECT FROM role_assignments r WHERE r.person = p.person
            AND r.role = 'owner' AND r.ended_at IS NULL) AS owner,
            m.role AS project_role, m.added_at AS joined_at
        FROM memberships m JOIN people p ON p.person = m.person
        WHERE m.tenant = :own AND m.project = :project ORDER BY m.added_at, p.person
        """,
        project=project,
    )
    return [
        Member(_person(row), ProjectRole(row.project_role), Instant(row.joined_at)) for row in rows
    ]


async def remove_member(
    transaction: DatabaseTransaction, project: ProjectId, identifier: bytes
) -> None:
    """Take a person out of a project."""
    await transaction.rows(
        "DELETE FROM memberships WHERE tenant = :own AND project = :project AND person = :person",
        project=project,
        person=identifier,
    )


async def project_exists(transaction: DatabaseTransaction, project: ProjectId) -> bool:
    """Whether the organisation has a project that is not archived."""
    rows = await transaction.rows(
        "SELECT project FROM projects"
        " WHERE tenant = :own AND project = :project AND status <> 'archived'",
        project=project,
    )
    return bool(rows)


async def add_invite(transaction: DatabaseTransaction, row: Invite) -> None:
    """Add an invitation."""
    projects = [[project.hex(), role.value] for project, role in row.projects]
    await transaction.rows(
        """
        INSERT INTO invites (invite, tenant, email, role, projects, created_at, expires_at)
        VALUES (:invite, :tenant, :email, :role, :projects, :created_at, :expires_at)
        """,
        invite=row.invite,
        tenant=row.tenant,
        email=row.email,
        role=row.role.value,
        projects=msgspec.json.encode(projects).decode(),
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


async def invites(transaction: DatabaseTransaction) -> list[Invite]:
    """The invitations that the transaction may see, oldest first."""
    rows = await transaction.rows(
        """
        SELECT invite, tenant, email, role, projects, created_at, expires_at, accepted_at
        FROM invites WHERE tenant = :own ORDER BY created_at, invite
        """
    )
    return [_invite(row) for row in rows]


async def pending_invites(
    transaction: DatabaseTransaction, email: str, now: Instant
) -> list[Invite]:
    """Across organisations: invitations of an address to active ones that can be accepted."""
    rows = await transaction.rows(
        """
        SELECT i.invite, i.tenant, i.email, i.role, i.projects, i.created_at, i.expires_at,
            i.accepted_at
        FROM invites i JOIN organisations o ON o.tenant = i.tenant
        WHERE i.email = :email AND i.accepted_at IS NULL AND i.expires_at > :now
            AND o.status = 'active'
        """,
        email=email,
        now=now,
    )
    return [_invite(row) for row in rows]


async def invite(transaction: DatabaseTransaction, identifier: bytes) -> Invite | None:
    """One invitation, which nobody else changes until the transaction ends."""
    rows = await transaction.rows(
        """
        SELECT invite, tenant, email, role, projects, created_at, expires_at, accepted_at
        FROM invites WHERE tenant = :own AND invite = :invite FOR UPDATE
        """,
        invite=identifier,
    )
    return _invite(rows[0]) if rows else None


async def tenant_of_invite(transaction: DatabaseTransaction, identifier: bytes) -> TenantId | None:
    """Across organisations: whose invitation this is."""
    rows = await transaction.rows(
        "SELECT tenant FROM invites WHERE invite = :invite", invite=identifier
    )
    return TenantId(bytes(rows[0].tenant)) if rows else None


async def mark_accepted(
    transaction: DatabaseTransaction, identifier: bytes, accepted_at: Instant
) -> None:
    """Record that an invitation was accepted."""
    await transaction.rows(
        "UPDATE invites SET accepted_at = :accepted_at WHERE tenant = :own AND invite = :invite",
        invite=identifier,
        accepted_at=accepted_at,
    )


async def remove_invites_of(transaction: DatabaseTransaction, email: str) -> None:
    """Delete every invitation of an address."""
    await transaction.rows(
        "DELETE FROM invites WHERE tenant = :own AND email = :email", email=email
    )


async def remove_invite(transaction: DatabaseTransaction, identifier: bytes) -> None:
    """Delete an invitation."""
    await transaction.rows(
        "DELETE FROM invites WHERE tenant = :own AND invite = :invite", invite=identifier
    )


def _person(row: Any) -> Person:
    return Person(
        person=bytes(row.person),
        tenant=TenantId(bytes(row.tenant)),
        email=row.email,
        name=row.name,
        role=Role.OWNER if row.owner else Role.READER,
        added_at=Instant(row.added_at),
    )


def _assignment(row: Any) -> Assignment:
    return Assignment(
        assignment=bytes(row.assignment),
        tenant=TenantId(bytes(row.tenant)),
        person=bytes(row.person),
        role=HeldRole(row.role),
        given_by=row.given_by,
        given_at=Instant(row.given_at),
        ended_by=row.ended_by,
        ended_at=row.ended_at,
        confirmed_by=row.confirmed_by,
        confirmed_at=row.confirmed_at,
    )


def _invite(row: Any) -> Invite:
    projects = msgspec.json.decode(row.projects, type=list[tuple[str, str]])
    return Invite(
        invite=bytes(row.invite),
        tenant=TenantId(bytes(row.tenant)),
        email=row.email,
        role=Role(row.role),
        projects=tuple(
            (ProjectId(bytes.fromhex(project)), ProjectRole(role)) for project, role in projects
        ),
        created_at=Instant(row.created_at),
        expires_at=Instant(row.expires_at),
        accepted_at=row.accepted_at,
    )
