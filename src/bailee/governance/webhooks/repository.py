"""All SQL of webhooks. A trigger on the audit log adds deliveries (migration 0012)."""

from collections.abc import Sequence
from typing import Any

from bailee.governance.webhooks.model import (
    Delivery,
    DeliveryState,
    Disabled,
    Endpoint,
    Message,
)
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.ports.database import DatabaseTransaction


async def lock(transaction: DatabaseTransaction, tenant: TenantId) -> None:
    """Let nobody else command the organisation's endpoints until the transaction ends."""
    await transaction.rows(
        "SELECT tenant FROM organisations WHERE tenant = :tenant FOR UPDATE", tenant=tenant
    )


async def put(transaction: DatabaseTransaction, row: Endpoint) -> None:
    """Add an endpoint, or change what it says."""
    await transaction.rows(
        """
        INSERT INTO webhook_endpoints (endpoint, tenant, url, types, description, created_at,
            disabled, disabled_at, generation, previous_until, failing_since)
        VALUES (:endpoint, :tenant, :url, CAST(:types AS text[]), :description, :created_at,
            :disabled, :disabled_at, :generation, :previous_until, :failing_since)
        ON CONFLICT (endpoint) DO UPDATE SET url = excluded.url, types = excluded.types,
            description = excluded.description, disabled = excluded.disabled,
            disabled_at = excluded.disabled_at, generation = excluded.generation,
            previous_until = excluded.previous_until, failing_since = excluded.failing_since
            WHERE webhook_endpoints.tenant = :own
        """,
        **{
            **row._asdict(),
            "types": list(row.types),
            "disabled": None if row.disabled is None else row.disabled.value,
        },
    )


async def endpoints(transaction: DatabaseTransaction) -> list[Endpoint]:
    """The endpoints that the transaction may see, in the order in which they were made."""
    rows = await transaction.rows(
        """
        SELECT endpoint, tenant, url, types, description, created_at, disabled, disabled_at,
            generation, previous_until, failing_since
        FROM webhook_endpoints WHERE tenant = :own ORDER BY position
        """
    )
    return [_endpoint(row) for row in rows]


async def remove(transaction: DatabaseTransaction, endpoint: bytes) -> None:
    """Delete an endpoint, with its deliveries."""
    await transaction.rows(
        "DELETE FROM webhook_endpoints WHERE tenant = :own AND endpoint = :endpoint",
        endpoint=endpoint,
    )


async def deliveries(
    transaction: DatabaseTransaction, endpoint: bytes, limit: int
) -> list[Delivery]:
    """Up to `limit` deliveries of an endpoint, the newest events first."""
    rows = await transaction.rows(
        """
        SELECT d.event, a.type, a.effective_at, a.actor, a.project, a.resource, d.state,
            d.attempts, d.next_at, d.attempted_at, d.status, d.problem, d.delivered_at
        FROM webhook_deliveries d JOIN audit_events a ON a.event = d.event
        WHERE d.tenant = :own AND d.endpoint = :endpoint ORDER BY a.position DESC LIMIT :limit
        """,
        endpoint=endpoint,
        limit=limit,
    )
    return [_delivery(row) for row in rows]


async def due(
    transaction: DatabaseTransaction, endpoint: bytes, now: Instant, limit: int
) -> list[Delivery]:
    """Up to `limit` deliveries of an endpoint that are to be tried, the longest due first."""
    rows = await transaction.rows(
        """
        SELECT d.event, a.type, a.effective_at, a.actor, a.project, a.resource, d.state,
            d.attempts, d.next_at, d.attempted_at, d.status, d.problem, d.delivered_at
        FROM webhook_deliveries d JOIN audit_events a ON a.event = d.event
        WHERE d.tenant = :own AND d.endpoint = :endpoint AND d.state = 'pending'
            AND d.next_at <= :now
        ORDER BY d.next_at, a.position LIMIT :limit
        """,
        endpoint=endpoint,
        now=now,
        limit=limit,
    )
    return [_delivery(row) for row in rows]


async def waiting(transaction: DatabaseTransaction, now: Instant) -> list[Endpoint]:
    """Across organisations: enabled endpoints with deliveries to be tried."""
    rows = await transaction.rows(
        """
        SELECT endpoint, tenant, url, types, description, created_at, disabled, disabled_at,
            generation, previous_until, failing_since
        FROM webhook_endpoints
        WHERE disabled IS NULL AND endpoint IN (
            SELECT endpoint FROM webhook_deliveries WHERE state = 'pending' AND next_at <= :now
        )
        ORDER BY position
        """,
        now=now,
    )
    return [_endpoint(row) for row in rows]


