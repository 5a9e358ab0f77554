"""Every table of the database, as SQLAlchemy Core metadata.

The migrations make the tables; this says what they amount to, and a test keeps the two equal.
Instants are whole milliseconds since the POSIX epoch in `bigint`. Every table is either one of
`TENANT_TABLES`, and then under row-level security, or holds no organisation's data. Privileges,
policies and triggers are in the migrations alone.
"""

from typing import Final

import sqlalchemy as sa

from bailee.schema.agreement_tables import agreement_versions as agreement_versions
from bailee.schema.agreement_tables import agreements
from bailee.schema.applications_tables import APPLICATIONS_TABLES
from bailee.schema.columns import instant as _instant
from bailee.schema.columns import instants as _instants
from bailee.schema.columns import metadata as metadata
from bailee.schema.columns import number as _number
from bailee.schema.columns import octets as _bytes
from bailee.schema.columns import several_octets as _several_bytes
from bailee.schema.columns import text as _text
from bailee.schema.people_tables import (
    enrolments,
    passkeys,
    passwords,
    recovery_codes,
    role_assignments,
    role_confirmations,
    sessions,
)
from bailee.schema.policy_tables import decision_days, imported_records, policy_notices
from bailee.schema.webhooks_tables import WEBHOOKS_TABLES

