"""Where the pages for people are: for whoever serves them or sends somebody there."""

from typing import Final

SIGN_IN: Final = "/sign-in"
OPENID_RETURN: Final = f"{SIGN_IN}/openid"


def enrolment_address(origin: str, token: str) -> str:
    """The page on which a token is used. What follows `#` stays in the browser."""
    return f"{origin}{SIGN_IN}#{token}"
