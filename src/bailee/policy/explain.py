"""What would happen to a call, and why: an answer that people and programs can read.

`POST /bailee/v1/policy/explain` and `bailee policy explain` show what `explain` gives. It is the
same decision as the request path makes, never a second opinion.
"""

from typing import Final

from msgspec import Struct

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import Purpose, Region
from bailee.kernel.instants import Instant, epoch_start, from_rfc3339, to_rfc3339
from bailee.policy.decide import API_SERVICE, HELD_PURPOSES, decide
from bailee.policy.headers import HANDLING_HEADER, POLICY_HEADER, handling_header, policy_header
from bailee.policy.history import PolicyHistory
from bailee.policy.model import Decision, Facts, RetentionMode
from bailee.policy.show import BothLanguages

LATEST_MS: Final = 253_402_300_800_000
"""The year 10000: instants are written with four digits."""


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A call to be explained, as JSON has it. Each field is described in `model.Facts`."""

    endpoint: str
    service: str | None = None
    """The caller's, if missing."""
    region: str = "us"
    submitted_at: str | None = None
    """RFC 3339 with an offset; now, if missing."""
    retention_mode: RetentionMode = RetentionMode.DEFAULT
    sharing_consent: bool = False
    improvement_opt_out: bool = False
    protected_health: bool = False
    store: bool | None = None
    reject_store: bool = False


class ExplainedReason(Struct, frozen=True):
    """A reason, with the title of the clause that it cites."""

    clause: str
    version: str
    title: BothLanguages
    text: BothLanguages


class ExplainedHandling(Struct, frozen=True):
    """One purpose for which content would be held."""

    purpose: str
    until: str | None
    """RFC 3339; null: until its owner deletes it."""
    clauses: list[str]
    region: str


class Explanation(Struct, frozen=True):
    """A decision in full."""

    allowed: bool
    refusal: str | None
    service: str
    endpoint: str
    policy_version: str
    submitted_at: str
    region: str
    epoch: int
    epoch_starts_at: str
    handlings: list[ExplainedHandling]
    classifiers: list[str]
    store: bool
    store_left_out: bool
    reasons: list[ExplainedReason]
    headers: dict[str, str]


def facts_of(question: Question, now: Instant, service: str = API_SERVICE) -> Facts:
    """The facts that a question states: at `now`, and of `service`, unless it says otherwise.

    Raises:
        InvalidInput: if `submitted_at` is no instant or the region no region.
    """
    submitted_at = now
    if question.submitted_at is not None:
        try:
            submitted_at = from_rfc3339(question.submitted_at)
        except ValueError:
            submitted_at = Instant(-1)
        if not 0 <= submitted_at < LATEST_MS:
            raise InvalidInput(
                "submitted_at is no instant since 1970; write it as 2026-11-23T07:30:00Z",
                field="submitted_at",
            )
    region = question.region
    if not 1 <= len(region) <= 32 or not set(region) <= _REGION_SIGNS:
        raise InvalidInput("a region has 1 to 32 of a-z, 0-9 and -", field="region")
    return Facts(
        service=service if question.service is None else question.service,
        endpoint=question.endpoint,
        region=Region(region),
        submitted_at=submitted_at,
        retention_mode=question.retention_mode,
        sharing_consent=question.sharing_consent,
        improvement_opt_out=question.improvement_opt_out,
        protected_health=question.protected_health,
        store_requested=question.store,
        reject_store=question.reject_store,
    )


_REGION_SIGNS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def explain(
    policies: PolicyHistory, facts: Facts, held: frozenset[Purpose] = HELD_PURPOSES
) -> Explanation:
    """The decision about `facts`, ready for JSON, in both languages. `held` as in `decide`."""
    decision = decide(policies, facts, held)
    return Explanation(
        allowed=decision.allowed,
        refusal=decision.refusal,
        service=facts.service,
        endpoint=facts.endpoint,
        policy_version=decision.policy_version,
        submitted_at=to_rfc3339(facts.submitted_at),
        region=decision.region,
        epoch=decision.epoch,
        epoch_starts_at=to_rfc3339(epoch_start(decision.epoch)),
        handlings=[
            ExplainedHandling(
                handling.purpose.value,
                None if handling.until is None else to_rfc3339(handling.until),
                list(handling.clauses),
                handling.region,
            )
            for handling in decision.handlings
        ],
        classifiers=list(decision.classifiers),
        store=decision.store,
        store_left_out=decision.store_left_out,
        reasons=_reasons(policies, decision),
        headers={
            POLICY_HEADER: policy_header(decision),
            HANDLING_HEADER: handling_header(decision),
        },
    )


def _reasons(policies: PolicyHistory, decision: Decision) -> list[ExplainedReason]:
    explained = []
    for reason in decision.reasons:
        version = policies.version(reason.version)
        clause = None if version is None else version.clauses.get(reason.clause)
        title = BothLanguages(reason.clause, reason.clause)
        if clause is not None:
            title = BothLanguages(clause.title.english, clause.title.korean)
        explained.append(
            ExplainedReason(
                reason.clause, reason.version, title, BothLanguages(reason.english, reason.korean)
            )
        )
    return explained
