"""Agreements, the versions that were published, and projects under protection.

Revision: 0010, after 0009. Who administers can sign and counter-sign but has no right to the
columns that execute: only the clerk puts the document down. What was executed does not change.
"""

from alembic import op

revision = "0010"
down_revision: str | None = "0009"
branch_labels = None
depends_on = None

_AGREEMENTS = """
CREATE TABLE agreements (
    agreement bytea NOT NULL CONSTRAINT agreements_pkey PRIMARY KEY,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tenant bytea NOT NULL,
    kind text NOT NULL,
    version text NOT NULL,
    text_digest bytea NOT NULL,
    language text NOT NULL,
    state text NOT NULL,
    form text NOT NULL,
    created_at bigint NOT NULL,
    submitted_at bigint,
    reviewed_by text,
    reviewed_at bigint,
    review_reasons text,
    signed_by text,
    signed_name text,
    signed_title text,
    signed_at bigint,
    countersigned_by text,
    countersigned_name text,
    countersigned_title text,
    countersigned_at bigint,
    operator_name text,
    operator_address text,
    executed_at bigint,
    document bytea,
    document_digest bytea,
    in_force_until bigint,
    ended_by text,
    ended_at bigint,
    end_reasons text,
    CONSTRAINT agreements_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant),
    CONSTRAINT agreements_countersigned_check CHECK (countersigned_at IS NULL
        OR (signed_at IS NOT NULL AND operator_name IS NOT NULL)),
    CONSTRAINT agreements_executed_check CHECK (state NOT IN ('executed', 'superseded')
        OR (countersigned_at IS NOT NULL AND executed_at IS NOT NULL)),
    CONSTRAINT agreements_document_check CHECK ((executed_at IS NULL) = (document IS NULL)
        AND (document IS NULL) = (document_digest IS NULL)
        AND (document IS NULL OR sha256(document) = document_digest))
);
CREATE INDEX agreements_tenant_idx ON agreements (tenant, position);
CREATE INDEX agreements_state_idx ON agreements (state);
CREATE UNIQUE INDEX agreements_open_idx ON agreements (tenant, kind) WHERE state IN
    ('draft', 'submitted', 'in_review', 'accepted', 'signed', 'countersigned');
CREATE FUNCTION bailee_executed_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.executed_at IS NOT NULL AND (to_jsonb(OLD)
            - '{state,in_force_until,ended_by,ended_at,end_reasons}'::text[])
        IS DISTINCT FROM (to_jsonb(NEW)
            - '{state,in_force_until,ended_by,ended_at,end_reasons}'::text[]) THEN
        RAISE EXCEPTION 'an executed agreement does not change' USING ERRCODE = '23514'\\;
    END IF\\;
    RETURN NEW\\;
END
$$;
CREATE TRIGGER executed_stands BEFORE UPDATE ON agreements
    FOR EACH ROW EXECUTE FUNCTION bailee_executed_stands();
GRANT SELECT,
    INSERT (agreement, tenant, kind, version, text_digest, language, state, form, created_at),
    UPDATE (state, form, submitted_at, reviewed_by, reviewed_at, review_reasons, signed_by,
        signed_name, signed_title, signed_at, countersigned_by, countersigned_name,
        countersigned_title, countersigned_at, operator_name, operator_address, ended_by, ended_at,
        end_reasons)
    ON agreements TO bailee_administrator;
GRANT SELECT,
    UPDATE (state, executed_at, document, document_digest, in_force_until, ended_by, ended_at,
        end_reasons)
    ON agreements TO bailee_clerk;
GRANT INSERT ON audit_events TO bailee_clerk;
ALTER TABLE agreements ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON agreements FOR ALL
    TO bailee_clerk, bailee_administrator
    USING (tenant = decode(current_setting('bailee.tenant', true), 'hex'))
    WITH CHECK (tenant = decode(current_setting('bailee.tenant', true), 'hex'));
CREATE POLICY platform ON agreements FOR SELECT
    TO bailee_clerk, bailee_administrator
    USING (current_setting('bailee.platform', true) = 'read');
"""

_VERSIONS = """
CREATE TABLE agreement_versions (
    kind text NOT NULL,
    version text NOT NULL,
    text_digest bytea NOT NULL,
    published_at bigint NOT NULL,
    published_by text NOT NULL,
    CONSTRAINT agreement_versions_pkey PRIMARY KEY (kind, version)
);
GRANT SELECT, INSERT ON agreement_versions TO bailee_administrator;
GRANT SELECT ON agreement_versions TO bailee_clerk;
"""

_PROTECTED = """
ALTER TABLE projects ADD COLUMN protected_health boolean NOT NULL DEFAULT false;
DROP TRIGGER changed ON projects;
CREATE TRIGGER changed BEFORE INSERT OR UPDATE OF name, region, retention_mode, scope_generation,
    status, requests_per_minute, tokens_per_minute, reject_store, model_limits,
    active_certificates, protected_health ON projects
    FOR EACH ROW EXECUTE FUNCTION bailee_changed();
"""


def upgrade() -> None:
    """Make the tables and the column."""
    for script in (_AGREEMENTS, _VERSIONS, _PROTECTED):
        for statement in filter(str.strip, script.replace("\\;\n", "\0").split(";\n")):
            op.get_bind().exec_driver_sql(statement.replace("\0", ";\n"))