organisations: Final = sa.Table(
    "organisations",
    metadata,
    _bytes("tenant", key=True),
    _text("name"),
    _text("status"),
    _instant("created_at"),
    _number("changed"),
    sa.Column("retention_mode", sa.Text, nullable=False, server_default="default"),
    _several_bytes("active_certificates"),
    _bytes("log_salt", nullable=True),
    _instants("sharing"),
    _instants("opt_out"),
    sa.Column("house", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("organisations_house_idx", "house", unique=True, postgresql_where=sa.text("house")),
)
"""`house`: the operator's own organisation, at most one."""

projects: Final = sa.Table(
    "projects",
    metadata,
    _bytes("project", key=True),
    _bytes("tenant"),
    _text("name"),
    _text("region"),
    _text("retention_mode", nullable=True),
    sa.Column("scope_generation", sa.Integer, nullable=False, server_default="0"),
    _text("status"),
    sa.Column("requests_per_minute", sa.Integer, nullable=False, server_default="0"),
    sa.Column("tokens_per_minute", sa.Integer, nullable=False, server_default="0"),
    _instant("created_at"),
    _number("changed"),
    sa.Column("reject_store", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("model_limits", sa.Text, nullable=False, server_default="{}"),
    _instant("archived_at", nullable=True),
    _several_bytes("active_certificates"),
    _instants("sharing", nullable=True),
    _instants("opt_out", nullable=True),
    sa.Column("training_generation", sa.Integer, nullable=False, server_default="0"),
    _number("training_ended_at"),
    sa.Column("service", sa.Text, nullable=False, server_default="api"),
    _number("service_since"),
    sa.Column("protected_health", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("tenant", "project"),
    sa.UniqueConstraint("tenant", "name"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
)

api_keys: Final = sa.Table(
    "api_keys",
    metadata,
    _text("public_id", key=True),
    _bytes("digest"),
    _bytes("tenant"),
    _bytes("project"),
    _text("name"),
    sa.Column("requests_per_minute", sa.Integer, nullable=False, server_default="0"),
    sa.Column("tokens_per_minute", sa.Integer, nullable=False, server_default="0"),
    _instant("created_at"),
    _instant("registered_at", nullable=True),
    _instant("expires_at", nullable=True),
    _instant("revoked_at", nullable=True),
    _instant("withdrawn_at", nullable=True),
    _instant("last_used_at", nullable=True),
    _number("changed"),
    _bytes("service_account", nullable=True),
    sa.UniqueConstraint("digest"),
    sa.ForeignKeyConstraint(["tenant", "project"], ["projects.tenant", "projects.project"]),
    sa.ForeignKeyConstraint(
        ["tenant", "project", "service_account"],
        [
            "service_accounts.tenant",
            "service_accounts.project",
            "service_accounts.service_account",
        ],
    ),
    sa.Index(None, "tenant", "project"),
)

service_accounts: Final = sa.Table(
    "service_accounts",
    metadata,
    _bytes("service_account", key=True),
    _bytes("tenant"),
    _bytes("project"),
    _text("name"),
    _text("role"),
    _instant("created_at"),
    _instant("deleted_at", nullable=True),
    sa.UniqueConstraint("tenant", "project", "service_account"),
    sa.ForeignKeyConstraint(["tenant", "project"], ["projects.tenant", "projects.project"]),
)

admin_api_keys: Final = sa.Table(
    "admin_api_keys",
    metadata,
    _text("public_id", key=True),
    _bytes("digest"),
    _bytes("tenant"),
    _text("name"),
    _instant("created_at"),
    _instant("registered_at", nullable=True),
    _instant("expires_at", nullable=True),
    _instant("revoked_at", nullable=True),
    _instant("withdrawn_at", nullable=True),
    _instant("last_used_at", nullable=True),
    sa.UniqueConstraint("digest"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.Index(None, "tenant"),
)

people: Final = sa.Table(
    "people",
    metadata,
    _bytes("person", key=True),
    _bytes("tenant"),
    _text("email"),
    _text("name"),
    _instant("added_at"),
    sa.UniqueConstraint("tenant", "person"),
    sa.UniqueConstraint("tenant", "email"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
)

memberships: Final = sa.Table(
    "memberships",
    metadata,
    _bytes("tenant"),
    _bytes("project", key=True),
    _bytes("person", key=True),
    _text("role"),
    _instant("added_at"),
    sa.ForeignKeyConstraint(["tenant", "project"], ["projects.tenant", "projects.project"]),
    sa.ForeignKeyConstraint(
        ["tenant", "person"], ["people.tenant", "people.person"], ondelete="CASCADE"
    ),
    sa.Index(None, "tenant", "person"),
)

invites: Final = sa.Table(
    "invites",
    metadata,
    _bytes("invite", key=True),
    _bytes("tenant"),
    _text("email"),
    _text("role"),
    _text("projects"),
    _instant("created_at"),
    _instant("expires_at"),
    _instant("accepted_at", nullable=True),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.Index(None, "tenant"),
)

audit_events: Final = sa.Table(
    "audit_events",
    metadata,
    _bytes("event", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    _bytes("tenant"),
    _instant("effective_at"),
    _text("type"),
    _text("actor"),
    _bytes("project", nullable=True),
    _text("resource"),
    _text("details"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.Index(None, "tenant", "position"),
)
"""Who changed what of an organisation; appended alone."""

usage_minutes: Final = sa.Table(
    "usage_minutes",
    metadata,
    _bytes("tenant", key=True),
    sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
    _bytes("project", key=True),
    _text("public_id", key=True),
    _text("kind", key=True),
    _text("model", key=True),
    _number("requests"),
    _number("input_tokens"),
    _number("output_tokens"),
)
"""What was used; numbers that outlive what they were counted from. `minute`: since the epoch."""

spend_alerts: Final = sa.Table(
    "spend_alerts",
    metadata,
    _bytes("alert", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    _bytes("tenant"),
    _bytes("project", nullable=True),
    sa.Column("threshold_cents", sa.BigInteger, nullable=False),
    _text("recipients"),
    _text("subject_prefix", nullable=True),
    _instant("created_at"),
    sa.Column("reached_month", sa.BigInteger, nullable=True),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.ForeignKeyConstraint(["tenant", "project"], ["projects.tenant", "projects.project"]),
    sa.Index(None, "tenant"),
)

certificates: Final = sa.Table(
    "certificates",
    metadata,
    _bytes("certificate", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    _bytes("tenant"),
    _text("name", nullable=True),
    _bytes("content"),
    _bytes("digest"),
    _instant("created_at"),
    _instant("valid_at"),
    _instant("expires_at"),
    sa.UniqueConstraint("tenant", "digest"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
)
"""What organisations want their clients to show; `active_certificates` elsewhere names some."""

consents: Final = sa.Table(
    "consents",
    metadata,
    _bytes("statement", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    _bytes("tenant"),
    _bytes("project", nullable=True),
    _text("kind"),
    sa.Column("stands", sa.Boolean, nullable=False),
    _instant("valid_from"),
    _instant("valid_until", nullable=True),
    _instant("recorded_at"),
    _instant("superseded_at", nullable=True),
    _text("text", nullable=True),
    _bytes("text_digest", nullable=True),
    _text("actor"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.ForeignKeyConstraint(["tenant", "project"], ["projects.tenant", "projects.project"]),
    sa.Index(None, "tenant", "position"),
)
"""The ledger of consent, bitemporal; a row is never changed but for being superseded."""

held_objects: Final = sa.Table(
    "held_objects",
    metadata,
    _bytes("object", key=True),
    _bytes("tenant"),
    _bytes("project"),
    _text("region"),
    _text("kind"),
    _text("public_id"),
    _bytes("parent", nullable=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    _text("state"),
    _text("label"),
    _instant("created_at"),
    _instant("expires_at", nullable=True),
    _instant("deleted_at", nullable=True),
    _number("size_bytes"),
    _bytes("digest", nullable=True),
    _bytes("key_block"),
    _bytes("details"),
    _bytes("work_grant", nullable=True),
    sa.UniqueConstraint("public_id"),
    sa.ForeignKeyConstraint(["tenant", "project"], ["projects.tenant", "projects.project"]),
    sa.Index(None, "project", "kind", "position"),
    sa.Index(None, "parent", "position"),
    sa.Index(
        "held_objects_state_idx",
        "state",
        postgresql_where=sa.text("state IN ('pending', 'deleting')"),
    ),
    sa.Index(
        "held_objects_expires_at_idx",
        "expires_at",
        postgresql_where=sa.text("expires_at IS NOT NULL AND state <> 'destroyed'"),
    ),
)
"""What projects keep until they delete it: one row each, names and metadata sealed in `details`."""

remote_things: Final = sa.Table(
    "remote_things",
    metadata,
    _text("backend", key=True),
    _text("name", key=True),
    _text("kind"),
    _bytes("object"),
    _bytes("tenant"),
    _bytes("project"),
    _instant("created_at"),
    sa.ForeignKeyConstraint(["tenant", "project"], ["projects.tenant", "projects.project"]),
)
"""What lies elsewhere on projects' behalf until what it belongs to has ended here."""

TENANT_TABLES: Final = (
    organisations,
    projects,
    api_keys,
    held_objects,
    remote_things,
    service_accounts,
    admin_api_keys,
    people,
    memberships,
    role_assignments,
    role_confirmations,
    enrolments,
    passwords,
    recovery_codes,
    passkeys,
    sessions,
    invites,
    audit_events,
    usage_minutes,
    spend_alerts,
    certificates,
    consents,
    policy_notices,
    decision_days,
    imported_records,
    agreements,
    *APPLICATIONS_TABLES,
    *WEBHOOKS_TABLES,
)
"""What belongs to an organisation: row-level security on column `tenant`."""

changes: Final = sa.Table(
    "changes",
    metadata,
    _text("topic", key=True),
    _number("version"),
)

gateways: Final = sa.Table(
    "gateways",
    metadata,
    _text("worker", key=True),
    sa.Column("acknowledged", sa.BigInteger, nullable=False),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
)
"""Which version of the facts each gateway worker acts on; `seen_at` by the database's clock."""

installation: Final = sa.Table(
    "installation",
    metadata,
    sa.Column("singleton", sa.Boolean, primary_key=True, server_default=sa.true()),
    _bytes("installation"),
    sa.CheckConstraint("singleton", name="singleton"),
)

leases: Final = sa.Table(
    "leases",
    metadata,
    _text("name", key=True),
    _text("holder"),
    sa.Column("token", sa.BigInteger, nullable=False),
    _instant("expires_at"),
)

outbox: Final = sa.Table(
    "outbox",
    metadata,
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _bytes("leaf"),
)
"""What waits to enter the log. A row goes when its entry has an index."""

log_positions: Final = sa.Table(
    "log_positions",
    metadata,
    sa.Column("log_index", sa.BigInteger, primary_key=True, autoincrement=False),
    _bytes("leaf_hash"),
    sa.Index(None, "leaf_hash", postgresql_using="hash"),
)
"""Where in the log an entry is, by its RFC 6962 leaf hash."""

home_region: Final = sa.Table(
    "home_region",
    metadata,
    sa.Column("singleton", sa.Boolean, primary_key=True, server_default=sa.true()),
    _text("region"),
    sa.CheckConstraint("singleton", name="singleton"),
)
"""Whose database this is: rows of another region never enter it."""

epochs: Final = sa.Table(
    "epochs",
    metadata,
    _text("region", key=True),
    _text("purpose", key=True),
    sa.Column("epoch", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("state"),
    _instant("opened_at"),
    _instant("destroyed_at", nullable=True),
    _bytes("statement", nullable=True),
    sa.Index(None, "state", "epoch"),
)

journals: Final = sa.Table(
    "journals",
    metadata,
    sa.Column("journal", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("region"),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    _text("node"),
    _text("worker"),
    _instant("opened_at"),
    _text("state"),
    _instant("closed_at", nullable=True),
    _number("parts"),
    _bytes("root"),
    _bytes("certificate"),
    _bytes("signature"),
    _bytes("leaf_hash"),
    _number("size_bytes"),
    _text("segment", nullable=True),
    sa.Index(None, "region", "epoch"),
    sa.Index(None, "node", "state", "epoch"),
)
"""Column `journal` is the unsigned identifier less 2⁶³."""

segments: Final = sa.Table(
    "segments",
    metadata,
    _text("key", key=True),
    _text("region"),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    _text("purpose"),
    _number("rows"),
    _number("size_bytes"),
    _bytes("digest"),
    _instant("closed_at"),
    sa.Index(None, "region", "epoch", "purpose"),
)

receipts: Final = sa.Table(
    "receipts",
    metadata,
    _text("subject", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    _bytes("leaf"),
    _bytes("document", nullable=True),
    _bytes("statement", nullable=True),
    sa.Index("receipts_position_idx", "position", postgresql_where=sa.text("document IS NULL")),
)
