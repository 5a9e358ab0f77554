"""The decision: what happens to one call's content, and why.

`decide` is pure: the same policies and facts give the same decision. The version in force at
submission governs (C04); what a later version says can only bring a deadline forward. `Decider`
remembers decisions by epoch, which is sound because versions begin on epoch borders (`parse`
insists) and every deadline is counted from the epoch's start.

Deliberately leaves out holds (a hold re-seals what it names and changes no decision), rate limits
and everything that needs a clock or a database.
"""

from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.kernel.ids import Purpose
from bailee.kernel.instants import (
    DAY_MS,
    EPOCH_LENGTH_MS,
    Epoch,
    Instant,
    epoch_deadline,
    epoch_of,
    epoch_start,
)
from bailee.policy.history import (
    Coverage,
    EndpointRule,
    Improvement,
    PolicyHistory,
    PolicyVersion,
    Rules,
    State,
    ZeroRetention,
)
from bailee.policy.model import (
    BackendTerms,
    Decision,
    Facts,
    Handling,
    Reason,
    Refusal,
    RetentionMode,
)
from bailee.policy.texts import fill, packaged_reasons

API_SERVICE: Final = "api"
"""The service whose policy speaks when a service has none."""


HELD_PURPOSES: Final = frozenset(
    (Purpose.ABUSE_MONITORING, Purpose.APPLICATION_STATE, Purpose.TRAINING)
)
"""The purposes for which this release holds content. The policy allows more: what it allows and
nothing holds is left out of a decision, with a reason, so that a decision never promises it."""
_STORE: Final = "store"
EVERY_PURPOSE: Final = frozenset(Purpose)


def decide(
    policies: PolicyHistory, facts: Facts, held: frozenset[Purpose] = HELD_PURPOSES
) -> Decision:
    """What is kept of a call, for which purposes, until when, and why; or why it is refused.

    `held` names the purposes for which the installation can hold content at all.

    Raises:
        InvalidInput: if `policies` has no version of the API's policy at `facts.submitted_at`.
    """
    version = policies.version_at(facts.service, facts.submitted_at)
    if version is None:
        return _without_policy(policies, facts)
    rule = version.endpoints.get(facts.endpoint)
    if rule is None:
        return _refused(version, facts, Refusal.UNKNOWN_ENDPOINT, "refused_endpoint")
    refusal = _refusal_of(version.rules, rule, facts)
    if refusal is not None:
        return _refused(version, facts, refusal, f"refused_{refusal.value}")
    return _kept(policies, version, rule, facts, held)


class _Part(NamedTuple):
    """What one purpose adds to a decision."""

    reason: str
    """Name of its text."""
    kept: bool = False
    days: int | None = None
    """For how long; None: until its owner deletes it."""


def _kept(
    policies: PolicyHistory,
    version: PolicyVersion,
    rule: EndpointRule,
    facts: Facts,
    held: frozenset[Purpose],
) -> Decision:
    """The decision about a call that is answered."""
    texts = version.reasons
    cited = [texts["version_governs"], texts["service_policy"], texts["residency"]]
    epoch = epoch_of(facts.submitted_at)
    handlings: list[Handling] = []
    asked = rule.state is State.WHEN_STORED and (
        rule.store_default if facts.store_requested is None else facts.store_requested
    )
    stored = False
    zero_retention = facts.retention_mode is RetentionMode.ZERO_DATA_RETENTION
    if zero_retention:
        cited.append(texts["zero_retention"])
        if asked:
            cited.append(texts["store_left_out_zero_retention"])
    else:
        parts = (
            (Purpose.ABUSE_MONITORING, _monitoring(version.rules, rule, facts)),
            (Purpose.APPLICATION_STATE, _state(version.rules, rule, facts, asked, held)),
            (Purpose.TRAINING, _improvement(version.rules, rule, facts, held)),
        )
        for purpose, part in parts:
            if part is None:
                continue
            cited.append(texts[part.reason])
            if part.kept:
                until = _until(policies, version, epoch, purpose, part.days)
                cites = version.handling_clauses[purpose.value]
                handlings.append(Handling(purpose, until, cites, facts.region))
                stored = stored or (asked and purpose is Purpose.APPLICATION_STATE)
    classifiers = _classifiers(version.rules, rule)
    if classifiers:
        cited.append(texts["classifiers_zero_retention" if zero_retention else "classifiers"])
    return Decision(
        True,
        version.id,
        epoch,
        facts.region,
        tuple(handlings),
        classifiers,
        tuple(cited),
        None,
        stored,
        asked and not stored,
    )


def _monitoring(rules: Rules, rule: EndpointRule, facts: Facts) -> _Part:
    """What is kept to monitor abuse (C05)."""
    if facts.retention_mode is RetentionMode.MODIFIED_ABUSE_MONITORING:
        return _Part("abuse_monitoring_modified")
    if rule.abuse_monitoring:
        return _Part("abuse_monitoring_kept", True, rules.abuse_monitoring_days)
    return _Part("abuse_monitoring_not_kept")


