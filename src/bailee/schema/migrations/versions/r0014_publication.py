"""Drafts and published versions of policies, services, what was decided and what was imported.

Revision: 0014, after 0013. A published version changes what gateways know, so that they notice it
and acknowledge it as they do everything else that decides.
"""

from typing import Final

from alembic import op

revision = "0014"
down_revision: str | None = "0013"
branch_labels = None
depends_on = None

_POLICIES = """
CREATE TABLE policy_drafts (
    draft bytea NOT NULL CONSTRAINT policy_drafts_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    version text NOT NULL,
    service text NOT NULL,
    content text NOT NULL,
    endpoints text,
    state text NOT NULL,
    author text NOT NULL,
    created_at bigint NOT NULL,
    written_by text NOT NULL,
    written_at bigint NOT NULL,
    digest bytea,
    effective_at bigint
);
CREATE TABLE policy_approvals (
    draft bytea NOT NULL,
    actor text NOT NULL,
    approved_at bigint NOT NULL,
    CONSTRAINT policy_approvals_pkey PRIMARY KEY (draft, actor),
    CONSTRAINT policy_approvals_draft_fkey FOREIGN KEY (draft) REFERENCES policy_drafts (draft)
);
CREATE TABLE policy_versions (
    version text NOT NULL CONSTRAINT policy_versions_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    service text NOT NULL,
    effective_at bigint NOT NULL,
    endpoint_table bigint NOT NULL,
    content text NOT NULL,
    endpoints text,
    digest bytea NOT NULL,
    draft bytea NOT NULL,
    published_by text NOT NULL,
    published_at bigint NOT NULL,
    announced_at bigint,
    changed bigint NOT NULL DEFAULT 0,
    CONSTRAINT policy_versions_service_effective_at_key UNIQUE (service, effective_at),
    CONSTRAINT policy_versions_draft_key UNIQUE (draft),
    CONSTRAINT policy_versions_draft_fkey FOREIGN KEY (draft) REFERENCES policy_drafts (draft)
);
CREATE TRIGGER changed BEFORE INSERT ON policy_versions
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
GRANT SELECT, INSERT, UPDATE ON policy_drafts TO bailee_administrator;
GRANT SELECT, INSERT, DELETE ON policy_approvals TO bailee_administrator;
GRANT SELECT, INSERT, UPDATE (announced_at) ON policy_versions TO bailee_administrator;
GRANT SELECT ON policy_versions TO bailee_gateway, bailee_clerk;
CREATE TABLE policy_notices (
    tenant bytea NOT NULL,
    version text NOT NULL,
    noticed_at bigint NOT NULL,
    CONSTRAINT policy_notices_pkey PRIMARY KEY (tenant, version),
    CONSTRAINT policy_notices_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant),
    CONSTRAINT policy_notices_version_fkey FOREIGN KEY (version)
        REFERENCES policy_versions (version)
);
GRANT SELECT, INSERT ON policy_notices TO bailee_administrator;
"""

_SERVICES = """
CREATE TABLE services (
    service text NOT NULL CONSTRAINT services_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    english text NOT NULL,
    korean text NOT NULL,
    registered_by text NOT NULL,
    registered_at bigint NOT NULL
);
GRANT SELECT, INSERT ON services TO bailee_administrator;
ALTER TABLE projects ADD COLUMN service text NOT NULL DEFAULT 'api';
ALTER TABLE projects ADD COLUMN service_since bigint NOT NULL DEFAULT 0;
CREATE TRIGGER changed_service BEFORE UPDATE OF service ON projects
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
"""

_COUNTS = """
CREATE TABLE decision_days (
    tenant bytea NOT NULL,
    project bytea NOT NULL,
    day bigint NOT NULL,
    policy text NOT NULL,
    service text NOT NULL,
    endpoint text NOT NULL,
    region text NOT NULL,
    retention_mode text NOT NULL,
    sharing_consent boolean NOT NULL,
    improvement_opt_out boolean NOT NULL,
    protected_health boolean NOT NULL,
    store text NOT NULL,
    reject_store boolean NOT NULL,
    features text NOT NULL,
    calls bigint NOT NULL DEFAULT 0,
    CONSTRAINT decision_days_pkey PRIMARY KEY (tenant, project, day, policy, service, endpoint,
        region, retention_mode, sharing_consent, improvement_opt_out, protected_health, store,
        reject_store, features)
);
CREATE INDEX decision_days_day_idx ON decision_days (day);
GRANT SELECT ON decision_days TO bailee_administrator;
CREATE TABLE imported_records (
    tenant bytea NOT NULL,
    project bytea NOT NULL,
    day bigint NOT NULL,
    policy text NOT NULL,
    endpoint text NOT NULL,
    outcome text NOT NULL,
    records bigint NOT NULL DEFAULT 0,
    CONSTRAINT imported_records_pkey PRIMARY KEY (tenant, project, day, policy, endpoint, outcome)
);
GRANT SELECT, INSERT, UPDATE ON imported_records TO bailee_administrator;
"""

