"""All SQL of sign-in. It is confined to the transaction's organisation twice.

By a filter in each statement (`:own`) and by row-level security; each holds without the other.

What is looked up before anybody is known (by address, token or authenticator) reads across
organisations. `sign_in_attempts` belongs to nobody: a row is found by whoever knows its name.
"""

from typing import Any

from bailee.governance.identity.model import (
    Bearer,
    Enrolment,
    Method,
    Passkey,
    Password,
    PersonSession,
)
from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.policy.access.model import HOUSE_ROLES, Role
from bailee.ports.database import DatabaseTransaction


async def passwords_of(
    transaction: DatabaseTransaction, email: str, tenant: TenantId | None
) -> list[Password]:
    """Across organisations: passwords of people with an address, in active organisations."""
    rows = await transaction.rows(
        """
        SELECT w.tenant, w.person, w.verifier, w.second_factor
        FROM passwords w JOIN people p ON p.person = w.person
            JOIN organisations o ON o.tenant = w.tenant
        WHERE p.email = :email AND o.status = 'active'
            AND (:everywhere OR w.tenant = :tenant)
        """,
        email=email,
        everywhere=tenant is None,
        tenant=tenant or b"",
    )
    return [_password(row) for row in rows]


async def password_of(transaction: DatabaseTransaction, person: bytes) -> Password | None:
    """A person's password."""
    rows = await transaction.rows(
        "SELECT tenant, person, verifier, second_factor FROM passwords"
        " WHERE tenant = :own AND person = :person",
        person=person,
    )
    return _password(rows[0]) if rows else None


async def put_password(
    transaction: DatabaseTransaction, row: Password, step: int, set_at: Instant
) -> None:
    """Set a person's password and second factor, in place of what there was."""
    await transaction.rows(
        "DELETE FROM passwords WHERE tenant = :own AND person = :person", person=row.person
    )
    await transaction.rows(
        """
        INSERT INTO passwords (person, tenant, verifier, second_factor, last_step, set_at)
        VALUES (:person, :tenant, :verifier, :second_factor, :last_step, :set_at)
        """,
        person=row.person,
        tenant=row.tenant,
        verifier=row.verifier.decode(),
        second_factor=row.second_factor,
        last_step=step,
        set_at=set_at,
    )


async def use_step(transaction: DatabaseTransaction, person: bytes, step: int) -> bool:
    """Use a time step's code. False if it, or a later one, was used."""
    rows = await transaction.rows(
        """
        UPDATE passwords SET last_step = :step WHERE tenant = :own AND person = :person
            AND last_step < :step
        RETURNING person
        """,
        person=person,
        step=step,
    )
    return bool(rows)


async def put_recovery_codes(
    transaction: DatabaseTransaction, tenant: TenantId, person: bytes, digests: list[bytes]
) -> None:
    """Set a person's recovery codes, in place of those that there were."""
    await transaction.rows(
        "DELETE FROM recovery_codes WHERE tenant = :own AND person = :person", person=person
    )
    for digest in digests:
        await transaction.rows(
            """
            INSERT INTO recovery_codes (digest, tenant, person)
            VALUES (:digest, :tenant, :person)
            """,
            digest=digest,
            tenant=tenant,
            person=person,
        )


async def use_recovery_code(transaction: DatabaseTransaction, person: bytes, digest: bytes) -> bool:
    """Use a recovery code. False if the person has no such code."""
    rows = await transaction.rows(
        "DELETE FROM recovery_codes"
        " WHERE tenant = :own AND person = :person AND digest = :digest RETURNING person",
        person=person,
        digest=digest,
    )
    return bool(rows)


async def people_of(
    transaction: DatabaseTransaction, email: str, tenant: TenantId | None
) -> list[tuple[TenantId, bytes]]:
    """Across organisations: people with an address, in active organisations."""
    rows = await transaction.rows(
        """
        SELECT p.tenant, p.person FROM people p JOIN organisations o ON o.tenant = p.tenant
        WHERE p.email = :email AND o.status = 'active'
            AND (:everywhere OR p.tenant = :tenant)
        """,
        email=email,
        everywhere=tenant is None,
        tenant=tenant or b"",
    )
    return [(TenantId(bytes(row.tenant)), bytes(row.person)) for row in rows]


async def roles_of(transaction: DatabaseTransaction, person: bytes) -> frozenset[Role] | None:
    """What a person of the organisation holds; None if there is no such person."""
    rows = await transaction.rows(
        """
        SELECT ARRAY(SELECT r.role FROM role_assignments r
            WHERE r.person = p.person AND r.ended_at IS NULL) AS roles
        FROM people p WHERE p.tenant = :own AND p.person = :person
        """,
        person=person,
    )
    return frozenset(Role(role) for role in rows[0].roles) if rows else None


