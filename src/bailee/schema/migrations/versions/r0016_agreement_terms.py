"""Whoever gives notice of an agreement's termination puts down until when it binds.

Revision: 0016, after 0015. So far that was reckoned from the notice whenever it was asked for. And
the language of a draft can be changed.
"""

from alembic import op

revision = "0016"
down_revision: str | None = "0015"
branch_labels = None
depends_on = None

_GRANT = "GRANT UPDATE (in_force_until, language) ON agreements TO bailee_administrator"
_NOTICED = """
UPDATE agreements SET in_force_until = LEAST(in_force_until,
    ended_at + CASE kind WHEN 'enterprise_agreement' THEN 60 ELSE 30 END * CAST(86400000 AS bigint))
    WHERE state = 'executed' AND ended_at IS NOT NULL
"""


def upgrade() -> None:
    """Let it, and put down what was reckoned."""
    for statement in (_GRANT, _NOTICED):
        op.get_bind().exec_driver_sql(statement)
