"""The tables of applications for retention modes, and of domains.

Part of `tables`, which says what holds for all of them.
"""

from typing import Final

import sqlalchemy as sa

from bailee.schema.columns import instant, metadata, octets, text

zero_retention_applications: Final = sa.Table(
    "zero_retention_applications",
    metadata,
    octets("application", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    octets("tenant"),
    octets("project", nullable=True),
    *(text(name) for name in ("mode", "category", "use_case")),
    instant("created_at"),
    text("created_by"),
    instant("submitted_at", nullable=True),
    *(text(name, nullable=True) for name in ("submitted_by", "assessment")),
    instant("decided_at", nullable=True),
    text("decided_by", nullable=True),
    sa.Column("approved", sa.Boolean, nullable=True),
    text("reasons", nullable=True),
    *(instant(name, nullable=True) for name in ("since", "review_at", "active_at", "due_at")),
    instant("reviewed_at", nullable=True),
    text("reviewed_by", nullable=True),
    instant("revoked_at", nullable=True),
    *(text(name, nullable=True) for name in ("revoked_by", "revocation_reasons")),
    instant("withdrawn_at", nullable=True),
    text("withdrawn_by", nullable=True),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.ForeignKeyConstraint(["tenant", "project"], ["projects.tenant", "projects.project"]),
    sa.Index(None, "tenant"),
)

verified_domains: Final = sa.Table(
    "verified_domains",
    metadata,
    octets("tenant", key=True),
    text("domain", key=True),
    instant("verified_at"),
    text("verified_by"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
)

APPLICATIONS_TABLES: Final = (zero_retention_applications, verified_domains)
