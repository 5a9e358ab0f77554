"""Consent: the ledger, and what gateways know of it.

Revision: 0009, after 0008. `sharing` and `opt_out` repeat what the ledger says now, as the instants
at which it begins and ceases to stand; null: the project has stated nothing of its own.
"""

from alembic import op

revision = "0009"
down_revision: str | None = "0008"
branch_labels = None
depends_on = None

_CONSENTS = """
CREATE TABLE consents (
    statement bytea NOT NULL CONSTRAINT consents_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tenant bytea NOT NULL,
    project bytea,
    kind text NOT NULL,
    stands boolean NOT NULL,
    valid_from bigint NOT NULL,
    valid_until bigint,
    recorded_at bigint NOT NULL,
    superseded_at bigint,
    text text,
    text_digest bytea,
    actor text NOT NULL,
    CONSTRAINT consents_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant),
    CONSTRAINT consents_tenant_project_fkey FOREIGN KEY (tenant, project)
        REFERENCES projects (tenant, project)
);
CREATE INDEX consents_tenant_position_idx ON consents (tenant, position);
GRANT SELECT, INSERT, UPDATE (superseded_at) ON consents TO bailee_administrator;
GRANT SELECT ON consents TO bailee_clerk;
ALTER TABLE consents ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON consents FOR ALL
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (tenant = decode(current_setting('bailee.tenant', true), 'hex'))
    WITH CHECK (tenant = decode(current_setting('bailee.tenant', true), 'hex'));
CREATE POLICY platform ON consents FOR SELECT
    TO bailee_gateway, bailee_clerk, bailee_administrator
    USING (current_setting('bailee.platform', true) = 'read');
"""

_FACTS = """
ALTER TABLE organisations ADD COLUMN sharing bigint[] NOT NULL DEFAULT '{}',
    ADD COLUMN opt_out bigint[] NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN sharing bigint[], ADD COLUMN opt_out bigint[],
    ADD COLUMN training_generation integer NOT NULL DEFAULT 0,
    ADD COLUMN training_ended_at bigint NOT NULL DEFAULT 0;
CREATE TRIGGER consented BEFORE UPDATE OF sharing, opt_out ON organisations
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
CREATE TRIGGER consented BEFORE UPDATE OF sharing, opt_out, training_generation ON projects
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
GRANT UPDATE (training_generation, training_ended_at) ON projects TO bailee_clerk;
GRANT INSERT ON receipts TO bailee_administrator;
"""


def upgrade() -> None:
    """Make the table and the columns."""
    for script in (_CONSENTS, _FACTS):
        for statement in filter(str.strip, script.split(";\n")):
            op.get_bind().exec_driver_sql(statement)
