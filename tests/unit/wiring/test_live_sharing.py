"""What a call may serve besides, by what a worker knows: nothing without a lease."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from tests.fixtures.custody_world import ALICE

from bailee.governance.tenancy.model import NO_CONSENT, Consent
from bailee.kernel.ids import ProjectId
from bailee.kernel.instants import Instant
from bailee.policy.turns import effective, stands
from bailee.serving.caller import Caller
from bailee.wiring.sharing import Consenting, LiveSharing

CALLER = Caller(bytes(8), ALICE.tenant, ALICE.project, ALICE.region, 0)


@dataclass
class Facts:
    said: Consent = NO_CONSENT
    lease: bool = True

    def consent(self, project: ProjectId) -> Consent:
        return self.said if project == ALICE.project else NO_CONSENT

    def leased(self) -> bool:
        return self.lease


def at(facts: Facts, now: int, consenting: Consenting | None = None) -> Caller:
    return (consenting or Consenting(facts)).at(CALLER, facts.said, Instant(now))


def test_the_caller_turns_at_the_very_instant_and_is_one_value_between() -> None:
    facts = Facts(Consent((100, 200), (150,), 3))
    consenting = Consenting(facts)
    callers = [at(facts, now, consenting) for now in (99, 100, 149, 150, 199, 200)]
    said = [(caller.sharing_consent, caller.improvement_opt_out) for caller in callers]
    assert said == [
        (False, False),
        *[(True, False)] * 2,
        *[(True, True)] * 2,
        (False, True),
    ]
    assert callers[1] is callers[2]
    assert at(Facts(), 100) is CALLER, "whoever said nothing costs nothing"


def test_a_worker_without_its_lease_takes_the_owner_to_object() -> None:
    facts = Facts(Consent((100,), (), 0))
    shared = at(facts, 150)
    facts.lease = False
    caller = at(facts, 150)
    assert (caller.sharing_consent, caller.improvement_opt_out) == (False, True)
    assert shared.shared is not None
    assert not shared.shared.stands(Instant(150)), "also for what has begun"
    facts.lease = True
    assert shared.shared.stands(Instant(150))


def test_sharing_that_began_anew_is_another() -> None:
    facts = Facts(Consent((100,), (), 0))
    shared = at(facts, 150).shared
    assert shared is not None
    facts.said = Consent((100, 200), (), 0)
    assert shared.stands(Instant(199))
    assert not shared.stands(Instant(200))
    facts.said = Consent((100, 200, 300), (), 1)
    assert not shared.stands(Instant(300))
    again = at(facts, 300).shared
    assert again is not None
    assert (again.generation, again.stands(Instant(300))) == (1, True)


def test_before_the_opt_in_an_opt_out_ends_it() -> None:
    facts = Facts()
    shared = LiveSharing(facts, ALICE.project, 0, opted_in=False)
    assert shared.stands(Instant(100))
    facts.said = Consent((), (150,), 0)
    assert shared.stands(Instant(149))
    assert not shared.stands(Instant(150))
    facts.lease = False
    assert not shared.stands(Instant(149))


TURNS = st.lists(st.integers(0, 60), max_size=6).map(sorted)


@given(TURNS, st.none() | TURNS.filter(bool), st.integers(0, 60))
def test_a_projects_own_word_counts_from_its_first_on(
    organisation: list[int], own: list[int] | None, now: int
) -> None:
    found = effective(organisation, own)
    assert list(found) == sorted(found)
    spoken = own is not None and now >= own[0]
    assert stands(found, now) == stands(own if spoken and own else organisation, now)
