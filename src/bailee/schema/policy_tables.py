"""The tables of services and of their policies: drafts, versions, and what they were tried on.

Part of `tables`, which says what holds for all of them.
"""

from typing import Final

import sqlalchemy as sa

from bailee.schema.columns import instant, metadata, number, octets, text

services: Final = sa.Table(
    "services",
    metadata,
    text("service", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    text("english"),
    text("korean"),
    text("registered_by"),
    instant("registered_at"),
)
"""Services beside the API, each with a policy of its own; `projects.service` names one."""

policy_drafts: Final = sa.Table(
    "policy_drafts",
    metadata,
    octets("draft", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    text("version"),
    text("service"),
    text("content"),
    text("endpoints", nullable=True),
    text("state"),
    text("author"),
    instant("created_at"),
    text("written_by"),
    instant("written_at"),
    octets("digest", nullable=True),
    instant("effective_at", nullable=True),
)

policy_approvals: Final = sa.Table(
    "policy_approvals",
    metadata,
    octets("draft", key=True),
    text("actor", key=True),
    instant("approved_at"),
    sa.ForeignKeyConstraint(["draft"], ["policy_drafts.draft"]),
)

policy_versions: Final = sa.Table(
    "policy_versions",
    metadata,
    text("version", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    text("service"),
    instant("effective_at"),
    sa.Column("endpoint_table", sa.BigInteger, nullable=False),
    text("content"),
    text("endpoints", nullable=True),
    octets("digest"),
    octets("draft"),
    text("published_by"),
    instant("published_at"),
    instant("announced_at", nullable=True),
    number("changed"),
    sa.UniqueConstraint("service", "effective_at", name="policy_versions_service_effective_at_key"),
    sa.UniqueConstraint("draft"),
    sa.ForeignKeyConstraint(["draft"], ["policy_drafts.draft"]),
)
"""Published by this installation, beside those that ship with it; never changed."""

policy_notices: Final = sa.Table(
    "policy_notices",
    metadata,
    octets("tenant", key=True),
    text("version", key=True),
    instant("noticed_at"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.ForeignKeyConstraint(["version"], ["policy_versions.version"]),
)
"""Which organisations were told of which version."""

decision_days: Final = sa.Table(
    "decision_days",
    metadata,
    octets("tenant", key=True),
    octets("project", key=True),
    sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
    *(text(name, key=True) for name in ("policy", "service", "endpoint", "region")),
    text("retention_mode", key=True),
    sa.Column("sharing_consent", sa.Boolean, primary_key=True),
    sa.Column("improvement_opt_out", sa.Boolean, primary_key=True),
    sa.Column("protected_health", sa.Boolean, primary_key=True),
    text("store", key=True),
    sa.Column("reject_store", sa.Boolean, primary_key=True),
    text("features", key=True),
    number("calls"),
    sa.Index(None, "day"),
)
"""How often calls had which facts, so that a draft of the policy can be tried on them."""

imported_records: Final = sa.Table(
    "imported_records",
    metadata,
    octets("tenant", key=True),
    octets("project", key=True),
    sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
    text("policy", key=True),
    text("endpoint", key=True),
    text("outcome", key=True),
    number("records"),
)
"""How many records from elsewhere were imported, and which version governs them."""
