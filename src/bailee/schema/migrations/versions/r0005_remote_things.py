"""What lies elsewhere on projects' behalf and ends with what it belongs to.

Revision: 0005, after 0004.
"""

from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels = None
depends_on = None

_REMOTE = """
CREATE TABLE remote_things (
    backend text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    object bytea NOT NULL,
    tenant bytea NOT NULL,
    project bytea NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT remote_things_pkey PRIMARY KEY (backend, name),
    CONSTRAINT remote_things_tenant_project_fkey FOREIGN KEY (tenant, project)
        REFERENCES projects (tenant, project)
);
GRANT SELECT, INSERT, DELETE ON remote_things TO bailee_clerk;
ALTER TABLE remote_things ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON remote_things FOR ALL
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (tenant = decode(current_setting('bailee.tenant', true), 'hex'))
    WITH CHECK (tenant = decode(current_setting('bailee.tenant', true), 'hex'));
CREATE POLICY platform ON remote_things FOR SELECT
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (current_setting('bailee.platform', true) = 'read')
"""


def upgrade() -> None:
    """Make the table."""
    for statement in filter(str.strip, _REMOTE.split(";\n")):
        op.get_bind().exec_driver_sql(statement)
