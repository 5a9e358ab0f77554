"""Somebody else who knows who people are: an OpenID Connect provider."""

from typing import NamedTuple, Protocol


class Proved(NamedTuple):
    """Whom a provider says it is."""

    email: str
    """An address that the provider has verified."""
    name: str
    """What the person is called; their address where the provider does not say."""

    def __repr__(self) -> str:
        return "<Proved redacted>"


class IdentityProvider(Protocol):
    """Authorization code flow with PKCE. Every method raises Unavailable when it is away."""

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        """Where a browser is sent to sign in. `verifier` is PKCE's secret, 43 characters."""
        ...

    async def prove(self, code: str, nonce: str, verifier: str) -> Proved | None:
        """Whom a code stands for.

        None when the provider does not take the code, its token is not signed by it for this
        client with this nonce and in time, or it has not verified the person's address.
        """
        ...
