"""Leases: one holder at a time, with a token that fences off those who held it before."""

from typing import Protocol


class Leases(Protocol):
    """Kept where every clerk sees them."""

    async def acquire(self, name: str, holder: str, duration_ms: int) -> int | None:
        """Take or prolong the lease `name`.

        Gives a token that is larger than every earlier holder's, and unchanged on prolonging;
        None while another holds it.
        """
        ...

    async def release(self, name: str, holder: str) -> None:
        """Give the lease up, if `holder` holds it."""
        ...

    async def release_of(self, beginning: str) -> None:
        """Give up every lease whose holder's name begins so.

        For holders that are known to be dead. Whoever acquires such a lease gets a larger token.
        """
        ...
