"""A backend is refused wherever its declared terms would break the caller's clauses."""

from functools import partial

import pytest

from bailee.kernel.ids import Region
from bailee.kernel.instants import from_rfc3339
from bailee.policy.decide import EVERY_PURPOSE, backend_refusals, decide
from bailee.policy.load import packaged_policy
from bailee.policy.model import BackendTerms, Facts, RetentionMode

POLICY = packaged_policy()
decided = partial(decide, held=EVERY_PURPOSE)
US = Region("us")
CHAT = Facts("api", "/v1/chat/completions", US, from_rfc3339("2026-12-01T10:17:23.456Z"))
GOOD = BackendTerms(US, retention_days=30, trains=False)
ZERO = RetentionMode.ZERO_DATA_RETENTION
MODIFIED = RetentionMode.MODIFIED_ABUSE_MONITORING


def broken(facts: Facts, terms: BackendTerms) -> list[str]:
    """The clauses that the backend would break."""
    return [reason.clause for reason in backend_refusals(decided(POLICY, facts), facts, terms)]


NOTHING_KEPT = BackendTerms(US, trains=False, zero_retention=True)

CASES = [
    (CHAT, GOOD, []),
    (CHAT, NOTHING_KEPT, []),
    (CHAT, BackendTerms(), ["C15", "C05", "C02"]),
    (CHAT, GOOD._replace(region=None), ["C15"]),
    (CHAT, GOOD._replace(region=Region("eu")), ["C15"]),
    (CHAT, GOOD._replace(retention_days=31), ["C05"]),
    (CHAT, GOOD._replace(retention_days=None), ["C05"]),
    (CHAT, GOOD._replace(trains=True), ["C02"]),
    (CHAT._replace(sharing_consent=True), GOOD._replace(trains=True), []),
    (CHAT._replace(protected_health=True), GOOD, ["C16"]),
    (CHAT._replace(protected_health=True), GOOD._replace(business_associate=True), []),
    (CHAT._replace(retention_mode=ZERO), GOOD, ["C08"]),
    (CHAT._replace(retention_mode=ZERO), GOOD._replace(retention_days=0), ["C08"]),
    (CHAT._replace(retention_mode=ZERO), NOTHING_KEPT, []),
    (CHAT._replace(retention_mode=ZERO), NOTHING_KEPT._replace(trains=True), ["C02"]),
    (CHAT._replace(retention_mode=MODIFIED), GOOD, ["C05"]),
    (CHAT._replace(retention_mode=MODIFIED), GOOD._replace(retention_days=0), []),
    (CHAT._replace(retention_mode=MODIFIED, store_requested=True), GOOD, ["C05"]),
]


@pytest.mark.parametrize(("facts", "terms", "clauses"), CASES)
def test_terms_are_weighed_against_the_decision(
    facts: Facts, terms: BackendTerms, clauses: list[str]
) -> None:
    assert broken(facts, terms) == clauses


def test_the_reason_names_the_region_and_the_days() -> None:
    reasons = backend_refusals(decided(POLICY, CHAT), CHAT, BackendTerms())
    assert "`us`" in reasons[0].english
    assert "30 days" in reasons[1].english
    assert "30일" in reasons[1].korean


def test_a_refused_call_has_no_backend() -> None:
    refused = CHAT._replace(endpoint="/v1/files", retention_mode=ZERO)
    assert broken(refused, NOTHING_KEPT) == ["C08"]
