"""Why an admin key is refused. A caller outside does not learn which of the reasons it was."""

from bailee.kernel.errors import Forbidden


class AdminKeyRefused(Forbidden):
    """The key does not let its bearer administer anything."""

    def __init__(self) -> None:
        super().__init__("This is not a valid admin key. Use another, or ask an administrator.")
