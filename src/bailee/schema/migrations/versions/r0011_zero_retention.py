"""Applications for retention modes (C08), and domains that an operator has verified.

Revision: 0011, after 0010. A mode that was set before applications existed was set by the
operator's word, or by an admin key that the operator had given out: it is written down as approved
on the machine, to be reviewed within a year, so that it goes on and can be revoked.
"""

from typing import Final

from alembic import op

revision = "0011"
down_revision: str | None = "0010"
branch_labels = None
depends_on = None

_APPLICATIONS = """
CREATE TABLE zero_retention_applications (
    application bytea NOT NULL CONSTRAINT zero_retention_applications_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tenant bytea NOT NULL,
    project bytea,
    mode text NOT NULL,
    category text NOT NULL,
    use_case text NOT NULL,
    created_at bigint NOT NULL,
    created_by text NOT NULL,
    submitted_at bigint,
    submitted_by text,
    assessment text,
    decided_at bigint,
    decided_by text,
    approved boolean,
    reasons text,
    since bigint,
    review_at bigint,
    active_at bigint,
    due_at bigint,
    reviewed_at bigint,
    reviewed_by text,
    revoked_at bigint,
    revoked_by text,
    revocation_reasons text,
    CONSTRAINT zero_retention_applications_tenant_fkey FOREIGN KEY (tenant)
        REFERENCES organisations (tenant),
    CONSTRAINT zero_retention_applications_tenant_project_fkey FOREIGN KEY (tenant, project)
        REFERENCES projects (tenant, project)
);
CREATE INDEX zero_retention_applications_tenant_idx ON zero_retention_applications (tenant);
CREATE TABLE verified_domains (
    tenant bytea NOT NULL,
    domain text NOT NULL,
    verified_at bigint NOT NULL,
    verified_by text NOT NULL,
    CONSTRAINT verified_domains_pkey PRIMARY KEY (tenant, domain),
    CONSTRAINT verified_domains_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
GRANT SELECT, INSERT, UPDATE ON zero_retention_applications TO bailee_administrator;
GRANT SELECT, UPDATE (active_at, due_at) ON zero_retention_applications TO bailee_clerk;
GRANT SELECT, INSERT, DELETE ON verified_domains TO bailee_administrator;
GRANT UPDATE (retention_mode) ON organisations, projects TO bailee_clerk;
GRANT INSERT ON audit_events TO bailee_clerk;
"""

_ROW_SECURITY = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table} FOR ALL
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (tenant = decode(current_setting('bailee.tenant', true), 'hex'))
    WITH CHECK (tenant = decode(current_setting('bailee.tenant', true), 'hex'));
CREATE POLICY platform ON {table} FOR SELECT
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (current_setting('bailee.platform', true) = 'read');
"""

_STANDING = """
INSERT INTO zero_retention_applications (application, tenant, project, mode, category, use_case,
    created_at, created_by, decided_at, decided_by, approved, reasons, since, review_at, active_at)
SELECT uuid_send(gen_random_uuid()), found.tenant, found.project, found.mode, 'operator',
    'Set before applications existed.', at.now, 'operator', at.now, 'operator', true,
    'Set before applications existed.', at.now, at.now + 31536000000, at.now
FROM (
    SELECT tenant, CAST(NULL AS bytea) AS project, retention_mode AS mode FROM organisations
    WHERE retention_mode <> 'default'
    UNION ALL
    SELECT tenant, project, retention_mode FROM projects
    WHERE retention_mode IS NOT NULL AND retention_mode <> 'default'
) AS found, (
    SELECT CAST(1000 * extract(epoch FROM now()) AS bigint) AS now
) AS at
"""

_TABLES: Final = ("zero_retention_applications", "verified_domains")


def upgrade() -> None:
    """Make the tables, and write down what stands."""
    security = (_ROW_SECURITY.format(table=table) for table in _TABLES)
    for script in (_APPLICATIONS, _STANDING, *security):
        for statement in filter(str.strip, script.split(";\n")):
            op.get_bind().exec_driver_sql(statement)
