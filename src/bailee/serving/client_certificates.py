"""Whether a client shows the certificate that an organisation wants of whoever uses its API keys.

The certificates of a connection are checked once for each set of active ones and remembered with
the connection, so that a request costs a comparison; a changed set is another one, and is noticed
by the next request on any connection. Which port asks clients for certificates is the API's.
"""

from typing import Final, Protocol

from bailee.governance.certificates.chain import Verdict, judge
from bailee.kernel.instants import Instant
from bailee.serving.caller import Caller
from bailee.serving.errors import Because, CallRefused

_NEVER: Final = Verdict(False, Instant(0))


class ShownCertificates:
    """What a client showed when its connection began, and what was found of it."""

    __slots__ = ("_active", "_verdict", "chain")

    def __init__(self, chain: tuple[bytes, ...]) -> None:
        self.chain: Final = chain
        """DER, the client's own first, whose private key it has proven to hold; empty: none."""
        self._active: tuple[bytes, ...] = ()
        self._verdict = _NEVER

    def lead_to(self, active: tuple[bytes, ...], now: Instant) -> bool:
        """Whether they lead to one of the active ones."""
        # Most often it is the very same tuple, or one of the very same texts.
        if now >= self._verdict.until or self._active != active:
            self._verdict, self._active = judge(self.chain, active, now), active
        return self._verdict.accepted


class Shower(Protocol):
    """Whatever came over a connection."""

    @property
    def shown_certificates(self) -> ShownCertificates | None:
        """What the client showed; None: this connection did not ask for any."""
        ...


class ClientCertificates:
    """Refuses calls that do not show what their organisation wants shown."""

    def __init__(self, port: int | None = None) -> None:
        """`port` is the one that asks clients for certificates, if there is one."""
        self._port = port

    def check(self, caller: Caller, request: Shower, now: Instant) -> None:
        """Raises CallRefused (CERTIFICATE_MISSING, CERTIFICATE_REFUSED)."""
        if not caller.client_certificates:
            return
        shown = request.shown_certificates
        if shown is None:
            raise CallRefused(
                Because.CERTIFICATE_MISSING,
                "This API key's organisation or project wants its clients to show a certificate, "
                + self._where_to(),
            )
        if not shown.chain:
            raise CallRefused(
                Because.CERTIFICATE_MISSING,
                "This API key's organisation or project wants its clients to show a certificate, "
                "and none was shown. Configure your client with one and its private key.",
            )
        if not shown.lead_to(caller.client_certificates, now):
            raise CallRefused(
                Because.CERTIFICATE_REFUSED,
                "The client certificate is neither one of those that are active for this API "
                "key's organisation or project nor issued by one, or it is not valid now. Show "
                "another, with its intermediate certificates.",
            )

    def _where_to(self) -> str:
        if self._port is None:
            return (
                "and this server asks for none. Ask its operator to set "
                "server.client_certificate_port, or an administrator to deactivate the certificate."
            )
        return (
            "which this address does not ask for. Use the server's port "
            f"{self._port} in the base URL, with a client certificate."
        )
