"""The contract of `ports.rate_limit`."""

import subprocess
import sys
from pathlib import Path

from bailee.drivers.rate_limit_shared import LeasedRateLimit, SharedRateLimit
from bailee.kernel.instants import MINUTE_MS, Instant
from bailee.ports.rate_limit import Allowance, RateLimit

NOW = Instant(100 * MINUTE_MS + 15_000)


def test_counts_up_to_the_limit(rate_limit: RateLimit) -> None:
    assert rate_limit.take(b"a", 3, 10, NOW) == Allowance(True, 10, 7, 45_000)
    assert rate_limit.take(b"a", 7, 10, NOW) == Allowance(True, 10, 0, 45_000)
    assert rate_limit.take(b"a", 1, 10, NOW) == Allowance(False, 10, 0, 45_000)


def test_a_refusal_counts_nothing(rate_limit: RateLimit) -> None:
    rate_limit.take(b"a", 6, 10, NOW)
    assert rate_limit.take(b"a", 5, 10, NOW) == Allowance(False, 10, 4, 45_000)
    assert rate_limit.take(b"a", 4, 10, NOW).allowed


def test_a_first_amount_beyond_the_limit_is_refused(rate_limit: RateLimit) -> None:
    assert rate_limit.take(b"a", 11, 10, NOW) == Allowance(False, 10, 10, 45_000)


def test_the_next_minute_begins_anew(rate_limit: RateLimit) -> None:
    rate_limit.take(b"a", 10, 10, NOW)
    assert not rate_limit.take(b"a", 1, 10, Instant(101 * MINUTE_MS - 1)).allowed
    assert rate_limit.take(b"a", 1, 10, Instant(101 * MINUTE_MS)) == Allowance(
        True, 10, 9, MINUTE_MS
    )


def test_subjects_never_share_a_count(rate_limit: RateLimit) -> None:
    subjects = [b"subject %d" % number for number in range(60)]
    for number, subject in enumerate(subjects):
        rate_limit.add(subject, number, NOW)
    for number, subject in enumerate(subjects):
        assert rate_limit.take(subject, 1, 1000, NOW).remaining == 999 - number


def test_adding_may_pass_the_limit(rate_limit: RateLimit) -> None:
    rate_limit.take(b"a", 1, 10, NOW)
    rate_limit.add(b"a", 500, NOW)
    assert rate_limit.take(b"a", 1, 10, NOW) == Allowance(False, 10, 0, 45_000)
    assert rate_limit.take(b"a", 1, 1000, NOW).remaining == 498


def test_no_limit_allows_everything(rate_limit: RateLimit) -> None:
    assert rate_limit.take(b"a", 10**9, 0, NOW) == Allowance(True, 0, 0, 45_000)


TAKER = """
import sys
from pathlib import Path
from bailee.drivers.rate_limit_shared import SharedRateLimit
counts = SharedRateLimit(Path(sys.argv[1]))
print(sum(counts.take(b"a", 1, 5000, 6_015_000).allowed for _ in range(3000)))
"""


def test_workers_of_one_machine_share_their_counts(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TAKER, str(tmp_path / "counts")]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    allowed = [int(worker.communicate()[0]) for worker in workers]
    assert sum(allowed) == 5000
    shared = SharedRateLimit(tmp_path / "counts")
    assert not shared.take(b"a", 1, 5000, Instant(6_015_000)).allowed
    shared.close()


def test_large_limits_are_kept_to_a_thousandth_for_each_worker(tmp_path: Path) -> None:
    limit = 50_000
    workers = [LeasedRateLimit(SharedRateLimit(tmp_path / "counts")) for _ in range(2)]
    allowed = 0
    for number in range(limit + 1000):
        taken = workers[number % 2].take(b"a", 1, limit, NOW)
        allowed += taken.allowed
        assert taken.remaining <= limit - allowed + limit // 1000
    assert limit - len(workers) * limit // 1000 <= allowed <= limit
    for worker in workers:
        assert worker.take(b"a", 1, limit, Instant(101 * MINUTE_MS)).allowed
        worker.close()
