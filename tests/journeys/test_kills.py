"""G5 and G8 on a real installation: kill -9 and pauses at random, under load, while epochs die.

One campaign, in simulated time. In its first half each round is a half hour of arrivals; in its
second each round is the death of one of those. In every round some processes, the database among
them, are killed or paused at a random moment. What was acknowledged must be found again, byte for
byte; what has a receipt must not open, by its owner's way or by replaying what a gateway once
asked the keeper. A gateway that slept through the death of its epoch writes nothing that opens.
"""

import asyncio
import contextlib
import random
import signal
import socket
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import pytest
from tests.fixtures.inside import Insider, insider
from tests.fixtures.installation import CHAT, Installation, chat_body, installation
from tests.fixtures.load import Exchange, Load, load
from tests.fixtures.waiting import until

from bailee.kernel.errors import BaileeError, DestroyedKey, Unavailable
from bailee.kernel.ids import RecordId
from bailee.kernel.instants import EPOCH_LENGTH_MS, Epoch, Instant, epoch_deadline, epoch_due
from bailee.ports.keeper import OpenPart

pytestmark = pytest.mark.journey

PACE: Final = 20.0
SEED: Final = 20261123
REQUESTS_PER_ROUND: Final = 16
ALWAYS: Final = ("keeper", "database")
STARTING_DEATHS: Final = 4
"""How many of a round's deaths hit a process that only begins to start."""
PAUSED: Final = 0.15
"""How likely a process is to be stopped for a while in a round."""
SECOND_START_S: Final = 30.0
"""Generous: what is asserted is that it comes back. The figure aimed at is 3 s."""
REPLAYED: Final = 32
"""How many requests to open are kept of each epoch, to be replayed after its death."""
REPLAYED_AGAIN: Final = 48
"""How many requests of epochs that died before are replayed after each further death."""


class Scale(NamedTuple):
    """How much is done."""

    epochs: int
    kills: int
    """At least so many in each half."""
    trials: int
    """At least so many attempts to open what has a receipt."""


CI: Final = Scale(epochs=14, kills=100, trials=500)
FULL: Final = Scale(epochs=150, kills=1_000, trials=10_000)
"""What the table of guarantees says: 1,000 kills under load, 10,000 trials after a receipt."""


@dataclass(slots=True)
class Campaign:
    """What is known from outside."""

    place: Installation
    dice: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    killed_starting: int = 0
    pauses: int = 0
    requests: dict[Epoch, list[OpenPart]] = field(default_factory=lambda: defaultdict(list))
    dead: list[OpenPart] = field(default_factory=list)
    opened: int = 0
    refused: int = 0

    def disturb(self, clients: Load) -> None:
        """Kill and pause some, at a moment between two answers, and wait until all serve again.

        Some die again while they start, the keeper and the database among them in every round:
        their recovery is killed too.
        """
        place, dice = self.place, self.dice
        until(lambda: len(place.pids()) == len(place.names), "all processes serve")
        others = [name for name in place.names if name not in ALWAYS]
        victims = [*ALWAYS, *dice.sample(others, k=dice.choice((1, 1, 2)))]
        dice.shuffle(victims)
        paused = [name for name in place.names if dice.random() < PAUSED]
        begun, moment = len(clients.acknowledged), dice.randrange(REQUESTS_PER_ROUND)
        clients.allow(REQUESTS_PER_ROUND)
        until(clients.answered(begun + moment), f"{moment} answers")
        self.pauses += len([place.signal(name, signal.SIGSTOP) for name in paused])
        try:
            former = {name: place.kill(name) for name in victims}
        finally:
            for name in {*paused} - {*victims}:
                place.signal(name, signal.SIGCONT)
        self.kills.update(victims)
        for name in [*ALWAYS, *dice.choices(victims, k=STARTING_DEATHS - len(ALWAYS))]:
            former[name] = place.kill_while_starting(name, former[name])
            self.killed_starting += 1
            self.kills[name] += 1
        for name, process in former.items():
            place.await_return(name, process)
        until(clients.answered(begun + REQUESTS_PER_ROUND), "the round's answers")

    async def verify(self, acknowledged: list[Exchange]) -> list[str]:
        """Open everything; gives what is lost or altered. Keeps what a gateway asked for it."""
        lost = []
        async with insider(self.place) as opened:
            for exchange in acknowledged:
                opened.captured.clear()
                problem = await _problem(opened, exchange)
                if problem is not None:
                    lost.append(f"{exchange.record}: {problem}")
                self.opened += problem is None
                kept = self.requests[RecordId.parse(exchange.record).epoch]
                kept += opened.captured[: REPLAYED - len(kept)]
        return lost

    async def still_open(self, epoch: Epoch) -> list[str]:
        """Replay what once opened, and some of what died earlier, since keeper and clerk were
        killed again; gives whatever was not refused as destroyed."""
        found = []
        again = self.dice.sample(self.dead, k=min(REPLAYED_AGAIN, len(self.dead)))
        self.dead += self.requests[epoch]
        async with insider(self.place) as opened:
            for request in [*self.requests[epoch], *again]:
                try:
                    await opened.keeper.open_part(request)
                    found.append("opened")
                except DestroyedKey:
                    self.refused += 1
                except BaileeError as error:
                    found.append(type(error).__name__)
        return found

    async def has_receipt(self, epoch: Epoch) -> bool:
        """Whether a verified receipt says that the epoch is dead."""
        with contextlib.suppress(BaileeError):
            async with insider(self.place) as opened:
                facts = await opened.receipt(epoch)
                return facts is not None and facts.lateness_ms == 0
        return False

    def tell(self, where: str) -> None:
        """Say how far a long campaign has come, where it is shown (`pytest -s`)."""
        sys.stdout.write(f"{where}: {self.kills.total()} kills, {self.refused} refused\n")
        sys.stdout.flush()

    async def agrees(self) -> bool:
        """Whether log, bucket and keyring agree."""
        async with insider(self.place) as opened:
            return await opened.census() == []


