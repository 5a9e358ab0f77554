"""All SQL of usage."""

from collections.abc import Iterable
from typing import Any

from bailee.governance.usage.model import KINDS, Total, UsageKey, Wanted
from bailee.kernel.ids import ProjectId
from bailee.ports.database import DatabaseTransaction

Row = tuple[UsageKey, int, list[int]]
"""A key, a minute, and what is added to its requests, input and output tokens."""


async def add(transaction: DatabaseTransaction, rows: Iterable[Row]) -> None:
    """Across organisations: add to the counts. The gateway's and the clerk's roles may."""
    all_ = list(rows)
    await transaction.rows(
        """
        SELECT bailee_count_usage(CAST(:tenants AS text[]), CAST(:minutes AS bigint[]),
            CAST(:projects AS text[]), CAST(:public_ids AS text[]), CAST(:kinds AS text[]),
            CAST(:models AS text[]), CAST(:requests AS bigint[]),
            CAST(:input_tokens AS bigint[]), CAST(:output_tokens AS bigint[]))
        """,
        tenants=[key.tenant.hex() for key, _, _ in all_],
        minutes=[minute for _, minute, _ in all_],
        projects=[key.project.hex() for key, _, _ in all_],
        public_ids=[key.key_id.hex() for key, _, _ in all_],
        kinds=[KINDS[key.endpoint].value for key, _, _ in all_],
        models=[key.model for key, _, _ in all_],
        requests=[counts[0] for _, _, counts in all_],
        input_tokens=[counts[1] for _, _, counts in all_],
        output_tokens=[counts[2] for _, _, counts in all_],
    )


async def totals(transaction: DatabaseTransaction, wanted: Wanted) -> list[Total]:
    """The organisation's totals by bucket and group, oldest first; empty ones are left out."""
    rows = await transaction.rows(
        """
        SELECT minute / :width * :width AS start_minute,
            CASE WHEN :by_project THEN encode(project, 'hex') END AS of_project,
            CASE WHEN :by_key THEN public_id END AS of_key,
            CASE WHEN :by_model THEN model END AS of_model,
            CAST(sum(requests) AS bigint) AS requests,
            CAST(sum(input_tokens) AS bigint) AS input_tokens,
            CAST(sum(output_tokens) AS bigint) AS output_tokens
        FROM usage_minutes
        WHERE tenant = :own AND minute >= :start_minute AND minute < :end_minute
            AND (:any_kind OR kind = :kind)
            AND (:any_project OR encode(project, 'hex') = ANY (CAST(:projects AS text[])))
            AND (:any_key OR public_id = ANY (CAST(:public_ids AS text[])))
            AND (:any_model OR model = ANY (CAST(:models AS text[])))
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        """,
        width=wanted.width_minutes,
        start_minute=wanted.start_minute,
        end_minute=wanted.end_minute,
        by_project=wanted.by_project,
        by_key=wanted.by_key,
        by_model=wanted.by_model,
        any_kind=wanted.kind is None,
        kind="" if wanted.kind is None else wanted.kind.value,
        any_project=not wanted.projects,
        projects=[project.hex() for project in wanted.projects],
        any_key=not wanted.public_ids,
        public_ids=list(wanted.public_ids),
        any_model=not wanted.models,
        models=list(wanted.models),
    )
    return [_total(row) for row in rows]


def _total(row: Any) -> Total:
    return Total(
        start_minute=row.start_minute,
        project=None if row.of_project is None else ProjectId(bytes.fromhex(row.of_project)),
        public_id=row.of_key,
        model=row.of_model,
        requests=row.requests,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
    )
