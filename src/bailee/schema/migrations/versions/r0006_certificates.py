"""Certificates of organisations, and which of them their clients must show.

Revision: 0006, after 0005. Activating one changes the organisation's or the project's row, so that
gateways notice it as they notice everything else about who may call.
"""

from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels = None
depends_on = None

_CERTIFICATES = """
CREATE TABLE certificates (
    certificate bytea NOT NULL CONSTRAINT certificates_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tenant bytea NOT NULL,
    name text,
    content bytea NOT NULL,
    digest bytea NOT NULL,
    created_at bigint NOT NULL,
    valid_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    CONSTRAINT certificates_tenant_digest_key UNIQUE (tenant, digest),
    CONSTRAINT certificates_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON certificates TO bailee_administrator;
GRANT SELECT ON certificates TO bailee_gateway, bailee_clerk;
ALTER TABLE certificates ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON certificates FOR ALL
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (tenant = decode(current_setting('bailee.tenant', true), 'hex'))
    WITH CHECK (tenant = decode(current_setting('bailee.tenant', true), 'hex'));
CREATE POLICY platform ON certificates FOR SELECT
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (current_setting('bailee.platform', true) = 'read');
"""

_ACTIVE = """
ALTER TABLE organisations ADD COLUMN active_certificates bytea[] NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN active_certificates bytea[] NOT NULL DEFAULT '{}';
DROP TRIGGER changed ON organisations;
CREATE TRIGGER changed BEFORE INSERT OR UPDATE OF name, status, retention_mode,
    active_certificates ON organisations
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
DROP TRIGGER changed ON projects;
CREATE TRIGGER changed BEFORE INSERT OR UPDATE OF name, region, retention_mode, scope_generation,
    status, requests_per_minute, tokens_per_minute, reject_store, model_limits,
    active_certificates ON projects
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
"""


def upgrade() -> None:
    """Make the table and the columns."""
    for script in (_CERTIFICATES, _ACTIVE):
        for statement in filter(str.strip, script.split(";\n")):
            op.get_bind().exec_driver_sql(statement)
