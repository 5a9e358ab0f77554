"""All SQL of people. Row-level security confines it to the transaction's organisation."""

from typing import Any

import msgspec

from bailee.governance.people.model import Invite, Member, Person, ProjectRole, Role
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction


async def add(transaction: DatabaseTransaction, row: Person) -> None:
    """Add a person. Raises Conflict if the organisation has one with this address."""
    await transaction.rows(
        """
        INSERT INTO people (person, tenant, email, name, role, added_at)
        VALUES (:person, :tenant, :email, :name, :role, :added_at)
        """,
        person=row.person,
        tenant=row.tenant,
        email=row.email,
        name=row.name,
        role=row.role.value,
        added_at=row.added_at,
    )


async def people(transaction: DatabaseTransaction) -> list[Person]:
    """The organisation's people, in the order in which they were added."""
    rows = await transaction.rows(
        """
        SELECT person, tenant, email, name, role, added_at FROM people ORDER BY added_at, person
        """
    )
    return [_person(row) for row in rows]


async def person(transaction: DatabaseTransaction, identifier: bytes) -> Person | None:
    """One person."""
    rows = await transaction.rows(
        "SELECT person, tenant, email, name, role, added_at FROM people WHERE person = :person",
        person=identifier,
    )
    return _person(rows[0]) if rows else None


async def person_by_email(transaction: DatabaseTransaction, email: str) -> Person | None:
    """The person with an address."""
    rows = await transaction.rows(
        "SELECT person, tenant, email, name, role, added_at FROM people WHERE email = :email",
        email=email,
    )
    return _person(rows[0]) if rows else None


async def set_role(transaction: DatabaseTransaction, identifier: bytes, role: Role) -> None:
    """Let a person do something else."""
    await transaction.rows(
        "UPDATE people SET role = :role WHERE person = :person", person=identifier, role=role.value
    )


async def remove(transaction: DatabaseTransaction, identifier: bytes) -> None:
    """Remove a person, and with the row their part in projects."""
    await transaction.rows("DELETE FROM people WHERE person = :person", person=identifier)


async def owners(transaction: DatabaseTransaction) -> int:
    """How many owners the organisation has; they cannot change until the transaction ends."""
    rows = await transaction.rows("SELECT person FROM people WHERE role = 'owner' FOR UPDATE")
    return len(rows)


async def put_member(transaction: DatabaseTransaction, project: ProjectId, member: Member) -> None:
    """Add a person to a project, or give them another role in it.

    Raises Conflict if the organisation has no such project.
    """
    await transaction.rows(
        """
        INSERT INTO memberships (tenant, project, person, role, added_at)
        VALUES (:tenant, :project, :person, :role, :added_at)
        ON CONFLICT (project, person) DO UPDATE SET role = excluded.role
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
        SELECT p.person, p.tenant, p.email, p.name, p.role, p.added_at,
            m.role AS project_role, m.added_at AS joined_at
        FROM memberships m JOIN people p ON p.person = m.person
        WHERE m.project = :project ORDER BY m.added_at, p.person
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
        "DELETE FROM memberships WHERE project = :project AND person = :person",
        project=project,
        person=identifier,
    )


async def project_exists(transaction: DatabaseTransaction, project: ProjectId) -> bool:
    """Whether the organisation has a project that is not archived."""
    rows = await transaction.rows(
        "SELECT project FROM projects WHERE project = :project AND status <> 'archived'",
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
        FROM invites ORDER BY created_at, invite
        """
    )
    return [_invite(row) for row in rows]


async def invite(transaction: DatabaseTransaction, identifier: bytes) -> Invite | None:
    """One invitation, which nobody else changes until the transaction ends."""
    rows = await transaction.rows(
        """
        SELECT invite, tenant, email, role, projects, created_at, expires_at, accepted_at
        FROM invites WHERE invite = :invite FOR UPDATE
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
        "UPDATE invites SET accepted_at = :accepted_at WHERE invite = :invite",
        invite=identifier,
        accepted_at=accepted_at,
    )


async def remove_invites_of(transaction: DatabaseTransaction, email: str) -> None:
    """Delete every invitation of an address."""
    await transaction.rows("DELETE FROM invites WHERE email = :email", email=email)


async def remove_invite(transaction: DatabaseTransaction, identifier: bytes) -> None:
    """Delete an invitation."""
    await transaction.rows("DELETE FROM invites WHERE invite = :invite", invite=identifier)


def _person(row: Any) -> Person:
    return Person(
        person=bytes(row.person),
        tenant=TenantId(bytes(row.tenant)),
        email=row.email,
        name=row.name,
        role=Role(row.role),
        added_at=Instant(row.added_at),
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
