"""Why a webhook cannot be."""

from bailee.kernel.errors import InvalidInput, NotFound


def no_endpoint() -> NotFound:
    """No such endpoint, or not this organisation's."""
    return NotFound("There is no such webhook. List the organisation's webhooks.")


def no_event() -> NotFound:
    """No such event, or not this organisation's."""
    return NotFound("There is no such event. Find it in the audit log.")


def wrong_address(why: str) -> InvalidInput:
    """An address that nothing is sent to."""
    return InvalidInput(f"`url` {why}", field="url")
