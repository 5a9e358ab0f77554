"""Gateway workers' acknowledgements, and the salts of the log's references.

Revision: 0007, after 0006.
"""

from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels = None
depends_on = None

_GATEWAYS = """
CREATE TABLE gateways (
    worker text NOT NULL CONSTRAINT gateways_pkey PRIMARY KEY,
    acknowledged bigint NOT NULL,
    seen_at bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON gateways TO bailee_gateway;
GRANT SELECT ON gateways TO bailee_administrator, bailee_clerk;
"""

# Two random UUIDs are 244 random bits; organisations made from now on bring a salt of their own.
_LOG_SALT = """
ALTER TABLE organisations ADD COLUMN log_salt bytea;
UPDATE organisations SET log_salt = uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
"""


def upgrade() -> None:
    """Make the table and the column."""
    for script in (_GATEWAYS, _LOG_SALT):
        for statement in filter(str.strip, script.split(";\n")):
            op.get_bind().exec_driver_sql(statement)