async def add_enrolment(
    transaction: DatabaseTransaction,
    digest: bytes,
    tenant: TenantId,
    person: bytes,
    made_by: str,
    created_at: Instant,
    expires_at: Instant,
) -> None:
    """Add an enrolment, in place of those that the person had."""
    await transaction.rows(
        "DELETE FROM enrolments WHERE tenant = :own AND person = :person", person=person
    )
    await transaction.rows(
        """
        INSERT INTO enrolments (digest, tenant, person, made_by, created_at, expires_at)
        VALUES (:digest, :tenant, :person, :made_by, :created_at, :expires_at)
        """,
        digest=digest,
        tenant=tenant,
        person=person,
        made_by=made_by,
        created_at=created_at,
        expires_at=expires_at,
    )


async def enrolment(
    transaction: DatabaseTransaction, digest: bytes, now: Instant
) -> Enrolment | None:
    """Across organisations: for whom a token is that can still be used."""
    rows = await transaction.rows(
        """
        SELECT e.tenant, e.person, p.name, p.email, o.name AS organisation_name
        FROM enrolments e JOIN people p ON p.person = e.person
            JOIN organisations o ON o.tenant = e.tenant
        WHERE e.digest = :digest AND e.expires_at > :now AND o.status = 'active'
        """,
        digest=digest,
        now=now,
    )
    if not rows:
        return None
    (row,) = rows
    return Enrolment(
        TenantId(bytes(row.tenant)), bytes(row.person), row.name, row.email, row.organisation_name
    )


async def use_enrolment(transaction: DatabaseTransaction, digest: bytes) -> bool:
    """Use an enrolment. False if it was used meanwhile."""
    rows = await transaction.rows(
        "DELETE FROM enrolments WHERE tenant = :own AND digest = :digest RETURNING digest",
        digest=digest,
    )
    return bool(rows)


async def add_passkey(transaction: DatabaseTransaction, row: Passkey, created_at: Instant) -> None:
    """Add a passkey. Raises Conflict if it is registered."""
    await transaction.rows(
        """
        INSERT INTO passkeys (passkey, tenant, person, public_key, sign_count, created_at)
        VALUES (:passkey, :tenant, :person, :public_key, :sign_count, :created_at)
        """,
        passkey=row.passkey,
        tenant=row.tenant,
        person=row.person,
        public_key=row.public_key,
        sign_count=row.sign_count,
        created_at=created_at,
    )


async def passkey(transaction: DatabaseTransaction, name: bytes) -> Passkey | None:
    """Across organisations: a passkey of somebody in an active organisation."""
    rows = await transaction.rows(
        """
        SELECT k.passkey, k.tenant, k.person, k.public_key, k.sign_count
        FROM passkeys k JOIN organisations o ON o.tenant = k.tenant
        WHERE k.passkey = :passkey AND o.status = 'active'
        """,
        passkey=name,
    )
    if not rows:
        return None
    (row,) = rows
    return Passkey(
        bytes(row.passkey),
        TenantId(bytes(row.tenant)),
        bytes(row.person),
        bytes(row.public_key),
        row.sign_count,
    )


async def use_passkey(
    transaction: DatabaseTransaction, name: bytes, sign_count: int, used_at: Instant
) -> None:
    """Record a use."""
    await transaction.rows(
        """
        UPDATE passkeys SET sign_count = :sign_count, last_used_at = :used_at
        WHERE tenant = :own AND passkey = :passkey
        """,
        passkey=name,
        sign_count=sign_count,
        used_at=used_at,
    )


async def add_session(transaction: DatabaseTransaction, row: PersonSession, digest: bytes) -> None:
    """Add a session."""
    await transaction.rows(
        """
        INSERT INTO sessions (public_id, digest, tenant, person, method, created_at,
            signed_in_at, last_used_at, expires_at)
        VALUES (:public_id, :digest, :tenant, :person, :method, :created_at,
            :signed_in_at, :last_used_at, :expires_at)
        """,
        public_id=row.public_id,
        digest=digest,
        tenant=row.tenant,
        person=row.person,
        method=row.method.value,
        created_at=row.created_at,
        signed_in_at=row.signed_in_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
    )


