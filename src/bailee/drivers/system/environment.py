"""The process's environment, read once by whoever parses settings or starts a child.

Nothing else looks at the environment, so that a setting's origin can always be told.
"""

import os


def environment() -> dict[str, str]:
    """A copy of the environment variables."""
    return dict(os.environ)


def process_id() -> int:
    """The number of this process."""
    return os.getpid()
