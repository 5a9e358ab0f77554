"""Files under kill -9: what was acknowledged is there whole, what was deleted is gone, and nothing
of what broke off stays.

Each round some files are uploaded and some deleted while a process is killed; a call that fails may
have been carried out or not, and is known by neither claim.
"""

import contextlib
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from tests.fixtures.installation import Installation, installation
from tests.fixtures.waiting import until

from bailee.application_state.deletion import ABANDONED_MS

pytestmark = pytest.mark.journey

ROUNDS = 8
SOAK_ROUNDS = 400
VICTIMS = ("gateway-0", "keeper", "clerk", "database")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root, settings = tmp_path_factory.mktemp("kills"), "[snapshot]\ngrace_s = 600.0\n"
    with installation(root, settings=settings, simulated=True) as made, made.time_passes():
        yield made


@dataclass(slots=True)
class Claims:
    """What was acknowledged."""

    kept: dict[str, bytes] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    """Asked to be deleted, without an answer."""


def work(place: Installation, claims: Claims, dice: random.Random, stop: threading.Event) -> None:
    """Upload and delete until told to stop."""
    number = 0
    while not stop.is_set():
        number += 1
        with contextlib.suppress(httpx.TransportError), place.client() as client:
            headers = {"authorization": place.demo.headers["authorization"]}
            content = dice.randbytes(dice.choice((0, 1000, 600_000)))
            made = client.post(
                "/v1/files",
                data={"purpose": "user_data"},
                files={"file": (f"{number}.bin", content)},
                headers=headers,
            )
            assert made.status_code in (200, 503), made.text
            if made.status_code == 200:
                claims.kept[made.json()["id"]] = content
            # One stays: while nothing is taken, deleting would leave nothing to be checked.
            if len(claims.kept) > 1 and dice.random() < 0.5:
                name = dice.choice(sorted(claims.kept))
                del claims.kept[name]
                claims.uncertain.add(name)
                gone = client.delete(f"/v1/files/{name}", headers=headers)
                assert gone.status_code in (200, 404, 503), gone.text
                if gone.status_code == 200:
                    claims.uncertain.discard(name)
                    claims.deleted.add(name)


def campaign(place: Installation, seed: int, rounds: int) -> Claims:
    """Kill round by round, then check every claim; gives them."""
    dice, claims, stop = random.Random(seed), Claims(), threading.Event()
    worker = threading.Thread(target=work, args=(place, claims, random.Random(seed + 1), stop))
    worker.start()
    try:
        for number in range(rounds):
            before = len(claims.deleted)
            until(lambda: len(claims.deleted) > before, "a file made and deleted")  # noqa: B023
            place.restart(VICTIMS[number % len(VICTIMS)] if number < 4 else dice.choice(VICTIMS))
    finally:
        stop.set()
        worker.join(60)
    check(place, claims)
    return claims


def check(place: Installation, claims: Claims) -> None:
    """Every claim holds, and a restart later still does."""
    headers = place.demo.headers

    def listed() -> set[str] | None:
        with contextlib.suppress(httpx.TransportError), place.client() as client:
            got = client.get("/v1/files?limit=10000", headers=headers)
            if got.status_code == 200:
                return {file["id"] for file in got.json()["data"]}
        return None

    found = until(listed, "a list")
    assert found is not None
    assert claims.kept.keys() <= found
    assert not claims.deleted & found
    with place.client() as client:
        for name, content in claims.kept.items():
            got = client.get(f"/v1/files/{name}/content", headers=headers)
            assert (got.status_code, got.content) == (200, content)
        for name in claims.deleted:
            assert client.get(f"/v1/files/{name}/content", headers=headers).status_code == 404

        def receipts() -> bool:
            return all(
                client.get(f"/bailee/v1/deletions/{name}", headers=headers).status_code == 200
                for name in claims.deleted
            )

        until(receipts, "a receipt for each deletion")
        for name in found - claims.kept.keys():  # answers that nobody saw
            client.delete(f"/v1/files/{name}", headers=headers)

    place.advance(ABANDONED_MS)  # uploads whose gateway died are given up then

    def no_more() -> bool:
        held = place.data / "objects" / "held"
        blobs = [file for file in held.rglob("*") if file.is_file()]
        return len([file for file in blobs if not file.name.startswith(".")]) <= len(claims.kept)

    until(no_more, "bytes of what was deleted are gone")


@pytest.mark.timeout(300)
def test_files_survive_kills_and_stay_deleted(place: Installation) -> None:
    claims = campaign(place, 20261126, ROUNDS)
    assert claims.kept
    assert len(claims.deleted) >= ROUNDS


@pytest.mark.soak
def test_the_same_at_full_size(place: Installation) -> None:
    claims = campaign(place, 20261127, SOAK_ROUNDS)
    assert claims.kept
    assert len(claims.deleted) >= SOAK_ROUNDS
