"""The tables of webhooks.

Part of `tables`, which says what holds for all of them.
"""

from typing import Final

import sqlalchemy as sa

from bailee.schema.columns import instant, metadata, number, octets, text

webhook_endpoints: Final = sa.Table(
    "webhook_endpoints",
    metadata,
    octets("endpoint", key=True),
    sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
    octets("tenant"),
    text("url"),
    sa.Column("types", sa.ARRAY(sa.Text), nullable=False),
    text("description"),
    instant("created_at"),
    text("disabled", nullable=True),
    instant("disabled_at", nullable=True),
    number("generation"),
    instant("previous_until", nullable=True),
    instant("failing_since", nullable=True),
    sa.UniqueConstraint("tenant", "endpoint"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
)

webhook_deliveries: Final = sa.Table(
    "webhook_deliveries",
    metadata,
    octets("tenant"),
    octets("endpoint", key=True),
    octets("event", key=True),
    instant("created_at"),
    text("state"),
    number("attempts"),
    instant("next_at"),
    instant("attempted_at", nullable=True),
    sa.Column("status", sa.BigInteger, nullable=True),
    text("problem", nullable=True),
    instant("delivered_at", nullable=True),
    sa.ForeignKeyConstraint(
        ["tenant", "endpoint"],
        ["webhook_endpoints.tenant", "webhook_endpoints.endpoint"],
        ondelete="CASCADE",
    ),
    sa.ForeignKeyConstraint(["event"], ["audit_events.event"]),
    sa.Index(
        "webhook_deliveries_next_at_idx",
        "next_at",
        postgresql_where=sa.text("state = 'pending'"),
    ),
)

WEBHOOKS_TABLES: Final = (webhook_endpoints, webhook_deliveries)
