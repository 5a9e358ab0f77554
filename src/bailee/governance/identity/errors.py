"""Why a sign-in fails. Nobody learns which reason it was, or whether there is an account."""

from bailee.kernel.errors import Forbidden, NotYet


class SignInRefused(Forbidden):
    """What was shown does not prove who somebody is."""

    def __init__(self) -> None:
        super().__init__(
            "This does not sign anybody in. Check what you gave: each code works once, so wait for"
            " the next. Name the organisation if your address belongs to several; or ask an"
            " administrator for a new enrolment."
        )


class SessionRefused(Forbidden):
    """The session does not let its bearer in."""

    def __init__(self) -> None:
        super().__init__("This session has ended. Sign in again.")


class AdminKeyNeeded(Forbidden):
    """The keeper makes and revokes keys on an admin key's authority, and a session is none."""

    def __init__(self) -> None:
        super().__init__(
            "Keys are made and revoked on the authority of an admin key, which the keeper verifies"
            " itself; a session is none. Repeat this with an admin key."
        )


class EnrolmentRefused(Forbidden):
    """The enrolment's token or its ceremony is not one that lasts."""

    def __init__(self) -> None:
        super().__init__(
            "This enrolment is over, or what was shown does not fit it. Begin it again, or ask an"
            " administrator for a new one."
        )


class CodeRefused(Forbidden):
    """The code is none of the second factor that was shown. The attempt goes on."""

    def __init__(self) -> None:
        super().__init__(
            "This is no code of the second factor that was shown, or too old. Enter the code that"
            " your authenticator shows now; if it is never right, look at its clock."
        )


class TooManyGuesses(NotYet):
    """Too many tries on one account, or from one address."""

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__(
            "Too many tries within a minute. Wait, then try again.",
            retry_after_s=max(1, -(-retry_after_ms // 1000)),
        )
