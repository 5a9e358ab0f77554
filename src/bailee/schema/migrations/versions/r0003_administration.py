"""Organisation administration: admin keys, service accounts, people, audit events, usage, alerts.

Revision: 0003, after 0002. A project without a retention mode of its own has its organisation's;
those that had the default mode until now chose nothing, and get none.
"""

from typing import Final

from alembic import op

revision = "0003"
down_revision: str | None = "0002"
branch_labels = None
depends_on = None

_TENANCY = """
ALTER TABLE organisations ADD COLUMN retention_mode text NOT NULL DEFAULT 'default';
ALTER TABLE projects ALTER COLUMN retention_mode DROP NOT NULL;
ALTER TABLE projects ADD COLUMN reject_store boolean NOT NULL DEFAULT false;
ALTER TABLE projects ADD COLUMN model_limits text NOT NULL DEFAULT '{}';
ALTER TABLE projects ADD COLUMN archived_at bigint;
UPDATE projects SET retention_mode = NULL WHERE retention_mode = 'default';
DROP TRIGGER changed ON organisations;
CREATE TRIGGER changed BEFORE INSERT OR UPDATE OF name, status, retention_mode ON organisations
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
DROP TRIGGER changed ON projects;
CREATE TRIGGER changed BEFORE INSERT OR UPDATE OF name, region, retention_mode, scope_generation,
    status, requests_per_minute, tokens_per_minute, reject_store, model_limits ON projects
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
CREATE TABLE service_accounts (
    service_account bytea NOT NULL CONSTRAINT service_accounts_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    project bytea NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    created_at bigint NOT NULL,
    deleted_at bigint,
    CONSTRAINT service_accounts_tenant_project_service_account_key
        UNIQUE (tenant, project, service_account),
    CONSTRAINT service_accounts_tenant_project_fkey FOREIGN KEY (tenant, project)
        REFERENCES projects (tenant, project)
);
ALTER TABLE api_keys ADD COLUMN service_account bytea;
ALTER TABLE api_keys ADD CONSTRAINT api_keys_tenant_project_service_account_fkey
    FOREIGN KEY (tenant, project, service_account)
    REFERENCES service_accounts (tenant, project, service_account);
"""