async def again(
    transaction: DatabaseTransaction,
    row: Endpoint,
    now: Instant,
    *,
    event: bytes | None = None,
    types: Sequence[str] = (),
    since: int = 0,
    limit: int = 1,
) -> int:
    """Send events again: the one, or those of some types since an instant; how many."""
    rows = await transaction.rows(
        """
        INSERT INTO webhook_deliveries (tenant, endpoint, event, created_at, state, next_at)
        SELECT a.tenant, :endpoint, a.event, a.effective_at, 'pending', :now
        FROM audit_events a
        WHERE a.tenant = :own AND ((:one AND a.event = :event)
            OR (NOT :one AND a.effective_at >= :since
                AND (CAST(:types AS text[]) && ARRAY[a.type, '*'])))
        ORDER BY a.position LIMIT :limit
        ON CONFLICT (endpoint, event) DO UPDATE SET state = 'pending', attempts = 0,
            next_at = excluded.next_at, status = NULL, problem = NULL, delivered_at = NULL
            WHERE webhook_deliveries.tenant = :own
        RETURNING event
        """,
        endpoint=row.endpoint,
        now=now,
        one=event is not None,
        event=event or b"",
        types=list(types),
        since=since,
        limit=limit,
    )
    return len(rows)


async def last_event(transaction: DatabaseTransaction, kind: str, resource: str) -> bytes:
    """The newest event of a type about something."""
    rows = await transaction.rows(
        """
        SELECT event FROM audit_events WHERE tenant = :own AND type = :kind AND resource = :resource
        ORDER BY position DESC LIMIT 1
        """,
        kind=kind,
        resource=resource,
    )
    return bytes(rows[0].event)


async def note(transaction: DatabaseTransaction, endpoint: bytes, row: Delivery) -> None:
    """Write down what became of an attempt."""
    await transaction.rows(
        """
        UPDATE webhook_deliveries SET state = :state, attempts = :attempts, next_at = :next_at,
            attempted_at = :attempted_at, status = :status, problem = :problem,
            delivered_at = :delivered_at
        WHERE tenant = :own AND endpoint = :endpoint AND event = :event
        """,
        endpoint=endpoint,
        event=row.message.event,
        state=row.state.value,
        attempts=row.attempts,
        next_at=row.next_at,
        attempted_at=row.attempted_at,
        status=row.status,
        problem=row.problem,
        delivered_at=row.delivered_at,
    )


async def note_endpoint(
    transaction: DatabaseTransaction, endpoint: bytes, failing_since: Instant | None
) -> None:
    """Write down since when nothing has arrived; None: something just did."""
    await transaction.rows(
        """
        UPDATE webhook_endpoints SET failing_since = :failing_since
        WHERE tenant = :own AND endpoint = :endpoint
            AND failing_since IS DISTINCT FROM :failing_since
        """,
        endpoint=endpoint,
        failing_since=failing_since,
    )


async def disable(
    transaction: DatabaseTransaction, endpoint: bytes, why: Disabled, now: Instant
) -> bool:
    """Send nothing to an endpoint any more. False if nothing is sent already."""
    rows = await transaction.rows(
        """
        UPDATE webhook_endpoints SET disabled = :why, disabled_at = :now
        WHERE tenant = :own AND endpoint = :endpoint AND disabled IS NULL RETURNING endpoint
        """,
        endpoint=endpoint,
        why=why.value,
        now=now,
    )
    return bool(rows)


async def forget(transaction: DatabaseTransaction, endpoint: bytes, before: int) -> None:
    """Delete what became of an endpoint's older messages."""
    await transaction.rows(
        """
        DELETE FROM webhook_deliveries
        WHERE tenant = :own AND endpoint = :endpoint AND state <> 'pending' AND created_at < :before
        """,
        endpoint=endpoint,
        before=before,
    )


def _endpoint(row: Any) -> Endpoint:
    return Endpoint(*row)._replace(
        endpoint=bytes(row.endpoint),
        tenant=TenantId(bytes(row.tenant)),
        types=tuple(row.types),
        disabled=None if row.disabled is None else Disabled(row.disabled),
    )


def _delivery(row: Any) -> Delivery:
    project = None if row.project is None else ProjectId(bytes(row.project))
    return Delivery(
        message=Message(
            bytes(row.event), row.type, row.effective_at, row.actor, project, row.resource
        ),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        attempted_at=row.attempted_at,
        status=row.status,
        problem=row.problem,
        delivered_at=row.delivered_at,
    )
