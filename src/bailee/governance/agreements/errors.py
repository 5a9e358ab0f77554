"""What is refused of agreements, each saying what to do."""

from typing import Final

from bailee.governance.agreements.events import AGREEMENT
from bailee.governance.agreements.model import IN_PREPARATION, Agreement, Kind, State, Step
from bailee.kernel.errors import Conflict, NotFound
from bailee.kernel.ids import handle_text
from bailee.kernel.instants import to_rfc3339


class WrongState(Conflict):
    """The agreement is not where the command needs it."""


class NotInForce(Conflict):
    """An agreement that must be in force is not."""


def unknown() -> NotFound:
    """There is no such agreement."""
    return NotFound("There is no such agreement. List the organisation's agreements.")


_OWNER: Final = "An owner of the organisation signs it (`bailee agreements sign`)."
_FIRST: Final = {
    State.DRAFT: "It is submitted first (`bailee agreements submit`).",
    State.SUBMITTED: "The operator assesses it first (`bailee agreements review`).",
    State.IN_REVIEW: "The operator accepts or declines it first (`bailee agreements review`).",
    State.ACCEPTED: _OWNER,
    State.SIGNED: "The operator counter-signs it first (`bailee agreements countersign`).",
    State.COUNTERSIGNED: "Both have signed, and its document is being made. Ask again in seconds.",
    State.EXECUTED: "It is in force and is not changed; `bailee agreements terminate` ends it.",
}
_WORDS: Final = {
    Step.FILL: "changing its form",
    Step.SUBMIT: "submitting",
    Step.BEGIN_REVIEW: "assessing",
    Step.ACCEPT: "accepting",
    Step.DECLINE: "declining",
    Step.SIGN: "signing",
    Step.COUNTERSIGN: "counter-signing",
    Step.EXECUTE: "executing",
    Step.SUPERSEDE: "superseding",
    Step.TERMINATE: "terminating",
}
_REVIEW: Final = frozenset({Step.BEGIN_REVIEW, Step.ACCEPT, Step.DECLINE})


def wrong_state(row: Agreement, step: Step, *, reviewed: bool) -> WrongState:
    """The agreement cannot be carried on like this; `reviewed`: whether somebody assesses it."""
    return WrongState(
        f"The agreement is {row.state.value.replace('_', ' ')}; {_WORDS[step]} is not possible"
        f" then. {_advice(row, step, reviewed=reviewed)}"
    )


def _advice(row: Agreement, step: Step, *, reviewed: bool) -> str:
    if row.state not in _FIRST:
        return f"It has ended. Begin another (`bailee agreements submit {row.kind.value}`)."
    handed_in = row.state in IN_PREPARATION and row.state is not State.DRAFT
    if handed_in and step in (Step.FILL, Step.SUBMIT):
        return (
            "What was handed in is not changed: go on with it, or terminate it (`bailee agreements"
            " terminate`) and begin anew."
        )
    if row.state is State.SUBMITTED and not reviewed:
        return f"Nobody assesses this kind. {_OWNER}"
    if row.state in (State.ACCEPTED, State.SIGNED) and step in _REVIEW:
        return "It was assessed already; `bailee agreements terminate` gives it up."
    return _FIRST[row.state]


def not_in_force(kind: Kind) -> NotInForce:
    """Something needs an agreement that is not executed."""
    return NotInForce(
        f"This needs an executed {kind.value.replace('_', ' ')} that is in force. Execute one"
        f" first: `bailee agreements submit {kind.value}`, or `POST /bailee/v1/agreements`."
    )


def terminating(row: Agreement) -> WrongState:
    """Notice of its termination was given."""
    ends = row.in_force_until
    until = "" if ends is None else f" It is in force until {to_rfc3339(ends)}."
    kind, name = row.kind.value, handle_text(AGREEMENT, row.agreement)
    return WrongState(
        f"Notice of termination was given of the {kind.replace('_', ' ')} {name}.{until} To go"
        f" on, execute a new one: `bailee agreements submit {kind}`."
    )


def no_document(state: State) -> Conflict:
    """There is no document (yet)."""
    if state is State.COUNTERSIGNED:
        return Conflict("Both have signed; the document is being made. Ask again in seconds.")
    return Conflict(f"The agreement is {state.value}: a document exists once it is executed.")
