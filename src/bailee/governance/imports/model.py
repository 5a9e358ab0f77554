"""A dated record, and what becomes of it."""

import enum
from typing import NamedTuple

from bailee.custody.seal.part import Owner
from bailee.kernel.ids import ProjectId, RecordId, TenantId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import HiddenStruct
from bailee.policy.model import RetentionMode


class DatedRecord(HiddenStruct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a file of records, as JSON has it; prints nothing of its content."""

    submitted_at: str
    """RFC 3339 with an offset."""
    project: str
    """As in `proj_…`."""
    endpoint: str
    """As the policy's endpoint table names it."""
    request: str
    answer: str
    status: int = 200
    retention_mode: RetentionMode = RetentionMode.DEFAULT
    """What was agreed then, as everything that follows."""
    sharing_consent: bool = False
    improvement_opt_out: bool = False
    protected_health: bool = False
    store: bool | None = None


class Outcome(enum.Enum):
    """What became of a record's content. The value is stored."""

    SEALED = "sealed"
    """It is held for abuse monitoring until its deadline, which counts from its submission."""
    PAST_DEADLINE = "past_deadline"
    """It would be destroyed by now: metadata alone."""
    NO_KEY = "no_key"
    """It was submitted in a half hour that is over, to which nothing can be sealed any more:
    metadata alone."""
    NOTHING_KEPT = "nothing_kept"
    """The version in force then, or what is agreed now, keeps nothing of it: metadata alone."""
    REFUSED = "refused"
    """The version in force then would have refused the call: metadata alone."""


class Imported(NamedTuple):
    """What became of a record."""

    outcome: Outcome
    policy: str
    """The version that governs it."""
    service: str
    until: Instant | None
    """When its content is, or was to be, gone; None where none is kept."""
    record: RecordId | None
    """Where its content is sealed."""


class ImportedProject(NamedTuple):
    """What importing must know of a project."""

    owner: Owner
    scope_generation: int
    service: str
    retention_mode: RetentionMode
    """What is agreed now."""
    active: bool

    @property
    def tenant(self) -> TenantId:
        """Whose it is."""
        return self.owner.tenant

    @property
    def project(self) -> ProjectId:
        """Which it is."""
        return self.owner.project
