"""Applications for retention modes can be withdrawn while nobody has decided them (C08).

Revision: 0017, after 0016.
"""

from alembic import op

revision = "0017"
down_revision: str | None = "0016"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE zero_retention_applications ADD COLUMN withdrawn_at bigint,
    ADD COLUMN withdrawn_by text
"""


def upgrade() -> None:
    """Give applications the two columns."""
    op.get_bind().exec_driver_sql(_COLUMNS)
