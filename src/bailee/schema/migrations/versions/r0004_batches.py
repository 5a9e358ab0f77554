"""The worker, in the clerk's role, counts what the lines of batches use.

Revision: 0004, after 0003.
"""

from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels = None
depends_on = None

_GRANT = """
GRANT EXECUTE ON FUNCTION bailee_count_usage(text[], bigint[], text[], text[], text[], text[],
    bigint[], bigint[], bigint[]) TO bailee_clerk
"""


def upgrade() -> None:
    """Let it."""
    op.get_bind().exec_driver_sql(_GRANT)
