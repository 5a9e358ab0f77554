"""The worker, in the clerk's role, counts the decisions about the lines of batches.

Revision: 0015, after 0014.
"""

from alembic import op

revision = "0015"
down_revision: str | None = "0014"
branch_labels = None
depends_on = None

_GRANT = """
GRANT EXECUTE ON FUNCTION bailee_count_decisions(text[], text[], bigint[], text[], text[], text[],
    text[], text[], bigint[], bigint[], bigint[], text[], bigint[], text[], bigint[])
    TO bailee_clerk
"""


def upgrade() -> None:
    """Let it."""
    op.get_bind().exec_driver_sql(_GRANT)
