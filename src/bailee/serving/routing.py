"""Which backends may answer a call, in which order, and what is decided about its content.

A plan holds everything that follows from caller, operation, model and `store`: the decision, the
backends whose declared terms keep the caller's clauses, the refusal of the others with the
clause, and the headers that say so. Plans are remembered for as long as the facts behind them
stand: the same caller value, the same epoch. Nothing here waits.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from bailee.custody.recorder.sharing import Shared
from bailee.custody.seal.part import Owner
from bailee.governance.decisions.model import Tally
from bailee.governance.usage.model import UsageKey, counted_model
from bailee.kernel.ids import ProjectId, Purpose, TenantId, tenant_text
from bailee.kernel.instants import Instant, epoch_of
from bailee.policy.decide import API_SERVICE, Decider, backend_refusals
from bailee.policy.headers import HANDLING_HEADER, POLICY_HEADER, handling_header, policy_header
from bailee.policy.model import BackendTerms, Decision, Facts, Feature, Reason
from bailee.ports.backend import Backend
from bailee.serving.call import CHAT_COMPLETIONS, COMPLETIONS, EMBEDDINGS, RESPONSES, Call
from bailee.serving.caller import Caller
from bailee.serving.errors import Because, CallRefused
from bailee.serving.features import features_of
from bailee.serving.limits import Gauges, gauges_of
from bailee.serving.prefix_cache import SaltOf
from bailee.serving.residency import Residency

Headers = list[tuple[str, str]]

TEXT_ENDPOINTS: Final = frozenset(
    {CHAT_COMPLETIONS.endpoint, COMPLETIONS.endpoint, RESPONSES.endpoint}
)
UPSTREAM_ENDPOINTS: Final = TEXT_ENDPOINTS | {EMBEDDINGS.endpoint}
"""What an upstream may answer: which of its models does what is known to it alone."""
_PLANS: Final = 4096
_STORE_REFUSALS: Final = frozenset({"zero_retention_store", "protected_health_store"})


class Route(NamedTuple):
    """One backend for one model name."""

    name: str
    """The backend's, as the operator calls it."""
    backend: Backend
    upstream_model: str
    """The model's name there."""
    terms: BackendTerms
    speaks_responses: bool = False
    """Whether it answers the Responses API itself; otherwise it is asked for chat completions."""
    takes_salt: bool = False
    """Whether it knows `cache_salt`."""


class ServedModel(NamedTuple):
    """A model name that callers may use."""

    name: str
    created_s: int
    """Unix seconds."""
    owned_by: str
    routes: tuple[Route, ...]
    """In the order in which they are tried."""
    endpoints: frozenset[str] = UPSTREAM_ENDPOINTS
    """The operations that it answers."""


class Plan(NamedTuple):
    """What happens to a call."""

    caller: Caller
    owner: Owner
    gauges: Gauges
    decision: Decision
    routes: tuple[Route, ...]
    """Backends that may answer, in order; never empty."""
    headers: Headers
    """The part of the answer's headers that all calls of the plan share."""
    recorded: bool
    """Whether a record is made, for abuse monitoring."""
    shared: Shared | None
    """What lets the record serve training too; None: it does not."""
    usage_key: UsageKey
    """What its calls are counted under."""
    cache_salt: str
    """Of the project, for prefix caches."""
    takes_salt: bool
    """Whether one of the routes always gets it."""
    tally: Tally
    """What its calls are counted in, by the facts that decided."""


class TallyOf(Protocol):
    """Counts decisions by their facts, as `governance.decisions.counting`."""

    def __call__(self, tenant: TenantId, project: ProjectId, facts: Facts, policy: str, /) -> Tally:
        """The count of calls with these facts."""
        ...


def _uncounted(*_: object) -> Tally:
    """Counts for nobody."""
    return Tally()


