"""The relational database, for the repositories of the governance nouns.

One transaction is one command: what it changes, and the log entry that says so, commit together
and durably, or not at all. Rows of an organisation are seen and changed only by a transaction that
names the organisation; a transaction that names none sees none of them, whatever its statements
say. A reader of every organisation's rows says so by `platform_reading`, which cannot write them.

Two walls keep organisations apart, and each holds without the other: row-level security, and a
filter in every statement. For the filter a statement may always name `:own`, the transaction's
organisation (NULL if it names none), and `:everywhere`, whether it reads every organisation's.

Statements are PostgreSQL's, fixed strings with named parameters (`:name`), written in the
`repository` modules alone. Nothing here composes SQL from values.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, LiteralString, Protocol

from bailee.kernel.ids import TenantId

Value = bytes | str | int | bool | None | Sequence[str] | Sequence[int] | Sequence[bytes]
"""What a statement's parameter may be."""


class DatabaseTransaction(Protocol):
    """All or nothing. Reads see this transaction's writes."""

    async def rows(self, statement: LiteralString, **parameters: Value) -> Sequence[Any]:
        """Run a statement and give its rows, as tuples with attributes named like the columns.

        `:own` and `:everywhere` are given; `tenant`, where it is a parameter, is the transaction's
        own organisation.

        Raises Conflict when a constraint forbids the change, Unavailable when the database is
        away, Forbidden when the role or the organisation may not do this.
        """
        ...

    async def reference(self, *parts: bytes) -> bytes:
        """What a log entry calls something of the transaction's organisation: 32 bytes.

        HMAC-SHA256 over the parts, framed, under the organisation's salt: the same each time,
        and about nobody once the salt is gone. Raises NotFound when the transaction names no
        organisation or the salt is gone.
        """
        ...

    async def append_entry(self, leaf: bytes) -> None:
        """Add a log entry (canonical JSON, at most 1 KiB) to the outbox."""
        ...


class Database(Protocol):
    """Where the rows are. Entering any of these raises Unavailable when the database is away."""

    def transaction(
        self, tenant: TenantId | None
    ) -> AbstractAsyncContextManager[DatabaseTransaction]:
        """Begin for one organisation; commit, durably, on leaving without an exception.

        With None the transaction sees no organisation's rows.
        """
        ...

    def platform_reading(self) -> AbstractAsyncContextManager[DatabaseTransaction]:
        """Begin a read-only transaction that sees every organisation's rows, as of one instant."""
        ...
