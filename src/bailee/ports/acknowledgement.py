"""Knowing that every gateway worker acts on what was just committed.

Workers hold facts in memory. After each refresh a worker acknowledges the version that it has, and
with that takes a lease: for that long nobody need ask whether it lives. A command that must hold
everywhere when it returns waits until each worker has acknowledged a version that includes the
command, or until its lease has lapsed; a worker whose lease has lapsed does not act on the facts
that were asked about.
"""

from typing import Final, Protocol

LEASE_MS: Final = 1000
"""How long after its last acknowledgement a worker may act on facts that only ever permit more."""


class Acknowledgement(Protocol):
    """Asked after the command's transaction was committed."""

    async def everywhere(self, lapse_ms: int = LEASE_MS) -> None:
        """Return when no worker acts on older facts any more.

        `lapse_ms` is how long a worker that went silent goes on acting on what it knew:
        `LEASE_MS` for what it drops with its lease, the grace of its facts for everything else.
        Takes that long at most. Raises Unavailable when the database is away: the command holds,
        and whether every worker knows is not known.
        """
        ...


class NobodyElse:
    """For installations without workers, as in tests of one noun: there is nobody to wait for."""

    async def everywhere(self, lapse_ms: int = LEASE_MS) -> None:
        """Return."""
