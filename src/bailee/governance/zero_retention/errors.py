"""Why an application cannot go on."""

from bailee.governance.zero_retention.model import APPLICATION
from bailee.kernel.errors import Conflict, Forbidden, NotFound
from bailee.kernel.ids import handle_text


def stays_draft(application: bytes) -> Forbidden:
    """What is applied for waits for the agreement; nothing of it is lost."""
    name = handle_text(APPLICATION, application)
    return Forbidden(
        f"The organisation has no executed enterprise agreement; the application is kept as the"
        f" draft {name}. Submit an agreement (`bailee agreements submit enterprise_agreement`);"
        f" once it is executed, submit the draft (`bailee zero-retention submit {name}`, or `POST"
        f" /bailee/v1/zero_retention/applications/{name}/submission`)."
    )


def no_agreement() -> Forbidden:
    """Approvals rest on an executed enterprise agreement."""
    return Forbidden(
        "The organisation has no executed enterprise agreement in force. Wait until it has"
        " executed one; without it, applications can be declined and approvals revoked."
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


def waits_already(application: bytes) -> Conflict:
    """One application for a mode at a place is decided before another is submitted."""
    name = handle_text(APPLICATION, application)
    return Conflict(
        f"{name} asks for the same mode in the same place, and waits for a decision. Wait for it,"
        f" or withdraw it (`bailee zero-retention withdraw {name}`)."
    )


def own_application() -> Conflict:
    """Whoever applied does not decide."""
    return Conflict("Whoever applied does not decide. Ask somebody else to decide it.")
