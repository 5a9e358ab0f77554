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

    __hash__ = object.__hash__  # members are singletons; the default hash runs Python code


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


class Feature(enum.Enum):
    """What a call may use beside its endpoint and `store`. The value is stable: callers read it."""

    BACKGROUND = "background"
    """It goes on without its client, and is kept until it is fetched."""
    TOOLS = "tools"
    """Tools that the caller does not run itself, and that send data elsewhere."""
    FILES = "files"
    """It names files."""
    STORED_CONTEXT = "stored_context"
    """It goes on from what was stored: a Response, a conversation, a prompt."""

    __hash__ = object.__hash__


class Facts(NamedTuple):
    """Everything that a decision may depend on. Hashable: decisions are memoised by it."""

    service: str
    """`api`, or a consumer service with a policy of its own."""
    endpoint: str
    """As the policy's endpoint table names it: a path template as in `/v1/chat/completions`, with
    a method in front where the table has one, as in `GET /v1/chat/completions`."""
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
    reject_store: bool = False
    """Whether the project wants a call refused that asks for storing where nothing may be stored;
    otherwise `store` is left out and the handling header says so."""
    features: tuple[Feature, ...] = ()
    """What else the call uses; looked at where `protected_health` is so, and empty elsewhere."""


class Refusal(enum.Enum):
    """Why a call is refused. The value is stable: clients and dashboards may depend on it."""

    SERVICE_WITHOUT_POLICY = "service_without_policy"
    """No policy governs the service at the instant of submission."""
    UNKNOWN_ENDPOINT = "unknown_endpoint"
    """The policy has no rule for the endpoint."""
    ZERO_RETENTION_ENDPOINT = "zero_retention_endpoint"
    """The endpoint cannot work without keeping content."""
    ZERO_RETENTION_STORE = "zero_retention_store"
    """`store` was asked for, and the project wants that refused under zero retention."""
    PROTECTED_HEALTH_ENDPOINT = "protected_health_endpoint"
    """The business associate agreement does not cover the endpoint."""
    PROTECTED_HEALTH_STORE = "protected_health_store"
    """`store` was asked for, which the business associate agreement does not cover."""
    PROTECTED_HEALTH_FEATURES = "protected_health_features"
    """The call uses features that the business associate agreement does not cover; the reason
    names every one of them, endpoint and `store` among them."""


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
    """Never empty. The last one of a refused call says why it is refused."""
    refusal: str | None = None
    """A stable machine name when the call is refused: a value of `Refusal`."""
    store: bool = False
    """Whether the call's application state is kept because `store` says so."""
    store_left_out: bool = False
    """Whether `store` was asked for, or is the endpoint's default, and is treated as false."""
