"""The tables of who holds which role, what people sign in with, and their sessions.

Part of `tables`, which says what holds for all of them.
"""

from typing import Final

import sqlalchemy as sa

from bailee.schema.columns import instant, metadata, octets, text

role_assignments: Final = sa.Table(
    "role_assignments",
    metadata,
    octets("assignment", key=True),
    octets("tenant"),
    octets("person"),
    text("role"),
    text("given_by"),
    instant("given_at"),
    text("ended_by", nullable=True),
    instant("ended_at", nullable=True),
    text("confirmed_by", nullable=True),
    instant("confirmed_at", nullable=True),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.Index(None, "tenant", "person"),
    sa.Index(
        "role_assignments_person_role_idx",
        "person",
        "role",
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)
"""Who held which role from when to when; rows outlive the person, whom they name by identifier."""

role_confirmations: Final = sa.Table(
    "role_confirmations",
    metadata,
    octets("confirmation", key=True),
    octets("tenant"),
    octets("assignment"),
    sa.Column("kept", sa.Boolean, nullable=False),
    text("decided_by"),
    instant("decided_at"),
    sa.ForeignKeyConstraint(["tenant"], ["organisations.tenant"]),
    sa.ForeignKeyConstraint(["assignment"], ["role_assignments.assignment"]),
    sa.Index(None, "tenant"),
)
"""What was decided each quarter of who holds which role; appended alone."""


def _of_a_person() -> tuple[sa.ForeignKeyConstraint, sa.Index]:
    """Goes with the person."""
    return (
        sa.ForeignKeyConstraint(
            ["tenant", "person"], ["people.tenant", "people.person"], ondelete="CASCADE"
        ),
        sa.Index(None, "tenant", "person"),
    )


enrolments: Final = sa.Table(
    "enrolments",
    metadata,
    octets("digest", key=True),
    octets("tenant"),
    octets("person"),
    text("made_by"),
    instant("created_at"),
    instant("expires_at"),
    *_of_a_person(),
)
"""One-time tokens with which people set what they sign in with. A row goes when it is used."""

passwords: Final = sa.Table(
    "passwords",
    metadata,
    octets("person", key=True),
    octets("tenant"),
    text("verifier"),
    octets("second_factor"),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    instant("set_at"),
    *_of_a_person(),
)
"""What a password is checked against, with the second factor's sealed secret."""

recovery_codes: Final = sa.Table(
    "recovery_codes",
    metadata,
    octets("digest", key=True),
    octets("tenant"),
    octets("person"),
    *_of_a_person(),
)
"""Codes in place of the second factor. A row goes when it is used."""

passkeys: Final = sa.Table(
    "passkeys",
    metadata,
    octets("passkey", key=True),
    octets("tenant"),
    octets("person"),
    octets("public_key"),
    sa.Column("sign_count", sa.BigInteger, nullable=False),
    instant("created_at"),
    instant("last_used_at", nullable=True),
    *_of_a_person(),
)

sessions: Final = sa.Table(
    "sessions",
    metadata,
    text("public_id", key=True),
    octets("digest"),
    octets("tenant"),
    octets("person"),
    text("method"),
    instant("created_at"),
    instant("signed_in_at"),
    instant("last_used_at"),
    instant("expires_at"),
    instant("revoked_at", nullable=True),
    sa.UniqueConstraint("digest"),
    *_of_a_person(),
)

sign_in_attempts: Final = sa.Table(
    "sign_in_attempts",
    metadata,
    octets("attempt", key=True),
    octets("details"),
    instant("expires_at"),
)
"""Sign-ins that have begun, nobody's yet; details sealed. A row goes when it is used."""
