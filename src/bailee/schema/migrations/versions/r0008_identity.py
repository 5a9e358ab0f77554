"""Roles of people, what they sign in with, and their sessions.

Revision: 0008, after 0007. A role is an assignment with a beginning and an end; what `people.role`
said becomes one, and the column goes: `owner` was an owner, `reader` a developer.
"""

from typing import Final

from alembic import op

revision = "0008"
down_revision: str | None = "0007"
branch_labels = None
depends_on = None

_ROLES = """
ALTER TABLE organisations ADD COLUMN house boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX organisations_house_idx ON organisations (house) WHERE house;
CREATE TABLE role_assignments (
    assignment bytea NOT NULL CONSTRAINT role_assignments_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    person bytea NOT NULL,
    role text NOT NULL,
    given_by text NOT NULL,
    given_at bigint NOT NULL,
    ended_by text,
    ended_at bigint,
    confirmed_by text,
    confirmed_at bigint,
    CONSTRAINT role_assignments_tenant_fkey FOREIGN KEY (tenant) REFERENCES organisations (tenant)
);
CREATE INDEX role_assignments_tenant_person_idx ON role_assignments (tenant, person);
CREATE UNIQUE INDEX role_assignments_person_role_idx ON role_assignments (person, role)
    WHERE ended_at IS NULL;
INSERT INTO role_assignments (assignment, tenant, person, role, given_by, given_at)
    SELECT uuid_send(gen_random_uuid()), tenant, person,
        CASE role WHEN 'owner' THEN 'owner' ELSE 'developer' END, 'operator', added_at
    FROM people;
ALTER TABLE people DROP COLUMN role;
CREATE TABLE role_confirmations (
    confirmation bytea NOT NULL CONSTRAINT role_confirmations_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    assignment bytea NOT NULL,
    kept boolean NOT NULL,
    decided_by text NOT NULL,
    decided_at bigint NOT NULL,
    CONSTRAINT role_confirmations_tenant_fkey FOREIGN KEY (tenant)
        REFERENCES organisations (tenant),
    CONSTRAINT role_confirmations_assignment_fkey FOREIGN KEY (assignment)
        REFERENCES role_assignments (assignment)
);
CREATE INDEX role_confirmations_tenant_idx ON role_confirmations (tenant);
"""

_IDENTITY = """
CREATE TABLE enrolments (
    digest bytea NOT NULL CONSTRAINT enrolments_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    person bytea NOT NULL,
    made_by text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    CONSTRAINT enrolments_tenant_person_fkey FOREIGN KEY (tenant, person)
        REFERENCES people (tenant, person) ON DELETE CASCADE
);
CREATE INDEX enrolments_tenant_person_idx ON enrolments (tenant, person);
CREATE TABLE passwords (
    person bytea NOT NULL CONSTRAINT passwords_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    verifier text NOT NULL,
    second_factor bytea NOT NULL,
    last_step bigint NOT NULL,
    set_at bigint NOT NULL,
    CONSTRAINT passwords_tenant_person_fkey FOREIGN KEY (tenant, person)
        REFERENCES people (tenant, person) ON DELETE CASCADE
);
CREATE INDEX passwords_tenant_person_idx ON passwords (tenant, person);
CREATE TABLE recovery_codes (
    digest bytea NOT NULL CONSTRAINT recovery_codes_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    person bytea NOT NULL,
    CONSTRAINT recovery_codes_tenant_person_fkey FOREIGN KEY (tenant, person)
        REFERENCES people (tenant, person) ON DELETE CASCADE
);
CREATE INDEX recovery_codes_tenant_person_idx ON recovery_codes (tenant, person);
CREATE TABLE passkeys (
    passkey bytea NOT NULL CONSTRAINT passkeys_pkey PRIMARY KEY,
    tenant bytea NOT NULL,
    person bytea NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint,
    CONSTRAINT passkeys_tenant_person_fkey FOREIGN KEY (tenant, person)
        REFERENCES people (tenant, person) ON DELETE CASCADE
);
CREATE INDEX passkeys_tenant_person_idx ON passkeys (tenant, person);
CREATE TABLE sessions (
    public_id text NOT NULL CONSTRAINT sessions_pkey PRIMARY KEY,
    digest bytea NOT NULL CONSTRAINT sessions_digest_key UNIQUE,
    tenant bytea NOT NULL,
    person bytea NOT NULL,
    method text NOT NULL,
    created_at bigint NOT NULL,
    signed_in_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint,
    CONSTRAINT sessions_tenant_person_fkey FOREIGN KEY (tenant, person)
        REFERENCES people (tenant, person) ON DELETE CASCADE
);
CREATE INDEX sessions_tenant_person_idx ON sessions (tenant, person);
CREATE TABLE sign_in_attempts (
    attempt bytea NOT NULL CONSTRAINT sign_in_attempts_pkey PRIMARY KEY,
    details bytea NOT NULL,
    expires_at bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON role_assignments, passwords, passkeys, sessions
    TO bailee_administrator;
GRANT SELECT, INSERT ON role_confirmations TO bailee_administrator;
GRANT SELECT, INSERT ON enrolments, recovery_codes, sign_in_attempts TO bailee_administrator;
GRANT UPDATE ON sign_in_attempts TO bailee_administrator;
GRANT DELETE ON enrolments, passwords, recovery_codes, passkeys, sessions, sign_in_attempts
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

_TABLES: Final = (
    "role_assignments",
    "role_confirmations",
    "enrolments",
    "passwords",
    "recovery_codes",
    "passkeys",
    "sessions",
)


def upgrade() -> None:
    """Make the tables; turn what people were into assignments."""
    security = (_ROW_SECURITY.format(table=table) for table in _TABLES)
    for script in (_ROLES, _IDENTITY, *security):
        for statement in filter(str.strip, script.split(";\n")):
            op.get_bind().exec_driver_sql(statement)
