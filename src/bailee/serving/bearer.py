"""The credential of a request, in the one place where its header is taken apart (RFC 6750)."""

from typing import Final

_SCHEME: Final = "bearer "


def bearer_credential(authorization: str | None) -> str | None:
    """What an `authorization` header shows; None without one, or of another scheme."""
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    return authorization[len(_SCHEME) :].strip()
