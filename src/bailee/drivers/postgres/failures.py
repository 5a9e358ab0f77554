"""PostgreSQL's failures as the kinds that callers act upon.

Messages of the server are not passed on: they quote rows and parameters.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bailee.kernel.errors import BaileeError, Conflict, Forbidden, InvalidInput, Unavailable

_AWAY: Final = (
    "The database is away or does not answer. Check that PostgreSQL runs and accepts connections,"
    " then try again."
)
LOST: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg raises. A connection that dies within its first call is an InternalClientError."""
_AWAY_CLASSES: Final = ("08", "53", "57", "58", "XX")
"""SQLSTATE classes: connection, resources, operator's intervention, system, internal."""


@contextmanager
def kinds() -> Iterator[None]:
    """Turn what SQLAlchemy and asyncpg raise inside into kinds of failure.

    Raises:
        Conflict: a constraint, a serialisation failure or a deadlock.
        Forbidden: privileges or row-level security.
        InvalidInput: a value that its column cannot hold.
        Unavailable: the database is away, full, refusing or too slow.
    """
    try:
        yield
    except (PoolTimeout, OSError, TimeoutError):
        raise Unavailable(_AWAY) from None
    except (DBAPIError, *LOST) as error:
        cause = _cause(error)
        invalidated = isinstance(error, DBAPIError) and error.connection_invalidated
        raise _kind(cause, invalidated=invalidated) from (error if _is_mistake(cause) else None)


def _cause(error: BaseException) -> BaseException:
    """What the driver raised, below what SQLAlchemy made of it."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return cause


def _state(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or ""


def _is_mistake(error: BaseException) -> bool:
    """Whether a statement is wrong in itself: what the server says then quotes no values."""
    return _state(error).startswith("42") and _state(error) != "42501"


def _kind(error: BaseException, *, invalidated: bool) -> BaileeError:
    state = _state(error)
    if state.startswith("23") or state in ("40001", "40P01"):
        return Conflict("The database holds a state that this change does not fit. Read it again.")
    # Insufficient privilege; a write in a transaction that only reads.
    if state in ("42501", "25006"):
        return Forbidden("This role may not do that in the database, or not for this organisation.")
    if isinstance(error, asyncpg.DataError) or state.startswith("22"):
        return InvalidInput("A value is not one that its column can hold. Give another.")
    if state in ("28000", "28P01", "3D000"):
        return Unavailable(
            "The database refuses the role, its password or its name. Check the database's URL and"
            " that the migrations have run."
        )
    if invalidated or not state or state.startswith(_AWAY_CLASSES) or state == "25P03":
        return Unavailable(_AWAY)
    return Unavailable(
        f"The database refused a statement with SQLSTATE {state}. This is a fault of Bailee or of"
        " the database's schema; run the migrations and report it if it stays."
    )
