"""Columns as every table writes them, and the metadata that holds the tables."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA

metadata: Final = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)


def instant(name: str, *, nullable: bool = False) -> sa.Column[int]:
    """An instant: whole milliseconds since the POSIX epoch."""
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def octets(name: str, *, nullable: bool = False, key: bool = False) -> sa.Column[bytes]:
    """Bytes."""
    return sa.Column(name, BYTEA, nullable=nullable, primary_key=key)


def text(name: str, *, nullable: bool = False, key: bool = False) -> sa.Column[str]:
    """A text."""
    return sa.Column(name, sa.Text, nullable=nullable, primary_key=key)


def number(name: str) -> sa.Column[int]:
    """A count, 0 at first."""
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def several_octets(name: str) -> sa.Column[list[bytes]]:
    """A list of bytes, empty at first."""
    return sa.Column(name, sa.ARRAY(BYTEA), nullable=False, server_default="{}")


def instants(name: str, *, nullable: bool = False) -> sa.Column[list[int]]:
    """A list of instants, empty at first unless it may be null."""
    default = None if nullable else "{}"
    return sa.Column(name, sa.ARRAY(sa.BigInteger), nullable=nullable, server_default=default)
