"""Rate limits of a key and its project."""

import pytest

from bailee.drivers.memory.rate_limit import MemoryRateLimit
from bailee.kernel.ids import ProjectId, Region, TenantId
from bailee.kernel.instants import Instant
from bailee.serving.caller import Caller, CallLimits
from bailee.serving.errors import Because, CallRefused
from bailee.serving.limits import Limits, gauges_of

NOW = Instant(1_800_000_000_000)


def caller(key: CallLimits, project: CallLimits) -> Caller:
    return Caller(
        b"k" * 8, TenantId(bytes(16)), ProjectId(bytes(16)), Region("us"), 0,
        key_limits=key, project_limits=project,
    )  # fmt: skip


def test_no_limits_no_headers() -> None:
    limits = Limits(MemoryRateLimit())
    admission = limits.admit(gauges_of(caller(CallLimits(), CallLimits())), 10, NOW)
    assert admission.headers == []


def test_the_nearest_limit_is_shown() -> None:
    gauges = gauges_of(caller(CallLimits(100, 0), CallLimits(5, 0)))
    headers = dict(Limits(MemoryRateLimit()).admit(gauges, 10, NOW).headers)
    assert headers["x-ratelimit-limit-requests"] == "5"
    assert headers["x-ratelimit-remaining-requests"] == "4"


def test_each_kind_refuses_and_says_when_to_come_back() -> None:
    limits = Limits(MemoryRateLimit())
    gauges = gauges_of(caller(CallLimits(1, 0), CallLimits(0, 50)))
    limits.admit(gauges, 40, NOW)
    with pytest.raises(CallRefused) as requests:
        limits.admit(gauges, 1, NOW)
    assert requests.value.because is Because.REQUEST_LIMIT
    assert dict(requests.value.headers) == {
        "x-ratelimit-limit-requests": "1",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "1m0s",
        "x-ratelimit-limit-tokens": "50",
        "x-ratelimit-remaining-tokens": "10",
        "x-ratelimit-reset-tokens": "1m0s",
    }
    other = gauges_of(caller(CallLimits(), CallLimits(0, 50)))
    with pytest.raises(CallRefused) as tokens:
        limits.admit(other, 40, NOW)
    assert tokens.value.because is Because.TOKEN_LIMIT
    assert tokens.value.retry_after_ms is not None
    assert 0 < tokens.value.retry_after_ms <= 60_000
    assert dict(tokens.value.headers)["x-ratelimit-remaining-tokens"] == "10", "it counted nothing"


def test_tokens_beyond_the_estimate_are_counted_afterwards() -> None:
    limits = Limits(MemoryRateLimit())
    gauges = gauges_of(caller(CallLimits(0, 100), CallLimits()))
    admission = limits.admit(gauges, 10, NOW)
    limits.settle(gauges, admission, 100, NOW)
    with pytest.raises(CallRefused):
        limits.admit(gauges, 1, NOW)


@pytest.mark.parametrize(
    ("key", "project", "model", "whose"),
    [
        (1, 9, 9, "this API key"),
        (9, 1, 9, "this project"),
        (9, 9, 1, "the model `small` in this project"),
    ],
)
def test_a_refusal_says_whose_limit_it_is(key: int, project: int, model: int, whose: str) -> None:
    own = {"small": CallLimits(model, 1000 * model)}
    who = caller(CallLimits(key, 1000 * key), CallLimits(project, 1000 * project))
    gauges = gauges_of(who._replace(model_limits=own), "small")
    limits = Limits(MemoryRateLimit())
    limits.admit(gauges, 10, NOW)
    with pytest.raises(CallRefused, match=f"requests per minute of {whose}: limit 1,"):
        limits.admit(gauges, 10, NOW)
    untold = gauges._replace(requests=())
    limits.admit(untold, 900, NOW)
    with pytest.raises(CallRefused, match=f"tokens per minute of {whose}: limit 1000,"):
        limits.admit(untold, 900, NOW)
