"""Services and the projects under them."""

from typing import NamedTuple

from bailee.kernel.instants import Instant


class Service(NamedTuple):
    """A service with a policy of its own."""

    service: str
    """As facts name it: a-z, 0-9 and `-`."""
    english: str
    korean: str
    registered_by: str
    registered_at: Instant
