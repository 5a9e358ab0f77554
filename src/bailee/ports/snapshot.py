"""Being told that facts have changed, so that what is held in memory can be read again.

A hint and no more: a notification may be late, lost or without a cause. Whoever relies on it also
asks for the version now and then (`governance.tenancy.snapshot` does, at least every 0.3 s).
"""

from typing import Protocol


class Changes(Protocol):
    """Notifications of committed changes to organisations, projects and API keys."""

    async def wait(self) -> None:
        """Return after the next notification, or at once if one came since the last call.

        Also returns after a lost connection has been made again, since notifications may have been
        lost with it. Never raises because the database is away: it waits.
        """
        ...
