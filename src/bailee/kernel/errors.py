"""The kinds of failure that cross a layer, each saying what the caller should do.

A kind exists only where somebody acts differently on it. Messages never contain content, keys or
anything that a customer sent; HTTP shapes are made in `api` alone.
"""


class BaileeError(Exception):
    """The root. `str(error)` is one sentence of what is wrong and one of what to do."""


class InvalidInput(BaileeError):
    """What was given cannot be used. Do not retry unchanged.

    `field` names the offending part where there is one.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotFound(BaileeError):
    """It does not exist, or not for this caller. The two are never told apart."""


class Forbidden(BaileeError):
    """The caller is known and may not do this."""


class Conflict(BaileeError):
    """The state is not the one that the act needs. Read it again, then decide.

    `field` names the part of what was given that is taken, where there is one.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotYet(BaileeError):
    """It will be possible soon. Retry after `retry_after_s`."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unavailable(BaileeError):
    """Something that Bailee depends on is away. Retry with a growing pause."""


class UnknownKey(BaileeError):
    """There never was such a key. Not the same as `DestroyedKey`."""


class DestroyedKey(BaileeError):
    """There was such a key and it was destroyed, or its deadline has passed. It will not return."""


class TamperedContent(BaileeError):
    """Stored bytes do not authenticate. Do not retry; inspect the installation."""
