"""Tables of agreements: a part of `schema.tables`."""

from typing import Final

import sqlalchemy as sa

from bailee.schema.columns import instant, metadata, octets, text

agreements: Final = sa.Table(
    "agreements",
    metadata,
    octets("agreement", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    octets("tenant"),
    text("kind"),
    text("version"),
    octets("text_digest"),
    text("language"),
    text("state"),
    text("form"),
    instant("created_at"),
    instant("submitted_at", nullable=True),
    text("reviewed_by", nullable=True),
    instant("reviewed_at", nullable=True),
    text("review_reasons", nullable=True),
    text("signed_by", nullable=True),
    text("signed_name", nullable=True),
    text("signed_title", nullable=True),
    instant("signed_at", nullable=True),
    text("countersigned_by", nullable=True),
    text("countersigned_name", nullable=True),
    text("countersigned_title", nullable=True),
    instant("countersigned_at", nullable=True),
    text("operator_name", nullable=True),
    text("operator_address", nullable=True),
    instant("executed_at", nullable=True),
    octets("document", nullable=True),
    octets("document_digest", nullable=True),
    instant("in_force_until", nullable=True),
    text("ended_by", nullable=True),
    instant("ended_at", nullable=True),
    text("end_reasons", nullable=True),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.CheckConstraint(
        "countersigned_at IS NULL OR signed_at IS NOT NULL AND operator_name IS NOT NULL",
        name="countersigned",
    ),
    sa.CheckConstraint(
        "state NOT IN ('executed', 'superseded')"
        " OR countersigned_at IS NOT NULL AND executed_at IS NOT NULL",
        name="executed",
    ),
    sa.CheckConstraint(
        "(executed_at IS NULL) = (document IS NULL)"
        " AND (document IS NULL) = (document_digest IS NULL)"
        " AND (document IS NULL OR sha256(document) = document_digest)",
        name="document",
    ),
    sa.Index("agreements_tenant_idx", "tenant", "position"),
    sa.Index("agreements_state_idx", "state"),
    sa.Index(
        "agreements_open_idx",
        "tenant",
        "kind",
        unique=True,
        postgresql_where=sa.text(
            "state IN ('draft', 'submitted', 'in_review', 'accepted', 'signed', 'countersigned')"
        ),
    ),
)
"""Agreements with the operator, with their signed documents; an executed one does not change."""

agreement_versions: Final = sa.Table(
    "agreement_versions",
    metadata,
    text("kind", key=True),
    text("version", key=True),
    octets("text_digest"),
    instant("published_at"),
    text("published_by"),
)
"""Which versions of agreements' texts were put in force here."""
