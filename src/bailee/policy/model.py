"""What a decision is made from and what it says.

Pure values. A `Decision` is complete: nobody downstream decides anything about retention again.
"""

import enum
from typing import NamedTuple

from bailee.kernel.ids import Purpose, Region
from bailee.kernel.instants import Epoch, Instant


class RetentionMode(enum.Enum):
    """What was agreed with an organisation or project about retention."""

    DEFAULT = "default"
    MODIFIED_ABUSE_MONITORING = "modified_abuse_monitoring"
    ZERO_DATA_RETENTION = "zero_data_retention"


class BackendTerms(NamedTuple):
    """What a backend's operator has promised. What is not declared counts as the worst."""

    region: Region | None = None
    """Where it processes; None: anywhere."""
    retention_days: int | None = None
    """How long it keeps content; None: for ever."""
    trains: bool = True
    """Whether it learns from content."""
    business_associate: bool = False
    """Whether a business associate agreement covers it."""
    zero_retention: bool = False
    """Whether it keeps nothing at all."""


class Facts(NamedTuple):
    """Everything that a decision may depend on. Hashable: decisions are memoised by it."""

    service: str
    """`api`, or a consumer service with a policy of its own."""
    endpoint: str
    """As in `/v1/chat/completions`."""
    region: Region
    submitted_at: Instant
    retention_mode: RetentionMode = RetentionMode.DEFAULT
    sharing_consent: bool = False
    """Whether an opt-in to sharing for improvement stands at `submitted_at` (since 2023-03-01)."""
    improvement_opt_out: bool = False
    """Whether an opt-out stood at `submitted_at` (before 2023-03-01)."""
    protected_health: bool = False
    """Whether a business associate agreement governs the project."""
    store_requested: bool | None = None
    """The request's `store`, if it has one."""


class Reason(NamedTuple):
    """Why a part of a decision is as it is."""

    clause: str
    """As in `C05`."""
    version: str
    """The policy version that the clause is cited from."""
    english: str
    korean: str


class Handling(NamedTuple):
    """One purpose for which content is held."""

    purpose: Purpose
    until: Instant | None
    """When it is gone at the latest; None: when its owner deletes it."""
    clauses: tuple[str, ...]
    region: Region


class Decision(NamedTuple):
    """What happens to one call's content."""

    allowed: bool
    """False: the call is refused, for `reasons`."""
    policy_version: str
    epoch: Epoch
    region: Region
    handlings: tuple[Handling, ...]
    """Empty: nothing is held (zero retention)."""
    classifiers: tuple[str, ...]
    """Which classifiers run: `input`, `output`."""
    reasons: tuple[Reason, ...]
    """Never empty."""