async def bearer(transaction: DatabaseTransaction, digest: bytes) -> Bearer | None:
    """Across organisations: who bears a token, if their organisation is active."""
    rows = await transaction.rows(
        """
        SELECT s.public_id, s.tenant, s.person, s.method, s.created_at, s.signed_in_at,
            s.last_used_at, s.expires_at, s.revoked_at, p.name, p.email, o.house,
            o.name AS organisation_name,
            ARRAY(SELECT r.role FROM role_assignments r
                WHERE r.person = s.person AND r.tenant = s.tenant AND r.ended_at IS NULL) AS roles
        FROM sessions s JOIN people p ON p.tenant = s.tenant AND p.person = s.person
            JOIN organisations o ON o.tenant = s.tenant
        WHERE s.digest = :digest AND o.status = 'active'
        """,
        digest=digest,
    )
    if not rows:
        return None
    (row,) = rows
    roles = frozenset(Role(role) for role in row.roles)
    return Bearer(
        _session(row),
        row.name,
        row.email,
        row.organisation_name,
        row.house,
        roles if row.house else roles - HOUSE_ROLES,
    )


async def sessions_of(transaction: DatabaseTransaction, person: bytes) -> list[PersonSession]:
    """A person's sessions, newest first, ended ones too."""
    rows = await transaction.rows(
        """
        SELECT public_id, tenant, person, method, created_at, signed_in_at, last_used_at,
            expires_at, revoked_at
        FROM sessions WHERE tenant = :own AND person = :person ORDER BY created_at DESC, public_id
        """,
        person=person,
    )
    return [_session(row) for row in rows]


async def mark_used(transaction: DatabaseTransaction, public_id: str, used_at: Instant) -> None:
    """Record a use."""
    await transaction.rows(
        "UPDATE sessions SET last_used_at = :used_at"
        " WHERE tenant = :own AND public_id = :public_id",
        public_id=public_id,
        used_at=used_at,
    )


async def mark_signed_in(
    transaction: DatabaseTransaction, public_id: str, signed_in_at: Instant
) -> None:
    """Record that the person proved again who they are."""
    await transaction.rows(
        "UPDATE sessions SET signed_in_at = :signed_in_at"
        " WHERE tenant = :own AND public_id = :public_id",
        public_id=public_id,
        signed_in_at=signed_in_at,
    )


async def revoke_sessions(
    transaction: DatabaseTransaction, person: bytes, public_ids: list[str], revoked_at: Instant
) -> list[str]:
    """Revoke some of a person's sessions; gives those that were not revoked before."""
    rows = await transaction.rows(
        """
        UPDATE sessions SET revoked_at = :revoked_at
        WHERE tenant = :own AND person = :person AND revoked_at IS NULL
            AND public_id = ANY (CAST(:public_ids AS text[]))
        RETURNING public_id
        """,
        person=person,
        public_ids=public_ids,
        revoked_at=revoked_at,
    )
    return [row.public_id for row in rows]


async def forget_sessions(transaction: DatabaseTransaction, person: bytes, before: Instant) -> None:
    """Delete a person's sessions that ended by themselves before an instant."""
    await transaction.rows(
        "DELETE FROM sessions WHERE tenant = :own AND person = :person AND expires_at < :before",
        person=person,
        before=before,
    )


async def add_attempt(
    transaction: DatabaseTransaction, name: bytes, details: bytes, now: Instant, until: Instant
) -> None:
    """Add an attempt, and delete those whose time is over."""
    await transaction.rows("DELETE FROM sign_in_attempts WHERE expires_at <= :now", now=now)
    await transaction.rows(
        """
        INSERT INTO sign_in_attempts (attempt, details, expires_at)
        VALUES (:attempt, :details, :expires_at)
        """,
        attempt=name,
        details=details,
        expires_at=until,
    )


async def take_attempt(transaction: DatabaseTransaction, name: bytes, now: Instant) -> bytes | None:
    """Take an attempt: it is there once."""
    rows = await transaction.rows(
        """
        DELETE FROM sign_in_attempts WHERE attempt = :attempt AND expires_at > :now
        RETURNING details
        """,
        attempt=name,
        now=now,
    )
    return bytes(rows[0].details) if rows else None


def _password(row: Any) -> Password:
    return Password(
        TenantId(bytes(row.tenant)),
        bytes(row.person),
        Secret(row.verifier.encode()),
        bytes(row.second_factor),
    )


def _session(row: Any) -> PersonSession:
    return PersonSession(
        public_id=row.public_id,
        tenant=TenantId(bytes(row.tenant)),
        person=bytes(row.person),
        method=Method(row.method),
        created_at=Instant(row.created_at),
        signed_in_at=Instant(row.signed_in_at),
        last_used_at=Instant(row.last_used_at),
        expires_at=Instant(row.expires_at),
        revoked_at=row.revoked_at,
    )
