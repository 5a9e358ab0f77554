"""TLS that asks a client for a certificate and takes any, or none, for the application to judge.

Python's `ssl` only accepts a certificate that leads to one of the authorities loaded into the
context. Which ones count depends on the API key, which comes later; and with the authorities of
several organisations in one context, one could break another's handshakes by uploading a
certificate of the same name. So here OpenSSL is spoken to through pyOpenSSL, behind what asyncio
and uvloop use of an `ssl.SSLContext`: they keep doing the transport. Sessions are not resumed: each
connection proves anew that the client holds the private key.

Docs: docs/decisions/0035-client-certificates-on-a-port-of-their-own.md.
"""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

Result = TypeVar("Result")

_PROTOCOL: Final = b"http/1.1"
_PIECE_BYTES: Final = 256 * 1024
_SESSIONS: Final = b"bailee"


class AskingContext(ssl.SSLContext):
    """The server's side of TLS 1.2 or newer. Whoever makes connections calls `wrap_bio` alone."""

    _context: SSL.Context

    def __new__(cls, certificate_file: Path, key_file: Path) -> "AskingContext":
        """Read the server's certificate and key."""
        made = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        made._context = _context(certificate_file, key_file)
        return made

    def wrap_bio(  # type: ignore[override]
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **_: Any
    ) -> "AskingSession":
        """Begin a connection."""
        return AskingSession(self._context, incoming, outgoing)


class AskingSession:
    """One connection, as much of `ssl.SSLObject` as transports use."""

    def __init__(
        self, context: SSL.Context, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._incoming = incoming
        self._outgoing = outgoing
        self.shown: tuple[bytes, ...] = ()
        """What the client showed (DER), its own certificate first, once hands are shaken."""

    def do_handshake(self) -> None:
        """Go on with the handshake. Raises SSLWantReadError, SSLError."""
        self._take_in()
        self._turn(self._connection.do_handshake)
        self.shown = self._chain()

    def read(self, length: int) -> bytes:
        """Up to `length` bytes; none: the client has said that it ends."""
        self._take_in()
        try:
            return self._turn(lambda: self._connection.recv(length))
        except ssl.SSLZeroReturnError:
            return b""

    def write(self, data: bytes) -> int:
        """How many bytes were taken.

        What has come in stays where it is: a transport that reads no more must see it pile up.
        """
        return self._turn(lambda: self._connection.send(data))

    def unwrap(self) -> None:
        """Say that nothing more comes, and wait for the client to say so."""
        self._take_in()
        if not self._turn(self._connection.shutdown):
            raise ssl.SSLWantReadError

    def pending(self) -> int:
        """More than nothing when `read` gives or says something without more from the network.

        uvloop asks this instead of reading until there is no more.
        """
        try:
            # What was taken in with the part before it is not counted until it is looked at.
            self._turn(lambda: self._connection.recv(1, socket.MSG_PEEK))
        except ssl.SSLWantReadError:
            return 0
        except ssl.SSLError:
            return 1
        return self._connection.pending()

    def getpeercert(self) -> None:
        """Not in this form: see `shown`."""

    def cipher(self) -> None:
        """Not told."""

    def compression(self) -> None:
        """There is none."""

    def _take_in(self) -> None:
        while data := self._incoming.read():
            self._connection.bio_write(data)

    def _turn(self, act: Callable[[], Result]) -> Result:
        """Do something with what was taken in, and put out what there is to say."""
        try:
            return act()
        except SSL.WantReadError:
            raise ssl.SSLWantReadError from None
        except SSL.ZeroReturnError:
            raise ssl.SSLZeroReturnError from None
        except SSL.SysCallError:
            raise ssl.SSLEOFError from None
        except SSL.Error:
            # What it says in detail quotes what the client sent.
            raise ssl.SSLError("the client does not keep to TLS") from None
        finally:
            self._put_out()

    def _put_out(self) -> None:
        try:
            while True:
                self._outgoing.write(self._connection.bio_read(_PIECE_BYTES))
        except SSL.WantReadError:
            return

    def _chain(self) -> tuple[bytes, ...]:
        """What cannot be read counts as not shown."""
        connection = self._connection
        try:
            own = connection.get_peer_certificate(as_cryptography=True)
            rest = connection.get_peer_cert_chain(as_cryptography=True) or []
            if own is None:
                return ()
            return tuple(
                one.public_bytes(Encoding.DER)
                for one in (own, *(one for one in rest if one != own))
            )
        except ValueError:
            return ()


def _context(certificate_file: Path, key_file: Path) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_SESSIONS)
    context.use_certificate_chain_file(certificate_file)
    context.use_privatekey_file(key_file)
    context.check_privatekey()
    context.set_alpn_select_callback(_protocol)
    context.set_verify(SSL.VERIFY_PEER, _any)
    return context


def _any(*_: object) -> bool:
    return True


def _protocol(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if _PROTOCOL in offered:
        return _PROTOCOL
    return cast("bytes", SSL.NO_OVERLAPPING_PROTOCOLS)