# Gateways add to the counts of every organisation, and see none of them.
_COUNT_DECISIONS = """
CREATE FUNCTION bailee_count_decisions(
    tenants text[], projects text[], days bigint[], policies text[], services text[],
    endpoints text[], regions text[], retention_modes text[], sharing_consents bigint[],
    improvement_opt_outs bigint[], protected_healths bigint[], stores text[],
    reject_stores bigint[], features text[], calls bigint[]
) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    INSERT INTO decision_days AS known (tenant, project, day, policy, service, endpoint, region,
        retention_mode, sharing_consent, improvement_opt_out, protected_health, store,
        reject_store, features, calls)
    SELECT decode(new.tenant, 'hex'), decode(new.project, 'hex'), new.day, new.policy,
        new.service, new.endpoint, new.region, new.retention_mode, new.sharing_consent = 1,
        new.improvement_opt_out = 1, new.protected_health = 1, new.store, new.reject_store = 1,
        new.features, new.calls
    FROM unnest(tenants, projects, days, policies, services, endpoints, regions, retention_modes,
        sharing_consents, improvement_opt_outs, protected_healths, stores, reject_stores,
        features, calls)
        AS new (tenant, project, day, policy, service, endpoint, region, retention_mode,
        sharing_consent, improvement_opt_out, protected_health, store, reject_store, features,
        calls)
    ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14
    ON CONFLICT ON CONSTRAINT decision_days_pkey DO UPDATE
        SET calls = known.calls + excluded.calls
$$;
REVOKE ALL ON FUNCTION bailee_count_decisions(text[], text[], bigint[], text[], text[], text[],
    text[], text[], bigint[], bigint[], bigint[], text[], bigint[], text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bailee_count_decisions(text[], text[], bigint[], text[], text[], text[],
    text[], text[], bigint[], bigint[], bigint[], text[], bigint[], text[], bigint[])
    TO bailee_gateway;
CREATE FUNCTION bailee_forget_decisions(before_day bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    DELETE FROM decision_days WHERE day < before_day
$$;
REVOKE ALL ON FUNCTION bailee_forget_decisions(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bailee_forget_decisions(bigint) TO bailee_clerk;
"""

# A version brings deadlines forward, never back; whose they are is not seen by who publishes it.
_SHORTEN = """
CREATE FUNCTION bailee_shorten_stored(
    of_service text, effective_at bigint, stored_ms bigint, kinds text[], early_ms bigint,
    epoch_ms bigint
) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    WITH bounds AS (
        SELECT held.object, greatest(effective_at,
            held.created_at / epoch_ms * epoch_ms + stored_ms) - early_ms AS at
        FROM held_objects AS held JOIN projects AS p ON p.project = held.project
        WHERE p.service = of_service AND held.created_at >= p.service_since
            AND held.created_at < effective_at AND held.kind = ANY (kinds)
            AND held.state <> 'destroyed'
    ), shortened AS (
        UPDATE held_objects AS held SET expires_at = bounds.at FROM bounds
        WHERE held.object = bounds.object AND held.expires_at > bounds.at
        RETURNING held.object
    )
    SELECT count(*) FROM shortened
$$;
REVOKE ALL ON FUNCTION bailee_shorten_stored(text, bigint, bigint, text[], bigint, bigint)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bailee_shorten_stored(text, bigint, bigint, text[], bigint, bigint)
    TO bailee_administrator;
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

_TABLES: Final = ("policy_notices", "decision_days", "imported_records")


def upgrade() -> None:
    """Make the tables, the column of projects, and what works on them."""
    security = (_ROW_SECURITY.format(table=table) for table in _TABLES)
    for script in (_POLICIES, _SERVICES, _COUNTS, _COUNT_DECISIONS, _SHORTEN, *security):
        for statement in filter(str.strip, script.split(";\n")):
            op.get_bind().exec_driver_sql(statement)
