"""What projects keep until they delete it, and receipts of what has no epoch.

Revision: 0002, after 0001.
"""

from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels = None
depends_on = None

_HELD = """
CREATE TABLE held_objects (
    object bytea NOT NULL CONSTRAINT held_objects_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    project bytea NOT NULL,
    region text NOT NULL,
    kind text NOT NULL,
    public_id text NOT NULL CONSTRAINT held_objects_public_id_key UNIQUE,
    parent bytea,
    position bigint GENERATED ALWAYS AS IDENTITY,
    state text NOT NULL,
    label text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    deleted_at bigint,
    size_bytes bigint NOT NULL DEFAULT 0,
    digest bytea,
    key_block bytea NOT NULL,
    details bytea NOT NULL,
    work_grant bytea,
    CONSTRAINT held_objects_tenant_project_fkey FOREIGN KEY (tenant, project)
        REFERENCES projects (tenant, project)
);
CREATE INDEX held_objects_project_kind_position_idx ON held_objects (project, kind, position);
CREATE INDEX held_objects_parent_position_idx ON held_objects (parent, position);
CREATE INDEX held_objects_state_idx ON held_objects (state)
    WHERE state IN ('pending', 'deleting');
CREATE INDEX held_objects_expires_at_idx ON held_objects (expires_at)
    WHERE expires_at IS NOT NULL AND state <> 'destroyed';
ALTER TABLE receipts ADD COLUMN statement bytea;
GRANT SELECT, INSERT, UPDATE ON held_objects TO bailee_gateway, bailee_clerk;
GRANT SELECT ON held_objects TO bailee_administrator;
GRANT INSERT ON receipts TO bailee_gateway;
ALTER TABLE held_objects ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON held_objects FOR ALL
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (tenant = decode(current_setting('bailee.tenant', true), 'hex'))
    WITH CHECK (tenant = decode(current_setting('bailee.tenant', true), 'hex'));
CREATE POLICY platform ON held_objects FOR SELECT
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (current_setting('bailee.platform', true) = 'read')
"""


def upgrade() -> None:
    """Make the table."""
    for statement in filter(str.strip, _HELD.split(";\n")):
        op.get_bind().exec_driver_sql(statement)
