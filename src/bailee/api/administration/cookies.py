"""The cookie that carries a session's token for pages, and what keeps other sites from using it.

`__Host-` binds it to this host over TLS. It is not sent with requests that other sites cause
(SameSite=Strict), and unless a request only reads, it must name this site as its origin.
"""

from typing import Any, Final

from litestar.datastructures import Cookie

from bailee.kernel.errors import Forbidden

SESSION_COOKIE: Final = "__Host-bailee"
STATE_COOKIE: Final = "__Host-bailee-state"
"""Ties an answer of an identity provider to the browser that asked for it."""
_READING: Final = frozenset({"GET", "HEAD"})


def session_cookie(token: str, lasts_s: int) -> Cookie:
    """The cookie of a session; empty and over where it ends."""
    return Cookie(
        SESSION_COOKIE,
        value=token,
        max_age=lasts_s,
        path="/",
        secure=True,
        httponly=True,
        samesite="strict",
    )


def state_cookie(state: str, lasts_s: int) -> Cookie:
    """The cookie of a sign-in at a provider. The provider sends the browser back: so Lax."""
    return Cookie(
        STATE_COOKIE,
        value=state,
        max_age=lasts_s,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def check_same_site(request: Any) -> None:
    """Return if a request only reads, or comes from a page of this host. Raises Forbidden."""
    if request.method in _READING:
        return
    host, origin = request.headers.get("host"), request.headers.get("origin")
    if not host or origin != f"https://{host}":
        raise Forbidden(
            "A request with a session's cookie must come from this site's own pages. Send the"
            " session's token in an Authorization header instead."
        )