def _state(
    rules: Rules, rule: EndpointRule, facts: Facts, asked: bool, held: frozenset[Purpose]
) -> _Part | None:
    """What is kept for the application itself (C10); None if nothing was to be."""
    if rule.state is State.UNTIL_DELETED:
        if Purpose.APPLICATION_STATE not in held:
            return _Part("state_not_held")
        return _Part("state_until_deleted", True)
    if not asked:
        return None
    if facts.protected_health and not rules.protected_health_stores:
        return _Part("store_left_out_protected_health")
    if Purpose.APPLICATION_STATE not in held:
        return _Part("store_left_out_not_held")
    return _Part("state_stored", True, rules.stored_days)


def _refusal_of(rules: Rules, rule: EndpointRule, facts: Facts) -> Refusal | None:
    """Why the call is refused, if it is."""
    stores = rule.state is State.WHEN_STORED and facts.store_requested is True
    if facts.retention_mode is RetentionMode.ZERO_DATA_RETENTION:
        if rule.zero_retention is ZeroRetention.REFUSED:
            return Refusal.ZERO_RETENTION_ENDPOINT
        if stores and facts.reject_store:
            return Refusal.ZERO_RETENTION_STORE
    uncovered = _uncovered(rules, rule, facts)
    if not uncovered:
        return None
    if uncovered == (rule.endpoint,):
        return Refusal.PROTECTED_HEALTH_ENDPOINT
    if uncovered == (_STORE,):
        return Refusal.PROTECTED_HEALTH_STORE
    return Refusal.PROTECTED_HEALTH_FEATURES


def _uncovered(rules: Rules, rule: EndpointRule, facts: Facts) -> tuple[str, ...]:
    """Everything in the call that the business associate agreement does not cover (C16)."""
    if not facts.protected_health:
        return ()
    found: list[str] = []
    if (
        rules.protected_health_covers is Coverage.ZERO_RETENTION_ENDPOINTS
        and rule.zero_retention is ZeroRetention.REFUSED
    ):
        found.append(rule.endpoint)
    stores = rule.state is State.WHEN_STORED and facts.store_requested is True
    zero_retention = facts.retention_mode is RetentionMode.ZERO_DATA_RETENTION
    if stores and not zero_retention and not rules.protected_health_stores:
        found.append(_STORE)
    covered = rules.protected_health_features
    found += [feature.value for feature in facts.features if feature not in covered]
    return tuple(found)


def _improvement(rules: Rules, rule: EndpointRule, facts: Facts, held: frozenset[Purpose]) -> _Part:
    """Whether content may serve to improve the service (C02)."""
    opt_in = rules.improvement is Improvement.OPT_IN
    if facts.protected_health:
        return _Part("improvement_protected_health")
    if opt_in and not facts.sharing_consent:
        return _Part("improvement_not_shared")
    if not opt_in and facts.improvement_opt_out:
        return _Part("improvement_opted_out")
    if facts.retention_mode is RetentionMode.MODIFIED_ABUSE_MONITORING:
        return _Part("improvement_modified_monitoring")
    if not rule.sharing:
        return _Part("improvement_not_eligible")
    if Purpose.TRAINING not in held:
        return _Part("improvement_not_held")
    reason = "improvement_shared" if opt_in else "improvement_not_opted_out"
    return _Part(reason, True, rules.improvement_days)


def _classifiers(rules: Rules, rule: EndpointRule) -> tuple[str, ...]:
    """Which classifiers run (C09): what the policy asks for, where there is something to read."""
    if rules.classify_input and rules.classify_output:
        return rule.classified
    wanted = {"input": rules.classify_input, "output": rules.classify_output}
    return tuple(side for side in rule.classified if wanted[side])


def _until(
    policies: PolicyHistory,
    version: PolicyVersion,
    epoch: Epoch,
    purpose: Purpose,
    days: int | None,
) -> Instant | None:
    """When a handling ends at the latest: its own deadline, or an earlier one set later (C04).

    Nothing with a number of days outlives its epoch's key. A later version takes effect at its
    own instant: it ends at once what it would have ended before.
    """
    begin = epoch_start(epoch)
    until = None if days is None else min(epoch_deadline(epoch), Instant(begin + days * DAY_MS))
    policy = policies.services[version.service]
    if policy.versions[-1] is version:
        return until
    for later in policy.versions:
        if later.effective <= version.effective:
            continue
        shorter = _days_for(later.rules, purpose)
        bound = max(later.effective, Instant(begin + shorter * DAY_MS))
        if until is not None and bound < until:
            until = bound
    return until


