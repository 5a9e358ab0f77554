"""Why a statement is not taken."""

from collections.abc import Mapping
from typing import Final

from bailee.kernel.errors import Conflict

_TOLD: Final = 10
"""How many projects one refusal names."""


class TextOutdated(Conflict):
    """What was agreed to is not what is agreed to now."""

    def __init__(self, version: str) -> None:
        super().__init__(
            f"The current text is `{version}`. Read it, then agree to its version and digest."
        )


class NotShareable(Conflict):
    """What governs every project that is meant excludes sharing."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        """`reasons`: why not, by the project's name; not empty."""
        told = "; ".join(f"`{name}`: {why}" for name, why in list(reasons.items())[:_TOLD])
        more = f"; and {len(reasons) - _TOLD} more" if len(reasons) > _TOLD else ""
        super().__init__(f"No project can share. {told}{more}. Nothing was changed.")


class NothingStands(Conflict):
    """There is nothing to withdraw."""

    def __init__(self) -> None:
        super().__init__("Nothing was given here that could be withdrawn. Look at the ledger.")
