"""What is refused of agreements, each saying what to do."""

from typing import Final

from bailee.governance.agreements.model import Agreement, Kind, State
from bailee.kernel.errors import Conflict, NotFound
from bailee.kernel.instants import to_rfc3339


class WrongState(Conflict):
    """The agreement is not where the command needs it."""


class NotInForce(Conflict):
    """An agreement that must be in force is not."""


def unknown() -> NotFound:
    """There is no such agreement."""
    return NotFound("There is no such agreement. List the organisation's agreements.")


_FIRST: Final = {
    State.DRAFT: "It is submitted first (`bailee agreements submit`).",
    State.SUBMITTED: "The operator assesses it first (`bailee agreements review`).",
    State.IN_REVIEW: "The operator assesses it first (`bailee agreements review`).",
    State.ACCEPTED: "The organisation signs it first (`bailee agreements sign`).",
    State.SIGNED: "The operator counter-signs it first (`bailee agreements countersign`).",
}


def wrong_state(row: Agreement, wanted: str) -> WrongState:
    """The agreement cannot be carried on like this."""
    comes_first = _FIRST.get(row.state, "Read it again.")
    return WrongState(
        f"The agreement is {row.state.value}; {wanted} is not possible then. {comes_first}"
    )


def not_in_force(kind: Kind) -> NotInForce:
    """Something needs an agreement that is not executed."""
    return NotInForce(
        f"This needs an executed {kind.value.replace('_', ' ')} that is in force. Execute one"
        f" first: `bailee agreements submit {kind.value}`, or `POST /bailee/v1/agreements`."
    )


def terminating(row: Agreement) -> WrongState:
    """Notice of its termination was given."""
    until = "" if row.ends_at is None else f" It is in force until {to_rfc3339(row.ends_at)}."
    return WrongState(f"Notice of the agreement's termination was given.{until}")


def no_document(state: State) -> Conflict:
    """There is no document (yet)."""
    if state is State.COUNTERSIGNED:
        return Conflict("Both have signed; the document is being made. Ask again in seconds.")
    return Conflict(f"The agreement is {state.value}: a document exists once it is executed.")