class Planner:
    """Makes and remembers plans. One for each process that answers; not for several threads."""

    def __init__(
        self,
        models: Mapping[str, ServedModel],
        decider: Decider,
        *,
        salt_of: SaltOf,
        keeps_application_state: bool = False,
        tally_of: TallyOf = _uncounted,
        residency: Residency | None = None,
    ) -> None:
        """`residency` refuses what belongs to another region; None: there is one alone.

        Without `keeps_application_state` a `store` that the policy would allow is left out, and the
        handling header says so.
        """
        self.models: Final = models
        self._salt_of = salt_of
        self._decider = decider
        self._keeps_application_state = keeps_application_state
        self._tally_of = tally_of
        self._policies = decider.policies
        self.residency: Final = residency
        self._plans: dict[tuple[bytes, str, str, bool | None], Plan] = {}

    def plan(self, caller: Caller, call: Call, now: Instant) -> Plan:
        """The plan for a call.

        Raises CallRefused: MODEL_UNKNOWN, POLICY, STORE_REFUSED, BACKEND_TERMS.
        """
        if caller.protected_health:
            # Its features are looked for anew each time.
            return self._make(caller, call, now)
        key = (caller.key_id, call.operation.endpoint, call.model, call.store)
        if self._policies is not self._decider.policies:
            self._plans.clear()
            self._policies = self._decider.policies
        plan = self._plans.get(key)
        if plan is not None and plan.caller is caller and plan.decision.epoch == epoch_of(now):
            plan.tally.calls += 1
            return plan
        plan = self._make(caller, call, now)
        if len(self._plans) >= _PLANS:
            self._plans.clear()
        self._plans[key] = plan
        return plan

    def plan_private(self, caller: Caller, call: Call, now: Instant, served: ServedModel) -> Plan:
        """The plan for a call of a model that is the caller's alone; it is not remembered.

        Raises CallRefused: POLICY, STORE_REFUSED, BACKEND_TERMS.
        """
        return self._planned(caller, call, now, served)

    def decide(
        self,
        caller: Caller,
        endpoint: str,
        now: Instant,
        store: bool | None = None,
        features: tuple[Feature, ...] = (),
    ) -> tuple[Facts, Decision]:
        """The facts of a call and what follows from them.

        Raises CallRefused (WRONG_REGION): the caller's content is another region's.
        """
        if self.residency is not None:
            self.residency.check(caller.region)
        facts = Facts(
            service=caller.service,
            endpoint=endpoint,
            region=caller.region,
            submitted_at=now,
            retention_mode=caller.retention_mode,
            sharing_consent=caller.sharing_consent,
            improvement_opt_out=caller.improvement_opt_out,
            protected_health=caller.protected_health,
            store_requested=store,
            reject_store=caller.reject_store,
            features=features,
        )
        decision = self._decider.decide(facts)
        if decision.store and not self._keeps_application_state:
            kept = tuple(h for h in decision.handlings if h.purpose is not _STATE)
            decision = decision._replace(handlings=kept, store=False, store_left_out=True)
        return facts, decision

    def decide_counted(self, caller: Caller, endpoint: str, now: Instant) -> Decision:
        """Decide about a call that has no plan, and count it."""
        facts, decision = self.decide(caller, endpoint, now)
        self._counted(caller, facts, decision)
        return decision

    def check_terms(
        self, caller: Caller, endpoint: str, now: Instant, backend: str, terms: BackendTerms
    ) -> None:
        """Return if a backend of these terms may have what the caller sends to an endpoint.

        Raises CallRefused: POLICY, BACKEND_TERMS.
        """
        facts, decision = self.decide(caller, endpoint, now)
        if not decision.allowed:
            raise refused_by_policy(decision)
        broken = backend_refusals(decision, facts, terms)
        if broken:
            raise _refused_by_terms([(backend, broken)])

    def may_call(self, caller: Caller, served: ServedModel, now: Instant) -> bool:
        """Whether a backend of this model may get any call of the caller's."""
        for endpoint in served.endpoints:
            facts, decision = self.decide(caller, endpoint, now)
            if decision.allowed and any(
                not backend_refusals(decision, facts, route.terms) for route in served.routes
            ):
                return True
        return False

    def headers(self, caller: Caller, decision: Decision) -> Headers:
        """The headers that say whose the call is and how its content is handled."""
        return [
            ("openai-organization", tenant_text(caller.tenant)),
            (POLICY_HEADER, policy_header(decision)),
            (HANDLING_HEADER, handling_header(decision)),
        ]

    def headers_without_plan(self, now: Instant) -> Headers:
        """The headers of an answer to a call that was refused before anything was decided.

        Nothing of such a call is held.
        """
        version = self._decider.policies.version_at(API_SERVICE, now)
        policy = version.id if version is not None else "none"
        return [(POLICY_HEADER, policy), (HANDLING_HEADER, "none")]

    def _make(self, caller: Caller, call: Call, now: Instant) -> Plan:
        served = self.models.get(call.model)
        if served is None:
            raise unknown_model(call.model)
        return self._planned(caller, call, now, served)

    def _planned(self, caller: Caller, call: Call, now: Instant, served: ServedModel) -> Plan:
        if call.operation.endpoint not in served.endpoints:
            raise _wrong_model(served, call.operation.endpoint)
        features = features_of(call.body) if caller.protected_health else ()
        facts, decision = self.decide(caller, call.operation.endpoint, now, call.store, features)
        tally = self._counted(caller, facts, decision)
        if not decision.allowed:
            raise refused_by_policy(decision)
        allowed: list[Route] = []
        refused: list[tuple[str, tuple[Reason, ...]]] = []
        for route in served.routes:
            broken = backend_refusals(decision, facts, route.terms)
            if broken:
                refused.append((route.name, broken))
            else:
                allowed.append(route)
        if not allowed:
            raise _refused_by_terms(refused)
        return Plan(
            caller,
            caller.owner,
            gauges_of(caller, call.model),
            decision,
            tuple(allowed),
            self.headers(caller, decision),
            any(held.purpose is Purpose.ABUSE_MONITORING for held in decision.handlings),
            caller.shared
            if any(held.purpose is Purpose.TRAINING for held in decision.handlings)
            else None,
            UsageKey(
                *(caller.tenant, caller.project, caller.key_id),
                *(call.operation.endpoint, counted_model(call.model)),
            ),
            self._salt_of(caller.project),
            any(route.takes_salt for route in allowed),
            tally,
        )

    def _counted(self, caller: Caller, facts: Facts, decision: Decision) -> Tally:
        tally = self._tally_of(caller.tenant, caller.project, facts, decision.policy_version)
        tally.calls += 1
        return tally


