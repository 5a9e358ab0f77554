"""Usage and costs as an administrator sees them, under every retention mode and over a restart."""

import json
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import openai
import pytest
from tests.fixtures.clients import run_command
from tests.fixtures.echo import MODEL
from tests.fixtures.installation import Installation, installation
from tests.fixtures.office import Office, chat, open_office, status_of, user_of
from tests.fixtures.waiting import until

from bailee.drivers.system import SystemClock

pytestmark = pytest.mark.journey

PRICES: Final = f"""
[prices."{MODEL}"]
input_usd = 1000000.0
output_usd = 2000000.0
"""
CALLS: Final = 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("usage")
    with installation(root, workers=2, settings=PRICES) as made:
        yield made


@pytest.fixture(scope="module")
def http(place: Installation) -> Iterator[httpx2.Client]:
    with httpx2.Client(verify=place.ssl_context(), trust_env=False, timeout=30) as client:
        yield client


class Used:
    """An organisation whose two projects have made calls; one keeps nothing."""

    def __init__(self, place: Installation, http: httpx2.Client) -> None:
        self.office = open_office(place, http, "Acme")
        self.start_s = SystemClock().now() // 1000 - 60
        self.input_tokens = self.output_tokens = 0
        organization = self.office.client.admin.organization
        self.projects: dict[str, str] = {}
        """Key by project."""
        for name, retention in (("kept", "default"), ("zero", "zero_data_retention")):
            project = organization.projects.create(name=name).id
            run_command(place, "projects", "set", project, "--retention", retention)
            made = organization.projects.service_accounts.create(project, name="caller")
            assert made.api_key is not None
            self.projects[project] = made.api_key.id
            user = user_of(place, http, made.api_key.value)
            until(lambda user=user: status_of(user.models.with_raw_response.list) == 200, "known")  # type: ignore[misc]
            for _ in range(CALLS):
                self._add(json.loads(chat(user).text)["usage"])

    def _add(self, usage: Any) -> None:
        self.input_tokens += usage["prompt_tokens"]
        self.output_tokens += usage["completion_tokens"]

    def results(self, **asked: Any) -> list[Any]:
        """Every group of every bucket since the beginning."""
        usage = self.office.client.admin.organization.usage
        page = usage.completions(start_time=self.start_s, **asked)
        return [result for bucket in page.data for result in bucket.results]

    def counted(self) -> int:
        """How many calls have reached the rows."""
        return sum(result.num_model_requests for result in self.results())


@pytest.fixture(scope="module")
def used(place: Installation, http: httpx2.Client) -> Used:
    made = Used(place, http)
    until(lambda: made.counted() == 2 * CALLS, "everything is counted")
    return made


def test_tokens_are_counted_under_zero_retention_too(used: Used) -> None:
    results = used.results()
    assert sum(result.input_tokens for result in results) == used.input_tokens
    assert sum(result.output_tokens for result in results) == used.output_tokens
    grouped = used.results(group_by=["project_id", "api_key_id", "model"])
    assert {(one.project_id, one.api_key_id, one.model) for one in grouped} == {
        (project, key, MODEL) for project, key in used.projects.items()
    }
    assert {one.num_model_requests for one in grouped} == {CALLS}


def test_filters_and_widths(used: Used) -> None:
    project, key = next(iter(used.projects.items()))
    for asked in ({"project_ids": [project]}, {"api_key_ids": [key]}, {"bucket_width": "1h"}):
        expected = CALLS if "bucket_width" not in asked else 2 * CALLS
        assert sum(one.num_model_requests for one in used.results(**asked)) == expected
    assert used.results(models=["another"]) == []
    assert used.results(end_time=used.start_s) == []
    usage: Any = used.office.client.admin.organization.usage
    assert all(not b.results for b in usage.images(start_time=used.start_s).data)
    assert all(not b.results for b in usage.embeddings(start_time=used.start_s).data)
    for wrong in ({"bucket_width": "2m"}, {"group_by": ["mood"]}, {"page": "page_x"}):
        with pytest.raises(openai.BadRequestError):
            used.results(**wrong)
    answered = used.office.ask("GET", "/usage/completions")
    assert (answered.status_code, answered.json()["error"]["param"]) == (400, "start_time")


