"""Webhooks: endpoints of organisations, and a delivery for each event and endpoint.

Revision: 0012, after 0011. A trigger adds the deliveries, so that whatever writes an audit event
announces it in the same transaction, and no noun knows of webhooks.
"""

from typing import Final

from alembic import op

revision = "0012"
down_revision: str | None = "0011"
branch_labels = None
depends_on = None

_WEBHOOKS = """
CREATE TABLE webhook_endpoints (
    endpoint bytea NOT NULL CONSTRAINT webhook_endpoints_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tenant bytea NOT NULL,
    url text NOT NULL,
    types text[] NOT NULL,
    description text NOT NULL,
    created_at bigint NOT NULL,
    disabled text,
    disabled_at bigint,
    generation bigint NOT NULL DEFAULT 0,
    previous_until bigint,
    failing_since bigint,
    CONSTRAINT webhook_endpoints_tenant_endpoint_key UNIQUE (tenant, endpoint),
    CONSTRAINT webhook_endpoints_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
CREATE TABLE webhook_deliveries (
    tenant bytea NOT NULL,
    endpoint bytea NOT NULL,
    event bytea NOT NULL,
    created_at bigint NOT NULL,
    state text NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    next_at bigint NOT NULL,
    attempted_at bigint,
    status bigint,
    problem text,
    delivered_at bigint,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (endpoint, event),
    CONSTRAINT webhook_deliveries_tenant_endpoint_fkey FOREIGN KEY (tenant, endpoint)
        REFERENCES webhook_endpoints (tenant, endpoint) ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_event_fkey FOREIGN KEY (event) REFERENCES audit_events (event)
);
CREATE INDEX webhook_deliveries_next_at_idx ON webhook_deliveries (next_at)
    WHERE state = 'pending';
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints TO bailee_administrator;
GRANT SELECT, INSERT, UPDATE ON webhook_deliveries TO bailee_administrator;
GRANT SELECT, UPDATE (disabled, disabled_at, failing_since) ON webhook_endpoints TO bailee_clerk;
GRANT SELECT, DELETE, UPDATE (state, attempts, next_at, attempted_at, status, problem,
    delivered_at) ON webhook_deliveries TO bailee_clerk;
GRANT SELECT ON audit_events TO bailee_clerk;
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

# The owner is above row-level security, so that the organisation is named here.
_ANNOUNCE = """
CREATE FUNCTION bailee_announce() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
    INSERT INTO webhook_deliveries (tenant, endpoint, event, created_at, state, next_at)
    SELECT e.tenant, e.endpoint, NEW.event, NEW.effective_at, 'pending', NEW.effective_at
    FROM webhook_endpoints e
    WHERE e.tenant = NEW.tenant AND e.disabled IS NULL
        AND e.types && ARRAY[NEW.type, '*'];
    RETURN NULL;
END $$;
"""
_ANNOUNCED = """
CREATE TRIGGER announced AFTER INSERT ON audit_events
    FOR EACH ROW EXECUTE FUNCTION bailee_announce()
"""

_TABLES: Final = ("webhook_endpoints", "webhook_deliveries")


def upgrade() -> None:
    """Make the tables and the trigger."""
    security = (_ROW_SECURITY.format(table=table) for table in _TABLES)
    for script in (_WEBHOOKS, *security):
        for statement in filter(str.strip, script.split(";\n")):
            op.get_bind().exec_driver_sql(statement)
    for statement in (_ANNOUNCE, _ANNOUNCED):
        op.get_bind().exec_driver_sql(statement)