def _days_for(rules: Rules, purpose: Purpose) -> int:
    if purpose is Purpose.ABUSE_MONITORING:
        return rules.abuse_monitoring_days
    if purpose is Purpose.APPLICATION_STATE:
        return rules.stored_days
    return rules.improvement_days


def _refused(version: PolicyVersion, facts: Facts, refusal: Refusal, reason: str) -> Decision:
    """A decision that refuses the call: nothing is kept, nothing is run."""
    why = version.reasons.get(reason)
    if why is None:
        rule = version.endpoints.get(facts.endpoint)
        uncovered = () if rule is None else _uncovered(version.rules, rule, facts)
        features = ", ".join(f"`{name}`" for name in uncovered)
        values = {"endpoint": facts.endpoint, "features": features}
        why = fill(packaged_reasons()[reason], version.id, values)
    reasons = (version.reasons["version_governs"], version.reasons["service_policy"], why)
    epoch = epoch_of(facts.submitted_at)
    return Decision(False, version.id, epoch, facts.region, (), (), reasons, refusal.value)


def _without_policy(policies: PolicyHistory, facts: Facts) -> Decision:
    """Refuse for want of a policy, in the words of the API's."""
    version = policies.version_at(API_SERVICE, facts.submitted_at)
    if version is None:
        raise InvalidInput(
            "no version of the API's policy is in force at the instant of submission; "
            "add one that is effective 1970-01-01T00:00:00Z"
        )
    return _refused(version, facts, Refusal.SERVICE_WITHOUT_POLICY, "refused_service")


class Decider:
    """Decides with a memory, for the request path.

    For one thread. It remembers the decisions of one epoch, at most `capacity` of them, and starts
    afresh when either ends. Questions about other instants (`explain`) go to `decide`, so that
    they do not make it forget.
    """

    def __init__(
        self,
        policies: PolicyHistory,
        *,
        held: frozenset[Purpose] = HELD_PURPOSES,
        capacity: int = 4096,
    ) -> None:
        self.policies = policies
        self._held = held
        self._capacity = capacity
        self._epoch = -1
        self._known: dict[tuple[object, ...], Decision] = {}

    def replace(self, policies: PolicyHistory) -> None:
        """Decide by another history from now on."""
        self.policies = policies
        self._known.clear()

    def decide(self, facts: Facts) -> Decision:
        """As `decide`."""
        epoch = facts[3] // EPOCH_LENGTH_MS
        if epoch == self._epoch:
            known = self._known.get(facts[:3] + facts[4:])
            if known is not None:
                return known
        return self._remember(epoch, facts)

    def _remember(self, epoch: int, facts: Facts) -> Decision:
        decision = decide(self.policies, facts, self._held)
        if epoch != self._epoch or len(self._known) >= self._capacity:
            self._known.clear()
            self._epoch = epoch
        self._known[facts[:3] + facts[4:]] = decision
        return decision


class RefusedCall(NamedTuple):
    """What a refused caller is told."""

    name: str
    """A value of `Refusal`."""
    reason: Reason


def refusal(decision: Decision) -> RefusedCall | None:
    """The refusal that a decision makes; None if the call is allowed."""
    if decision.refusal is None:
        return None
    return RefusedCall(decision.refusal, decision.reasons[-1])


def backend_refusals(decision: Decision, facts: Facts, terms: BackendTerms) -> tuple[Reason, ...]:
    """Why a backend may not serve this call; empty if it may.

    `decision` is the one made from `facts`. What the backend's operator has not declared counts as
    the worst. A refused call has no backend: its own reason is given.
    """
    if not decision.allowed:
        return decision.reasons[-1:]
    broken: list[str] = []
    values: dict[str, object] = {"region": decision.region}
    if terms.region != decision.region:
        broken.append("backend_region")
    if facts.retention_mode is RetentionMode.ZERO_DATA_RETENTION:
        if not terms.zero_retention:
            broken.append("backend_zero_retention")
    elif not terms.zero_retention:
        days = _backend_days(decision)
        values["days"] = days
        if terms.retention_days is None or terms.retention_days > days:
            broken.append("backend_retention" if days else "backend_retention_none")
    purposes = {handling.purpose for handling in decision.handlings}
    if terms.trains and Purpose.TRAINING not in purposes:
        broken.append("backend_trains")
    if facts.protected_health and not terms.business_associate:
        broken.append("backend_business_associate")
    texts = packaged_reasons()
    return tuple(fill(texts[name], decision.policy_version, values) for name in broken)


def _backend_days(decision: Decision) -> int:
    """How many days a backend may keep content: as long as abuse monitoring here, else not at all.

    What is kept for its owner is kept here; no backend needs it.
    """
    for handling in decision.handlings:
        if handling.purpose is Purpose.ABUSE_MONITORING and handling.until is not None:
            return (handling.until - epoch_start(decision.epoch)) // DAY_MS
    return 0
