"""The handling header, as text and as an independent RFC 9651 parser reads it."""

from datetime import datetime
from functools import partial
from typing import Any

import http_sf
import pytest

from bailee.kernel.ids import Region
from bailee.kernel.instants import from_rfc3339
from bailee.policy.decide import EVERY_PURPOSE, decide
from bailee.policy.headers import handling_header, policy_header
from bailee.policy.load import packaged_policy
from bailee.policy.model import Facts, RetentionMode

POLICY = packaged_policy()
decided = partial(decide, held=EVERY_PURPOSE)
CHAT = Facts("api", "/v1/chat/completions", Region("us"), from_rfc3339("2026-12-01T10:17:23.456Z"))
ZERO = RetentionMode.ZERO_DATA_RETENTION
MODIFIED = RetentionMode.MODIFIED_ABUSE_MONITORING

ABUSE = 'abuse_monitoring=(C05 C06 C15);until=@1798711200;region="us"'
STATE = 'application_state=(C10 C06 C15);until={};region="us"'

CASES = [
    (CHAT, ABUSE),
    (CHAT._replace(store_requested=True), f"{ABUSE}, {STATE.format('@1798711200')}"),
    (CHAT._replace(endpoint="/v1/files"), f"{ABUSE}, {STATE.format('on-delete')}"),
    (
        CHAT._replace(sharing_consent=True),
        f'{ABUSE}, training=(C02 C06 C15);until=@1798711200;region="us"',
    ),
    (CHAT._replace(retention_mode=ZERO), "none"),
    (
        CHAT._replace(retention_mode=ZERO, store_requested=True),
        "none, application_state=?0",
    ),
    (CHAT._replace(retention_mode=MODIFIED), "none"),
    (CHAT._replace(endpoint="/v1/files", retention_mode=ZERO), "none"),
    (
        CHAT._replace(endpoint="/v1/responses", protected_health=True),
        f"{ABUSE}, application_state=?0",
    ),
]


@pytest.mark.parametrize(("facts", "header"), CASES)
def test_the_header_says_what_is_held(facts: Facts, header: str) -> None:
    assert handling_header(decided(POLICY, facts)) == header


def test_an_independent_parser_reads_the_same() -> None:
    decision = decided(POLICY, CHAT._replace(endpoint="/v1/files"))
    parsed: Any = http_sf.parse(handling_header(decision).encode(), tltype="dictionary")
    clauses, parameters = parsed["abuse_monitoring"]
    assert [token for token, _ in clauses] == ["C05", "C06", "C15"]
    assert parameters["until"] == datetime.fromisoformat("2026-12-31T10:00:00Z")
    assert parameters["region"] == "us"
    assert parsed["application_state"][1]["until"] == http_sf.Token("on-delete")


def test_the_policy_header_is_the_version_s_id() -> None:
    assert policy_header(decided(POLICY, CHAT)) == "2026-11-23"