_STATE: Final = Purpose.APPLICATION_STATE


def unknown_model(name: str) -> CallRefused:
    """The refusal of a model that is not served, in the API's words."""
    return CallRefused(
        Because.MODEL_UNKNOWN,
        f"The model `{name[:128]}` does not exist or you do not have access to it.",
        field="model",
    )


def _wrong_model(served: ServedModel, endpoint: str) -> CallRefused:
    return CallRefused(
        Because.MODEL_UNKNOWN,
        f"The model `{served.name}` is not served at {endpoint}, but at "
        f"{', '.join(sorted(served.endpoints))}. Use another model.",
        field="model",
    )


def refused_by_policy(decision: Decision) -> CallRefused:
    """What a caller is told when the policy does not allow a call, with the clause."""
    because = Because.STORE_REFUSED if decision.refusal in _STORE_REFUSALS else Because.POLICY
    reason = decision.reasons[-1]
    return CallRefused(
        because,
        f"{reason.english} (clause {reason.clause}, policy {reason.version})",
        field="store" if because is Because.STORE_REFUSED else None,
        name=decision.refusal,
    )


def _refused_by_terms(refused: list[tuple[str, tuple[Reason, ...]]]) -> CallRefused:
    named = "; ".join(
        f"backend `{backend}`: "
        + " ".join(f"{reason.english} (clause {reason.clause})" for reason in broken)
        for backend, broken in refused
    )
    return CallRefused(
        Because.BACKEND_TERMS,
        "No backend of this model may receive this call. "
        f"{named}. Use another model, or ask the operator to declare better terms.",
        field="model",
    )
