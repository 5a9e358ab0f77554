"""The first release: tenancy, the ledger, the outbox, leases; roles, policies, change counter.

Revision: 0001, after nothing.
"""

from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None

_TENANCY = """
CREATE TABLE organisations (
    tenant bytea NOT NULL CONSTRAINT organisations_pkey PRIMARY KEY,
    name text NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    changed bigint NOT NULL DEFAULT 0
);
CREATE TABLE projects (
    project bytea NOT NULL CONSTRAINT projects_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    name text NOT NULL,
    region text NOT NULL,
    retention_mode text NOT NULL,
    scope_generation integer NOT NULL DEFAULT 0,
    status text NOT NULL,
    requests_per_minute integer NOT NULL DEFAULT 0,
    tokens_per_minute integer NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    changed bigint NOT NULL DEFAULT 0,
    CONSTRAINT projects_tenant_project_key UNIQUE (tenant, project),
    CONSTRAINT projects_tenant_name_key UNIQUE (tenant, name),
    CONSTRAINT projects_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
CREATE TABLE api_keys (
    public_id text NOT NULL CONSTRAINT api_keys_pkey PRIMARY KEY,
    digest bytea NOT NULL CONSTRAINT api_keys_digest_key UNIQUE,
    tenant bytea NOT NULL,
    project bytea NOT NULL,
    name text NOT NULL,
    requests_per_minute integer NOT NULL DEFAULT 0,
    tokens_per_minute integer NOT NULL DEFAULT 0,
    created_at bigint NOT NULL,
    registered_at bigint,
    expires_at bigint,
    revoked_at bigint,
    withdrawn_at bigint,
    last_used_at bigint,
    changed bigint NOT NULL DEFAULT 0,
    CONSTRAINT api_keys_tenant_project_fkey FOREIGN KEY (tenant, project)
        REFERENCES projects (tenant, project)
);
CREATE INDEX api_keys_tenant_project_idx ON api_keys (tenant, project);
"""

_PLATFORM = """
CREATE TABLE changes (
    topic text NOT NULL CONSTRAINT changes_pkey PRIMARY KEY,
    version bigint NOT NULL DEFAULT 0
);
INSERT INTO changes (topic) VALUES ('tenancy');
CREATE TABLE installation (
    singleton boolean NOT NULL DEFAULT true CONSTRAINT installation_pkey PRIMARY KEY
        CONSTRAINT installation_singleton_check CHECK (singleton),
    installation bytea NOT NULL
);
CREATE TABLE leases (
    name text NOT NULL CONSTRAINT leases_pkey PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    expires_at bigint NOT NULL
);
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
    leaf bytea NOT NULL
);
CREATE TABLE log_positions (
    log_index bigint NOT NULL CONSTRAINT log_positions_pkey PRIMARY KEY,
    leaf_hash bytea NOT NULL
);
CREATE INDEX log_positions_leaf_hash_idx ON log_positions USING hash (leaf_hash);
CREATE TABLE epochs (
    region text NOT NULL,
    purpose text NOT NULL,
    epoch bigint NOT NULL,
    state text NOT NULL,
    opened_at bigint NOT NULL,
    destroyed_at bigint,
    statement bytea,
    CONSTRAINT epochs_pkey PRIMARY KEY (region, purpose, epoch)
);
CREATE INDEX epochs_state_epoch_idx ON epochs (state, epoch);
CREATE TABLE journals (
    journal bigint NOT NULL CONSTRAINT journals_pkey PRIMARY KEY,
    region text NOT NULL,
    epoch bigint NOT NULL,
    node text NOT NULL,
    worker text NOT NULL,
    opened_at bigint NOT NULL,
    state text NOT NULL,
    closed_at bigint,
    parts bigint NOT NULL DEFAULT 0,
    root bytea NOT NULL,
    certificate bytea NOT NULL,
    signature bytea NOT NULL,
    leaf_hash bytea NOT NULL,
    size_bytes bigint NOT NULL DEFAULT 0,
    segment text
);
CREATE INDEX journals_region_epoch_idx ON journals (region, epoch);
CREATE INDEX journals_node_state_epoch_idx ON journals (node, state, epoch);
CREATE TABLE segments (
    key text NOT NULL CONSTRAINT segments_pkey PRIMARY KEY,
    region text NOT NULL,
    epoch bigint NOT NULL,
    purpose text NOT NULL,
    rows bigint NOT NULL DEFAULT 0,
    size_bytes bigint NOT NULL DEFAULT 0,
    digest bytea NOT NULL,
    closed_at bigint NOT NULL
);
CREATE INDEX segments_region_epoch_purpose_idx ON segments (region, epoch, purpose);
CREATE TABLE receipts (
    subject text NOT NULL CONSTRAINT receipts_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    leaf bytea NOT NULL,
    document bytea
);
CREATE INDEX receipts_position_idx ON receipts (position) WHERE document IS NULL;
"""

