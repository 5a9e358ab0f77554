"""SQL of the table `gateways`: which gateway worker acts on which version of the facts."""

from bailee.kernel.instants import HOUR_MS
from bailee.ports.database import DatabaseTransaction


async def join(transaction: DatabaseTransaction, worker: str, version: int) -> None:
    """Let a gateway worker be waited for from now on, and forget workers that are long gone."""
    await transaction.rows(
        """
        INSERT INTO gateways (worker, acknowledged, seen_at)
        VALUES (:worker, :version, extract(epoch FROM clock_timestamp()) * 1000)
        ON CONFLICT (worker) DO UPDATE
            SET acknowledged = excluded.acknowledged, seen_at = excluded.seen_at
        """,
        worker=worker,
        version=version,
    )
    await transaction.rows(
        """
        DELETE FROM gateways
        WHERE seen_at < extract(epoch FROM clock_timestamp()) * 1000 - :forgotten_ms
        """,
        forgotten_ms=HOUR_MS,
    )


async def acknowledge(
    transaction: DatabaseTransaction, worker: str, version: int, lease_ms: int
) -> bool:
    """Note that a gateway worker acts on `version`. False if its lease has lapsed meanwhile."""
    rows = await transaction.rows(
        """
        UPDATE gateways
        SET acknowledged = :version, seen_at = extract(epoch FROM clock_timestamp()) * 1000
        WHERE worker = :worker
            AND seen_at + :lease_ms > extract(epoch FROM clock_timestamp()) * 1000
        RETURNING worker
        """,
        worker=worker,
        version=version,
        lease_ms=lease_ms,
    )
    return bool(rows)


async def leave(transaction: DatabaseTransaction, worker: str) -> None:
    """Forget a gateway worker that has stopped answering."""
    await transaction.rows("DELETE FROM gateways WHERE worker = :worker", worker=worker)


async def gateways_behind(transaction: DatabaseTransaction, version: int, lapse_ms: int) -> int:
    """How many gateway workers may still act on facts older than `version`."""
    rows = await transaction.rows(
        """
        SELECT count(*) AS behind FROM gateways
        WHERE acknowledged < :version
            AND seen_at + :lapse_ms > extract(epoch FROM clock_timestamp()) * 1000
        """,
        version=version,
        lapse_ms=lapse_ms,
    )
    return int(rows[0].behind)