async def _problem(opened: Insider, exchange: Exchange) -> str | None:
    read = None
    for _ in range(2):  # a connection from before a database's death is noticed by its first use
        with contextlib.suppress(Unavailable):
            read = await opened.open(exchange.tenant, exchange.record)
            break
    if read is None:
        return "it does not open"
    if bytes(read.request) != exchange.request:
        return "the prompt is another"
    if exchange.whole and (not read.complete or bytes(read.answer) != exchange.answer):
        return "the answer is another"
    return None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root, settings = tmp_path_factory.mktemp("kills"), "[snapshot]\ngrace_s = 600.0\n"
    with installation(root, simulated=True, workers=2, settings=settings) as made:
        yield made


@pytest.mark.timeout(600)  # on a busy machine
@pytest.mark.parametrize("seed", [SEED])
def test_nothing_acknowledged_is_lost_and_nothing_destroyed_opens(
    place: Installation, seed: int
) -> None:
    run_campaign(place, seed, CI)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [SEED + 1, SEED + 2])
def test_the_same_at_full_size(place: Installation, seed: int) -> None:
    run_campaign(place, seed, FULL)


def run_campaign(place: Installation, seed: int, scale: Scale) -> None:
    """Both halves."""
    campaign = Campaign(place, random.Random(seed))
    tenants = [place.tenant(f"kills {seed}", name) for name in ("one", "two")]
    tenants.append(place.tenant(f"others {seed}"))
    clock = place.clock
    assert clock is not None
    first = Epoch(clock.now() // EPOCH_LENGTH_MS)
    with place.time_passes(PACE), load(place, tenants, seed) as clients:
        # First half: G8.
        for number in range(scale.epochs):
            campaign.disturb(clients)
            campaign.tell(f"{number + 1} of {scale.epochs} half hours of arrivals")
            clock.set(Instant(max(clock.now(), (first + number + 1) * EPOCH_LENGTH_MS)))
        acknowledged = list(clients.acknowledged)
        settle(campaign, acknowledged)
        assert asyncio.run(campaign.verify(acknowledged)) == [], clients.outcomes
        killed_writing = campaign.kills.total()
        # Second half: G5, while arrivals go on.
        for epoch in range(first, first + scale.epochs):
            clock.set(Instant(max(clock.now(), epoch_due(Epoch(epoch)))))
            campaign.disturb(clients)
            until(
                lambda epoch=epoch: asyncio.run(campaign.has_receipt(Epoch(epoch))),  # type: ignore[misc]
                f"a receipt in time for {epoch}",
            )
            assert asyncio.run(campaign.still_open(Epoch(epoch))) == []
            campaign.tell(f"{epoch - first + 1} of {scale.epochs} deaths")
        later = clients.acknowledged[len(acknowledged) :]
        settle(campaign, later)
        assert asyncio.run(campaign.verify(later)) == [], clients.outcomes
        until(lambda: asyncio.run(campaign.agrees()), "the census agrees")
    assert killed_writing >= scale.kills
    assert campaign.kills.total() - killed_writing >= scale.kills
    assert set(campaign.kills) == set(place.names)
    assert campaign.refused >= scale.trials
    assert campaign.opened == len(acknowledged) + len(later)
    assert {status for status in clients.outcomes if status.isdigit()} <= {"200", "502", "503"}


def settle(campaign: Campaign, exchanges: list[Exchange]) -> None:
    """Wait until the last of what was acknowledged is closed and logged."""
    with campaign.place.client() as client:
        for exchange in exchanges[-3:]:
            campaign.place.opened(client, exchange.tenant, exchange.record)


# One thing at a time.


def test_a_gateway_that_slept_through_its_epochs_death_writes_nothing_that_opens(
    place: Installation,
) -> None:
    tenant, clock = place.tenant("late"), place.clock
    assert clock is not None
    body = chat_body("a late word [hold]", stream=True)
    with place.time_passes(PACE), place.client() as client:
        with client.stream("POST", CHAT, content=body, headers=tenant.headers) as got:
            record = RecordId.parse(got.headers["bailee-record"])
            assert place.model.holding.acquire(timeout=10)
            for name in place.gateways:
                place.signal(name, signal.SIGSTOP)
            clock.set(epoch_due(record.epoch))
            campaign = Campaign(place, random.Random(SEED))
            until(lambda: asyncio.run(campaign.has_receipt(record.epoch)), "the receipt")
            clock.set(epoch_deadline(record.epoch))
            for name in place.gateways:
                place.signal(name, signal.SIGCONT)
            place.model.release()
            with contextlib.suppress(httpx.TransportError):  # cut off, or ended: both will do
                got.read()
        # Something that is recorded now shows that all journals before it were settled.
        later = client.post(CHAT, content=chat_body("now"), headers=tenant.headers)
        assert later.status_code == 200
        now = RecordId.parse(later.headers["bailee-record"])
        assert now.epoch > record.epoch
        assert place.opened(client, tenant, str(now))["answer"] == later.text
        # Its bytes, if any were written, go too, and nobody counts the epoch as alive.
        clock.set(Instant(clock.now() + EPOCH_LENGTH_MS))
        until(lambda: place.read(client, tenant, str(record)).status_code == 404, "it is forgotten")
        until(lambda: not left_of(place, record.epoch), "what came too late is removed")
        until(lambda: asyncio.run(campaign.agrees()), "the census agrees")


def left_of(place: Installation, epoch: Epoch) -> list[Path]:
    """Files of an epoch, whichever folder they lie in."""
    folders = (place.data / "journals", place.places.objects / "segments")
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and str(int(epoch)) in path.parts
    ]