def test_pages_cover_the_time_once(used: Used) -> None:
    usage = used.office.client.admin.organization.usage
    begin_s = used.start_s - 600
    whole = usage.completions(start_time=begin_s, bucket_width="1m", limit=1440)
    assert not whole.has_more
    assert whole.next_page is None
    end_s = whole.data[-1].end_time
    asked: dict[str, Any] = {"start_time": begin_s, "end_time": end_s, "bucket_width": "1m"}
    parts: list[Any] = []
    while True:
        part = usage.completions(**asked, limit=4)
        parts += part.data
        if not part.has_more:
            break
        asked["page"] = part.next_page
    assert parts == whole.data
    starts = [bucket.start_time for bucket in parts]
    assert starts == list(range(starts[0], starts[0] + 60 * len(starts), 60))


def test_costs_follow_the_prices(used: Used) -> None:
    costs = used.office.client.admin.organization.usage.costs
    expected = used.input_tokens + 2 * used.output_tokens
    plain: list[Any] = [
        one for bucket in costs(start_time=used.start_s).data for one in bucket.results
    ]
    assert sum(one.amount.value for one in plain) == expected
    items: list[Any] = [
        one
        for bucket in costs(start_time=used.start_s, group_by=["line_item"]).data
        for one in bucket.results
    ]
    assert {one.line_item: one.quantity for one in items} == {
        f"{MODEL}, input_tokens": used.input_tokens,
        f"{MODEL}, output_tokens": used.output_tokens,
    }


def test_a_stream_that_states_no_usage_is_counted_by_its_events(
    place: Installation, http: httpx2.Client, used: Used
) -> None:
    project = next(iter(used.projects))
    accounts = used.office.client.admin.organization.projects.service_accounts
    made = accounts.create(project, name="streaming")
    assert made.api_key is not None
    user = user_of(place, http, made.api_key.value)
    until(lambda: status_of(user.models.with_raw_response.list) == 200, "the key works")
    with user.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True
    ) as stream:
        assert list(stream)
    key = made.api_key.id
    until(lambda: used.results(api_key_ids=[key]) != [], "the stream is counted")
    (counted,) = used.results(api_key_ids=[key])
    assert counted.num_model_requests == 1
    assert min(counted.input_tokens, counted.output_tokens) > 0


def test_a_spend_alert_tells_that_it_was_reached(place: Installation, used: Used) -> None:
    organization = used.office.client.admin.organization
    channel: Any = {"type": "email", "recipients": ["finance@example.org"]}
    far = organization.spend_alerts.create(
        threshold_amount=10**11, currency="USD", interval="month", notification_channel=channel
    )
    project = next(iter(used.projects))
    near = organization.projects.spend_alerts.create(
        project,
        threshold_amount=100,
        currency="USD",
        interval="month",
        notification_channel=channel,
    )
    place.stop()
    place.start()
    path = f"/projects/{project}/spend_alerts/{near.id}"
    until(lambda: used.office.ask("GET", path).json()["reached_month"] is not None, "it is told")
    log = place.data / "logs" / "clerk.log"
    until(lambda: near.id in log.read_text(), "it is in the log")
    told = [line for line in log.read_text().splitlines() if near.id in line]
    assert ["spend_alert_reached" in line for line in told] == [True]
    assert "finance" not in told[0]
    assert used.office.ask("GET", f"/spend_alerts/{far.id}").json()["reached_month"] is None
    changed = organization.spend_alerts.update(
        far.id, threshold_amount=5, currency="USD", interval="month", notification_channel=channel
    )
    assert changed.threshold_amount == 5
    for impossible in (0, 10**12 + 1):
        with pytest.raises(openai.BadRequestError, match="from 1 to 1000000000000 cents"):
            organization.spend_alerts.create(
                threshold_amount=impossible,
                currency="USD",
                interval="month",
                notification_channel=channel,
            )
    assert organization.spend_alerts.delete(far.id).deleted is True
    assert list(organization.spend_alerts.list()) == []


def test_counts_survive_a_stop_at_once(
    place: Installation, http: httpx2.Client, used: Used
) -> None:
    """What was counted since the last writing is written when the gateways stop."""
    office = used.office
    project = next(iter(used.projects))
    accounts = office.client.admin.organization.projects.service_accounts
    made = accounts.create(project, name="late")
    assert made.api_key is not None
    user = user_of(place, http, made.api_key.value)
    until(lambda: status_of(lambda: chat(user)) == 200, "the key works")
    place.stop()
    place.start()
    counted = used.results(api_key_ids=[made.api_key.id])
    assert [one.num_model_requests for one in counted] == [1]


def test_another_organisation_sees_none_of_it(
    place: Installation, http: httpx2.Client, used: Used
) -> None:
    rival: Office = open_office(place, http, "Rival")
    for path in ("/usage/completions", "/costs"):
        answered = rival.ask("GET", f"{path}?start_time={used.start_s}")
        assert [bucket["results"] for bucket in answered.json()["data"]] == [[]]
