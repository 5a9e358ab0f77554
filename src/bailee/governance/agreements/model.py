"""Agreements between an organisation and the operator, and the states that they go through.

    draft → submitted → (in_review → accepted | declined) → signed → countersigned → executed
                                                                          ↓
                                                            superseded | terminated

What is reviewed, and who counter-signs, the template says. *Countersigned* means that both have
signed and the document is being made; *executed* that the signed document exists and its digest is
in the log. From then on nothing of it changes but how it ends: whoever terminates it gives notice,
and it binds until that has passed. What a form says is never printed.
"""

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple

from bailee.kernel.ids import TenantId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import hidden


class Kind(enum.Enum):
    """Which agreement. The value is stable: it is stored and logged."""

    ENTERPRISE_AGREEMENT = "enterprise_agreement"
    DATA_PROCESSING_ADDENDUM = "data_processing_addendum"
    BUSINESS_ASSOCIATE_AGREEMENT = "business_associate_agreement"


class Language(enum.Enum):
    """In which language the parties sign. The value is stable: it is stored."""

    ENGLISH = "english"
    KOREAN = "korean"


class State(enum.Enum):
    """How far an agreement has come. The value is stable: it is stored."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    SIGNED = "signed"
    COUNTERSIGNED = "countersigned"
    EXECUTED = "executed"
    SUPERSEDED = "superseded"
    TERMINATED = "terminated"


class Step(enum.Enum):
    """What carries an agreement on."""

    FILL = "fill"
    SUBMIT = "submit"
    BEGIN_REVIEW = "begin_review"
    ACCEPT = "accept"
    DECLINE = "decline"
    SIGN = "sign"
    COUNTERSIGN = "countersign"
    EXECUTE = "execute"
    SUPERSEDE = "supersede"
    TERMINATE = "terminate"


IN_PREPARATION: Final = frozenset(
    {State.DRAFT, State.SUBMITTED, State.IN_REVIEW, State.ACCEPTED, State.SIGNED}
)
"""Not signed by both yet, and not at an end."""

_FROM: Final[Mapping[Step, frozenset[State]]] = {
    Step.FILL: frozenset({State.DRAFT}),
    Step.SUBMIT: frozenset({State.DRAFT}),
    Step.BEGIN_REVIEW: frozenset({State.SUBMITTED}),
    Step.ACCEPT: frozenset({State.SUBMITTED, State.IN_REVIEW}),
    Step.DECLINE: frozenset({State.SUBMITTED, State.IN_REVIEW}),
    Step.COUNTERSIGN: frozenset({State.SIGNED}),
    Step.EXECUTE: frozenset({State.COUNTERSIGNED}),
    Step.SUPERSEDE: frozenset({State.EXECUTED}),
    Step.TERMINATE: IN_PREPARATION | {State.EXECUTED},
}


def may(step: Step, state: State, *, reviewed: bool) -> bool:
    """Whether a step can be taken from a state; `reviewed`: whether somebody assesses it first."""
    if step is Step.SIGN:
        return state is (State.ACCEPTED if reviewed else State.SUBMITTED)
    if step in (Step.BEGIN_REVIEW, Step.ACCEPT, Step.DECLINE) and not reviewed:
        return False
    return state in _FROM[step]


class Signature(NamedTuple):
    """Who signed, and when."""

    name: str
    title: str
    actor: str
    """As the audit log shows who gave the command."""
    at: Instant

    def __repr__(self) -> str:
        return hidden(self)


class Signatory(NamedTuple):
    """Who signs for the operator where no person does it one by one."""

    name: str
    title: str


class Operator(NamedTuple):
    """The other party, as the installation's settings name it."""

    legal_name: str
    address: str
    signatory: Signatory | None = None


class Ended(NamedTuple):
    """How an agreement ended, or why it was declined."""

    actor: str
    at: Instant
    reasons: str

    def __repr__(self) -> str:
        return hidden(self)


class Agreement(NamedTuple):
    """An agreement of one organisation. Its document is read on its own."""

    agreement: bytes
    """16 random bytes."""
    tenant: TenantId
    kind: Kind
    version: str
    """Of its text, as in `2026-11-26`."""
    text_digest: bytes
    """SHA-256 of the file that the text is in."""
    language: Language
    state: State
    form: Mapping[str, str]
    created_at: Instant
    submitted_at: Instant | None = None
    reviewed: Ended | None = None
    """Who assessed it, and with which reasons."""
    signature: Signature | None = None
    countersignature: Signature | None = None
    operator_name: str | None = None
    """The operator's legal name and address when it counter-signed."""
    operator_address: str | None = None
    executed_at: Instant | None = None
    document_digest: bytes | None = None
    """SHA-256 of the signed PDF."""
    in_force_until: Instant | None = None
    """Set by the notice of a newer version, or of its termination; the earlier of both."""
    ended: Ended | None = None
    """Where notice of its termination was given: who gave it, when and why, whatever ended it."""

    def __repr__(self) -> str:
        return hidden(self)

    @property
    def terminating(self) -> bool:
        """Whether notice of its termination was given, and it has not been ended yet."""
        return self.state is State.EXECUTED and self.ended is not None

    def in_force(self, now: Instant) -> bool:
        """Whether it binds at `now`."""
        until = self.in_force_until
        return self.state is State.EXECUTED and (until is None or now < until)
