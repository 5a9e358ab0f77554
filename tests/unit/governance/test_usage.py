"""Counting usage in memory, writing it, and reading totals."""

from collections.abc import Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.fixtures.postgres import FreshDatabase

from bailee.drivers.memory import ManualClock
from bailee.drivers.postgres.database import PostgresDatabase
from bailee.governance.usage.counting import UsageCounts
from bailee.governance.usage.model import Kind, Price, Total, UsageKey, Wanted, counted_model
from bailee.governance.usage.service import Usage, cost_usd
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import MINUTE_MS, Instant

TENANT, OTHER = TenantId(b"T" * 16), TenantId(b"O" * 16)
PROJECT = ProjectId(b"P" * 16)
KEY = UsageKey(TENANT, PROJECT, bytes(8), "/v1/chat/completions", "m")
START = 30_000_000
NOW = Instant(START * MINUTE_MS)
ALL = Wanted(START, START + 1440, 1440)


@pytest.fixture
def counts(gateway_engine: AsyncEngine) -> UsageCounts:
    return UsageCounts(PostgresDatabase(gateway_engine), ManualClock(NOW))


@pytest.fixture
def usage(administrator_engine: AsyncEngine) -> Usage:
    return Usage(PostgresDatabase(administrator_engine))


def _numbers(totals: Sequence[Total]) -> list[tuple[int, ...]]:
    return [(t.start_minute, t.requests, t.input_tokens, t.output_tokens) for t in totals]


async def test_counts_add_up_over_workers_minutes_and_endpoints(
    counts: UsageCounts, usage: Usage, gateway_engine: AsyncEngine
) -> None:
    second = UsageCounts(PostgresDatabase(gateway_engine), ManualClock(NOW))
    counts.count(KEY, 10, 5, NOW)
    counts.count(KEY._replace(endpoint="/v1/completions"), 1, 1, NOW)
    await counts.flush()
    second.count(KEY, 100, 50, NOW)
    second.count(KEY, 1, 1, Instant(NOW + MINUTE_MS))
    await second.flush()
    await second.flush()
    minutes = await usage.totals(TENANT, ALL._replace(width_minutes=1))
    assert _numbers(minutes) == [(START, 3, 111, 56), (START + 1, 1, 1, 1)]
    day = START // 1440 * 1440
    assert _numbers(await usage.totals(TENANT, ALL)) == [(day, 4, 112, 57)]


async def test_kinds_groups_and_filters(counts: UsageCounts, usage: Usage) -> None:
    counts.count(KEY, 1, 1, NOW)
    counts.count(KEY._replace(endpoint="/v1/embeddings", model="e"), 7, 0, NOW)
    counts.count(KEY._replace(endpoint="/v1/files"), 9, 9, NOW)
    counts.count(KEY._replace(key_id=b"k" * 8), 2, 2, NOW)
    await counts.flush()
    embeddings = await usage.totals(TENANT, ALL._replace(kind=Kind.EMBEDDINGS, by_model=True))
    assert [(t.model, t.input_tokens) for t in embeddings] == [("e", 7)]
    by_key = await usage.totals(TENANT, ALL._replace(kind=Kind.COMPLETIONS, by_key=True))
    assert {t.public_id: t.requests for t in by_key} == {"00" * 8: 1, "6b" * 8: 1}
    some = await usage.totals(TENANT, ALL._replace(public_ids=("6b" * 8,), projects=(PROJECT,)))
    assert [t.input_tokens for t in some] == [2]
    assert await usage.totals(TENANT, ALL._replace(projects=(ProjectId(bytes(16)),))) == []


async def test_an_organisation_sees_its_own_and_a_gateway_none(
    counts: UsageCounts, usage: Usage, gateway_engine: AsyncEngine, postgres_database: FreshDatabase
) -> None:
    counts.count(KEY, 1, 1, NOW)
    counts.count(KEY._replace(tenant=OTHER), 2, 2, NOW)
    await counts.flush()
    assert [t.input_tokens for t in await usage.totals(TENANT, ALL)] == [1]
    assert [t.input_tokens for t in await usage.totals(OTHER, ALL)] == [2]
    with pytest.raises(Exception, match="may not do that"):
        await Usage(PostgresDatabase(gateway_engine)).totals(TENANT, ALL)


async def test_counts_wait_while_the_database_is_away(
    counts: UsageCounts, usage: Usage, postgres_database: FreshDatabase
) -> None:
    counts.count(KEY, 1, 1, NOW)
    await postgres_database.as_owner("ALTER FUNCTION bailee_count_usage RENAME TO gone")
    with pytest.raises(Unavailable):
        await counts.flush()
    counts.count(KEY, 2, 2, NOW)
    await postgres_database.as_owner("ALTER FUNCTION gone RENAME TO bailee_count_usage")
    await counts.flush()
    assert [(t.requests, t.input_tokens) for t in await usage.totals(TENANT, ALL)] == [(2, 3)]


def test_what_an_owner_called_a_model_is_not_kept() -> None:
    assert counted_model("ft:base:org_1:My diary:abc") == "ft:base:org_1::abc"
    assert counted_model("ft:base:org_1:a:b:abc") == "ft:base:org_1::abc"
    assert counted_model("gpt-5:latest") == "gpt-5:latest"


def test_costs() -> None:
    total = Total(0, None, None, "m", 1, 2_000_000, 500_000)
    assert cost_usd(total, {"m": Price(0.5, 4.0)}) == (1.0, 2.0)
    assert cost_usd(total, {}) == (0.0, 0.0)