_ADMINISTRATION = """
CREATE TABLE admin_api_keys (
    public_id text NOT NULL CONSTRAINT admin_api_keys_pkey PRIMARY KEY,
    digest bytea NOT NULL CONSTRAINT admin_api_keys_digest_key UNIQUE,
    tenant bytea NOT NULL,
    name text NOT NULL,
    created_at bigint NOT NULL,
    registered_at bigint,
    expires_at bigint,
    revoked_at bigint,
    withdrawn_at bigint,
    last_used_at bigint,
    CONSTRAINT admin_api_keys_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
CREATE INDEX admin_api_keys_tenant_idx ON admin_api_keys (tenant);
CREATE TABLE people (
    person bytea NOT NULL CONSTRAINT people_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    added_at bigint NOT NULL,
    CONSTRAINT people_tenant_person_key UNIQUE (tenant, person),
    CONSTRAINT people_tenant_email_key UNIQUE (tenant, email),
    CONSTRAINT people_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
CREATE TABLE memberships (
    tenant bytea NOT NULL,
    project bytea NOT NULL,
    person bytea NOT NULL,
    role text NOT NULL,
    added_at bigint NOT NULL,
    CONSTRAINT memberships_pkey PRIMARY KEY (project, person),
    CONSTRAINT memberships_tenant_project_fkey FOREIGN KEY (tenant, project)
        REFERENCES projects (tenant, project),
    CONSTRAINT memberships_tenant_person_fkey FOREIGN KEY (tenant, person)
        REFERENCES people (tenant, person) ON DELETE CASCADE
);
CREATE INDEX memberships_tenant_person_idx ON memberships (tenant, person);
CREATE TABLE invites (
    invite bytea NOT NULL CONSTRAINT invites_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    projects text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    accepted_at bigint,
    CONSTRAINT invites_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
CREATE INDEX invites_tenant_idx ON invites (tenant);
CREATE TABLE audit_events (
    event bytea NOT NULL CONSTRAINT audit_events_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tenant bytea NOT NULL,
    effective_at bigint NOT NULL,
    type text NOT NULL,
    actor text NOT NULL,
    project bytea,
    resource text NOT NULL,
    details text NOT NULL,
    CONSTRAINT audit_events_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
CREATE INDEX audit_events_tenant_position_idx ON audit_events (tenant, position);
CREATE TABLE usage_minutes (
    tenant bytea NOT NULL,
    minute bigint NOT NULL,
    project bytea NOT NULL,
    public_id text NOT NULL,
    kind text NOT NULL,
    model text NOT NULL,
    requests bigint NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    CONSTRAINT usage_minutes_pkey PRIMARY KEY (tenant, minute, project, public_id, kind, model)
);
CREATE TABLE spend_alerts (
    alert bytea NOT NULL CONSTRAINT spend_alerts_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tenant bytea NOT NULL,
    project bytea,
    threshold_cents bigint NOT NULL,
    recipients text NOT NULL,
    subject_prefix text,
    created_at bigint NOT NULL,
    reached_month bigint,
    CONSTRAINT spend_alerts_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant),
    CONSTRAINT spend_alerts_tenant_project_fkey FOREIGN KEY (tenant, project)
        REFERENCES projects (tenant, project)
);
CREATE INDEX spend_alerts_tenant_idx ON spend_alerts (tenant);
GRANT SELECT, INSERT, UPDATE ON service_accounts, admin_api_keys, people, memberships, invites,
    spend_alerts TO bailee_administrator;
GRANT DELETE ON people, memberships, invites, spend_alerts TO bailee_administrator;
GRANT SELECT, INSERT ON audit_events TO bailee_administrator;
GRANT SELECT ON usage_minutes TO bailee_administrator, bailee_clerk;
GRANT SELECT, UPDATE (reached_month) ON spend_alerts TO bailee_clerk;
"""

# Gateways add to the counts of every organisation, and see none of them.
_COUNT_USAGE = """
CREATE FUNCTION bailee_count_usage(
    tenants text[], minutes bigint[], projects text[], public_ids text[], kinds text[],
    models text[], requests bigint[], input_tokens bigint[], output_tokens bigint[]
) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    INSERT INTO usage_minutes AS known (tenant, minute, project, public_id, kind, model,
        requests, input_tokens, output_tokens)
    SELECT decode(new.tenant, 'hex'), new.minute, decode(new.project, 'hex'), new.public_id,
        new.kind, new.model, new.requests, new.input_tokens, new.output_tokens
    FROM unnest(tenants, minutes, projects, public_ids, kinds, models, requests, input_tokens,
        output_tokens) AS new (tenant, minute, project, public_id, kind, model, requests,
        input_tokens, output_tokens)
    ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (tenant, minute, project, public_id, kind, model) DO UPDATE SET
        requests = known.requests + excluded.requests,
        input_tokens = known.input_tokens + excluded.input_tokens,
        output_tokens = known.output_tokens + excluded.output_tokens
$$;
REVOKE ALL ON FUNCTION bailee_count_usage(text[], bigint[], text[], text[], text[], text[],
    bigint[], bigint[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bailee_count_usage(text[], bigint[], text[], text[], text[], text[],
    bigint[], bigint[], bigint[]) TO bailee_gateway;
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

_TABLES: Final = (
    "service_accounts",
    "admin_api_keys",
    "people",
    "memberships",
    "invites",
    "audit_events",
    "usage_minutes",
    "spend_alerts",
)


def upgrade() -> None:
    """Make the tables."""
    security = (_ROW_SECURITY.format(table=table) for table in _TABLES)
    for script in (_TENANCY, _ADMINISTRATION, _COUNT_USAGE, *security):
        for statement in filter(str.strip, script.split(";\n")):
            op.get_bind().exec_driver_sql(statement)
