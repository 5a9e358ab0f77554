"""What an application is, and the states it passes through.

`draft → assessed → approved | declined`, and until then `→ withdrawn` by its organisation; an
approval `→ active → due_for_review`, `→ revoked`. Submitting assesses in the same transaction, so
nothing rests submitted and unassessed. An approval is *approved* until every gateway worker acts on
it, then *active*; past its review date it stays in force as *due for review*, until somebody
reviews or revokes it. So it does as soon as the organisation has no executed enterprise agreement
in force; the operator's own rest on none.
"""

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple

from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import DAY_MS, Instant
from bailee.policy.model import RetentionMode

APPLICATION: Final = "zra_"
"""How identifiers of applications begin."""
REVIEW_MS: Final = 365 * DAY_MS
"""When an approval is reviewed that names no date, and the latest that may be named."""
MODES: Final = (RetentionMode.ZERO_DATA_RETENTION, RetentionMode.MODIFIED_ABUSE_MONITORING)
"""What can be applied for, the strictest first."""
_ORDER: Final = (*MODES, RetentionMode.DEFAULT)


def stricter(mode: RetentionMode, than: RetentionMode) -> bool:
    """Whether less is kept under a mode than under another."""
    return _ORDER.index(mode) < _ORDER.index(than)


def no_stricter(than: RetentionMode) -> tuple[RetentionMode, ...]:
    """A mode and all under which more is kept, the strictest first."""
    return _ORDER[_ORDER.index(than) :]


class State(enum.Enum):
    """How far an application has come."""

    DRAFT = "draft"
    ASSESSED = "assessed"
    WITHDRAWN = "withdrawn"
    DECLINED = "declined"
    APPROVED = "approved"
    ACTIVE = "active"
    DUE_FOR_REVIEW = "due_for_review"
    REVOKED = "revoked"


UNDECIDED: Final = (State.DRAFT, State.ASSESSED)
STANDING: Final = frozenset({State.APPROVED, State.ACTIVE, State.DUE_FOR_REVIEW})


class Likelihood(enum.Enum):
    """How likely misuse is, by the listed facts alone."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Facts(NamedTuple):
    """All that the assessment looks at; the applicant is shown each of them."""

    account_age_days: int
    verified_domains: int
    """Domains of the organisation that the operator has verified."""
    flags: int | None
    """Findings of misuse; None: this installation does not record any yet."""
    category: str
    """Of use, as the applicant chose it."""


class Reason(NamedTuple):
    """What one fact contributes."""

    fact: str
    value: str
    points: int
    english: str
    korean: str


class Assessment(NamedTuple):
    """What the facts say. It decides nothing."""

    rules: str
    """The version of the rules."""
    likelihood: Likelihood
    points: int
    reasons: tuple[Reason, ...]


class Application(NamedTuple):
    """One application, with all that has happened to it."""

    application: bytes
    """16 random bytes."""
    tenant: TenantId
    project: ProjectId | None
    """None: for the whole organisation."""
    mode: RetentionMode
    category: str
    use_case: str
    created_at: Instant
    created_by: str
    submitted_at: Instant | None = None
    submitted_by: str | None = None
    assessment: Assessment | None = None
    """As it was when it was submitted."""
    decided_at: Instant | None = None
    decided_by: str | None = None
    approved: bool | None = None
    reasons: str | None = None
    since: Instant | None = None
    review_at: Instant | None = None
    active_at: Instant | None = None
    """When every gateway worker acted on it."""
    due_at: Instant | None = None
    """When it was noted that its review date had passed, or its agreement had ended."""
    reviewed_at: Instant | None = None
    reviewed_by: str | None = None
    revoked_at: Instant | None = None
    revoked_by: str | None = None
    revocation_reasons: str | None = None
    withdrawn_at: Instant | None = None
    withdrawn_by: str | None = None

    @property
    def undecided(self) -> bool:
        """Whether it may still be decided, or submitted to be."""
        return self.approved is None and self.withdrawn_at is None

    def state(self, now: Instant) -> State:
        """How far it has come at `now`."""
        if self.withdrawn_at is not None:
            return State.WITHDRAWN
        if self.submitted_at is None and self.approved is None:
            return State.DRAFT
        if self.approved is None:
            return State.ASSESSED
        if not self.approved:
            return State.DECLINED
        if self.revoked_at is not None:
            return State.REVOKED
        if self.active_at is None:
            return State.APPROVED
        if self.due_at is not None or (self.review_at is not None and self.review_at <= now):
            return State.DUE_FOR_REVIEW
        return State.ACTIVE

    def permits(self, project: ProjectId | None, mode: RetentionMode, now: Instant) -> bool:
        """Whether it lets a project, or with None the organisation, have a mode at `now`.

        An approval for the organisation holds for its projects. One of zero retention permits
        modified monitoring too: nothing less is left for monitoring.
        """
        return (
            self.state(now) in STANDING
            and self.since is not None
            and self.since <= now
            and self.project in (None, project)
            and self.mode in (mode, RetentionMode.ZERO_DATA_RETENTION)
        )

    @property
    def scope(self) -> str:
        """As the log says it."""
        return "organisation" if self.project is None else "project"


class Modes(NamedTuple):
    """The retention modes that are set now."""

    organisation: RetentionMode
    projects: Mapping[ProjectId, RetentionMode]
    """Of projects with a mode of their own."""

    def in_force(self, project: ProjectId | None) -> RetentionMode:
        """What holds for a project, or with None for all without a mode of their own."""
        return (
            self.organisation if project is None else self.projects.get(project, self.organisation)
        )


class VerifiedDomain(NamedTuple):
    """A domain that the operator has seen to be the organisation's."""

    tenant: TenantId
    domain: str
    verified_at: Instant
    verified_by: str
