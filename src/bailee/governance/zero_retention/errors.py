"""Why an application cannot go on."""

from bailee.kernel.errors import Conflict, Forbidden, NotFound


def no_agreement() -> Forbidden:
    """Zero retention is for organisations with an executed enterprise agreement."""
    return Forbidden(
        "The organisation has no executed enterprise agreement. Execute one first; then apply."
    )


def agreement_ended(mode: str) -> Forbidden:
    """The mode is approved, and what the approval rests on has ended."""
    return Forbidden(
        f"`{mode}` is approved, but the organisation has no executed enterprise agreement in force"
        " any more. Execute one first (`bailee agreements submit enterprise_agreement`)."
    )


def not_approved(mode: str) -> Forbidden:
    """Somebody asks for a mode that nobody has approved."""
    return Forbidden(
        f"`{mode}` needs an approved application, and none stands for this scope. Apply with"
        " `POST /bailee/v1/zero_retention/applications` or `bailee zero-retention apply`."
    )


def no_application() -> NotFound:
    """No such application, or not this organisation's."""
    return NotFound("There is no such application. List the organisation's applications.")


def wrong_state(wanted: str, found: str) -> Conflict:
    """The command is for another state."""
    return Conflict(f"This is for an application that is {wanted}; it is {found}. Read it again.")


def own_application() -> Conflict:
    """Whoever applied does not decide."""
    return Conflict("Whoever applied does not decide. Ask somebody else to decide it.")
