"""Why a statement is not taken."""

from bailee.kernel.errors import Conflict


class TextOutdated(Conflict):
    """What was agreed to is not what is agreed to now."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"The current text is `{version}`. Read it, then agree to its version and digest."
        )


class NotShareable(Conflict):
    """A project's agreements exclude sharing."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"`{name}` cannot share: {why}. Nothing was changed.")


class NothingStands(Conflict):
    """There is nothing to withdraw."""

    def __init__(self) -> None:
        super().__init__("Nothing was given here that could be withdrawn. Look at the ledger.")