def test_the_database_dies_and_comes_back_while_requests_go_on(place: Installation) -> None:
    tenant = place.tenant("database")
    records = []
    with place.time_passes(PACE), place.client() as client:
        for number in range(30):
            if number == 10:
                former = place.kill("database")
            got = client.post(CHAT, content=chat_body(f"{number}"), headers=tenant.headers)
            assert got.status_code == 200, got.text
            records.append((got.headers["bailee-record"], got.text))
        place.await_return("database", former)
        for record, answer in records:
            assert place.opened(client, tenant, record)["answer"] == answer


def test_a_key_press_finishes_streams_in_flight_and_loses_nothing(place: Installation) -> None:
    tenant = place.tenant("key press")
    streams = 8
    answers: dict[str, bytes] = {}

    def stream(number: int) -> None:
        body = chat_body(f"stream {number} [hold]", stream=True)
        with (
            place.client() as client,
            client.stream("POST", CHAT, content=body, headers=tenant.headers) as got,
        ):
            answers[got.headers["bailee-record"]] = got.read()

    threads = [threading.Thread(target=stream, args=(number,)) for number in range(streams)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert place.model.holding.acquire(timeout=20)
    until(lambda: place.process is not None, "it runs")
    process = place.process
    assert process is not None
    process.send_signal(signal.SIGINT)
    until(lambda: refuses(place), "new connections are refused")
    assert process.poll() is None
    place.model.release()
    for thread in threads:
        thread.join(30)
    assert process.wait(60) == 0
    place.process = None
    assert len(answers) == streams
    assert all(answer.endswith(b"data: [DONE]\n\n") for answer in answers.values())
    seconds = place.start()
    assert seconds < SECOND_START_S
    with place.time_passes(PACE), place.client() as client:
        for record, answer in answers.items():
            found = place.opened(client, tenant, record)
            assert found["answer"].encode() == answer
            assert found["complete"]


def refuses(place: Installation) -> bool:
    """Whether nobody takes new connections any more."""
    try:
        with socket.create_connection(("127.0.0.1", place.port), timeout=1):
            return False
    except OSError:
        return True


def test_a_loss_of_power_as_processes_see_it(place: Installation) -> None:
    """Everything is killed at once under load, three times; what was acknowledged is there."""
    tenants = [place.tenant("power")]
    campaign = Campaign(place, random.Random(SEED))
    with place.time_passes(PACE), load(place, tenants, SEED) as clients:
        for number in range(1, 4):
            clients.allow(30)
            until(clients.answered(number * 30 - 15), "answers")
            place.kill_everything()
            assert place.start() < SECOND_START_S
            until(clients.answered(number * 30), "the rest")
        acknowledged = list(clients.acknowledged)
        settle(campaign, acknowledged)
        assert asyncio.run(campaign.verify(acknowledged)) == []