# A role outlives a database and may have been made by the operator or for another database.
_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
        EXECUTE format('GRANT {role} TO %I WITH SET TRUE, INHERIT FALSE', current_user);
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
"""

_PRIVILEGES = """
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO bailee_gateway, bailee_clerk, bailee_administrator;
GRANT SELECT ON alembic_version, changes, installation
    TO bailee_gateway, bailee_clerk, bailee_administrator;

GRANT SELECT ON organisations, projects, api_keys TO bailee_gateway, bailee_clerk;
GRANT SELECT, INSERT, UPDATE ON organisations, projects, api_keys TO bailee_administrator;
GRANT INSERT ON installation TO bailee_administrator;

GRANT INSERT ON outbox TO bailee_gateway, bailee_administrator;
GRANT SELECT, INSERT, DELETE ON outbox TO bailee_clerk;
GRANT SELECT ON log_positions TO bailee_gateway, bailee_administrator;
GRANT SELECT, INSERT ON log_positions TO bailee_clerk;
GRANT SELECT, INSERT, UPDATE ON leases TO bailee_clerk;

GRANT SELECT, INSERT ON epochs TO bailee_gateway;
GRANT SELECT, INSERT, UPDATE ON journals TO bailee_gateway;
GRANT SELECT ON segments, receipts TO bailee_gateway;
GRANT SELECT, INSERT, UPDATE ON epochs, receipts TO bailee_clerk;
GRANT SELECT, INSERT, UPDATE, DELETE ON journals, segments TO bailee_clerk;
GRANT SELECT ON epochs, journals, segments, receipts TO bailee_administrator;
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
CREATE TRIGGER changed BEFORE INSERT OR UPDATE OF {columns} ON {table}
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
"""

# The counter's row stays locked until commit: versions become visible in their order, so a reader
# that has seen version n has seen every change up to n.
_CHANGED = """
CREATE FUNCTION bailee_changed() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    UPDATE changes SET version = version + 1 WHERE topic = 'tenancy'
        RETURNING version INTO NEW.changed;
    NOTIFY bailee_tenancy;
    RETURN NEW;
END $$;
"""

# The gateway may say when keys were used, and change nothing else of an organisation's.
_USED = """
CREATE FUNCTION bailee_keys_used(public_ids text[], used_at bigint[]) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
    UPDATE api_keys SET last_used_at = greatest(last_used_at, used.at)
    FROM unnest(public_ids, used_at) AS used (public_id, at)
    WHERE api_keys.public_id = used.public_id
$$;
REVOKE ALL ON FUNCTION bailee_keys_used(text[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bailee_keys_used(text[], bigint[]) TO bailee_gateway;
"""

_CHANGING_COLUMNS = {
    "organisations": "name, status",
    "projects": "name, region, retention_mode, scope_generation, status,"
    " requests_per_minute, tokens_per_minute",
    "api_keys": "digest, project, requests_per_minute, tokens_per_minute,"
    " registered_at, expires_at, revoked_at",
}


def upgrade() -> None:
    """Make everything."""
    for role in ("bailee_gateway", "bailee_clerk", "bailee_administrator"):
        _run(_ROLE.format(role=role))
    for script in (_TENANCY, _PLATFORM, _PRIVILEGES):
        for statement in filter(str.strip, script.split(";\n")):
            _run(statement)
    _run(_CHANGED)
    for statement in filter(str.strip, _USED.split(";\n")):
        _run(statement)
    for table, columns in _CHANGING_COLUMNS.items():
        script = _ROW_SECURITY.format(table=table, columns=columns)
        for statement in filter(str.strip, script.split(";\n")):
            _run(statement)


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement)
