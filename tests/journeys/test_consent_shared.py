"""Clause C02 on a real installation: consent given and withdrawn while callers never stop.

Afterwards every stored part is held against the ledger: whatever has a wrap for training was
submitted and sealed while consent stood, whatever was submitted then has one, and once it is
withdrawn the keyring has nothing that opens it.
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, NamedTuple

import httpx
import pyarrow.parquet as pq
import pytest
from tests.fixtures.clients import ask_command, bare_environment, run_command
from tests.fixtures.inside import load_keyring, owner_of
from tests.fixtures.installation import CHAT, Installation, Tenant, chat_body, installation
from tests.fixtures.people import signed_in
from tests.fixtures.waiting import until

from bailee.custody.journal import frames, reader
from bailee.custody.keeper import keys
from bailee.custody.keeper.state import KeyringState
from bailee.custody.seal import opening
from bailee.custody.seal.part import PartHeader, SealedPart
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import DestroyedKey
from bailee.kernel.ids import (
    EpochKeyName,
    Purpose,
    Region,
    ScopeKeyName,
    parse_project,
    parse_tenant,
)
from bailee.kernel.instants import Instant
from bailee.lifecycle.receipts import RECEIPTS_PREFIX
from bailee.policy.access.model import Role
from bailee.transparency.receipt import verify_destruction
from bailee.wiring.trust import read_trust

pytestmark = pytest.mark.journey

CONSENTS: Final = "/bailee/v1/consents"
US: Final = Region("us")
TRAINING: Final = Purpose.TRAINING
ROLES: Final = (Role.OWNER, Role.ADMINISTRATOR, Role.DEVELOPER)
CALLERS: Final = 3
WORKERS: Final = 2


class Office(NamedTuple):
    """An installation, a project that calls, and its organisation's administrator."""

    place: Installation
    tenant: Tenant
    admin_key: str
    people: dict[Role, str]
    """Session tokens of people who have just signed in."""

    def ask(
        self, method: str, path: str, body: object = None, who: Role | None = None, **query: object
    ) -> httpx.Response:
        """A request of a signed-in person, or else with the admin key."""
        bearer = self.admin_key if who is None else self.people[who]
        with self.place.client() as client:
            return client.request(
                method,
                CONSENTS + path,
                headers={"authorization": f"Bearer {bearer}"},
                json=body,
                params={name: str(value) for name, value in query.items()},
            )

    def give(self, **more: object) -> Any:
        text = self.ask("GET", "/text").json()
        body = {"text": text["version"], "digest": text["digest"], **more}
        answered = self.ask("POST", "", body)
        assert answered.status_code == 200, answered.text
        return answered.json()

    def withdraw(self, **more: object) -> Any:
        answered = self.ask("POST", "/withdraw", more)
        assert answered.status_code == 200, answered.text
        return answered.json()

    def command(self, *arguments: str, who: Role | None = None, status: int = 0) -> Any:
        """`bailee consent …` of a signed-in person, or else with the admin key."""
        bearer = self.admin_key if who is None else self.people[who]
        done = run_command(
            self.place,
            *("consent", *arguments, *self.place.arguments, "--json"),
            environment=bare_environment(self.place) | {"OPENAI_ADMIN_KEY": bearer},
            status=status,
        )
        return json.loads(done.stdout) if done.stdout else done.stderr


class Call(NamedTuple):
    """One call, as its caller saw it."""

    record: str
    sent_at: Instant
    request: bytes
    shared: bool
    """Whether the answer said that the content may serve training."""


class Stored(NamedTuple):
    """One part, as it lies in a journal or a segment, with what opens it."""

    header: PartHeader
    sealed: SealedPart
    sessions: dict[bytes, bytes]
    scopes: dict[tuple[bytes, int], bytes]

    @property
    def wrapped(self) -> bool:
        return self.sealed.wrap_for(TRAINING) is not None


@dataclass
class Callers:
    """Callers that never stop, until they are told to."""

    office: Office
    calls: list[Call] = field(default_factory=list)
    over: Event = field(default_factory=Event)
    failed: list[BaseException] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(self) -> None:
        try:
            with self.office.place.client() as client:
                while not self.over.is_set():
                    self.calls.append(self.call(client))
        except BaseException as error:  # noqa: BLE001 - raised where it is looked at
            self.failed.append(error)

    def call(self, client: httpx.Client) -> Call:
        number = next(self.numbers)
        body = chat_body(f"call {number}", stream=bool(number % 2))
        sent_at = SystemClock().now()
        answered = client.post(CHAT, content=body, headers=self.office.tenant.headers)
        assert answered.status_code == 200, answered.text
        handling = answered.headers["bailee-handling"]
        return Call(answered.headers["bailee-record"], sent_at, body, "training=(C02" in handling)

    def more(self, count: int) -> Callable[[], bool]:
        """A condition: so many calls were answered from now on."""
        goal = len(self.calls) + count

        def answered() -> bool:
            assert not self.failed, self.failed
            return len(self.calls) >= goal

        return answered


@contextmanager
def calling(office: Office) -> Iterator[Callers]:
    """Callers in threads of their own."""
    callers = Callers(office)
    threads = [Thread(target=callers.run, daemon=True) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield callers
    finally:
        callers.over.set()
        for thread in threads:
            thread.join()
    assert not callers.failed, callers.failed


def open_office(place: Installation) -> Office:
    """An organisation with a project, an admin key, and people of three roles."""
    tenant = place.tenant("Acme")
    made = ask_command(place, "admin", "bootstrap", "--organisation", "Acme")

    async def people() -> dict[Role, str]:
        organisation = parse_tenant(made["organisation"])
        async with place.administration() as opened:
            return {role: await signed_in(opened, organisation, role) for role in ROLES}

    return Office(place, tenant, made["key"], asyncio.run(people()))


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with installation(tmp_path_factory.mktemp("consent"), workers=WORKERS) as place:
        yield open_office(place)


def test_an_owner_reads_agrees_and_shares_and_an_administrator_withdraws(office: Office) -> None:
    """In the words of the clause: given by an owner against a versioned text, and withdrawable."""
    place, tenant = office.place, office.tenant
    before = office.command("show", who=Role.DEVELOPER)
    assert (before["standing"]["stands"], before["standing"]["decided_by"]) == (False, None)
    text = before["text"]
    assert "serve your use cases better" in text["body"]["english"]
    assert "No benefit is promised" in text["body"]["english"]
    assert "학습" in text["body"]["korean"]
    agreed = {"text": text["version"], "digest": text["digest"]}
    stale = office.ask("POST", "", {**agreed, "text": "sharing-2020-01-01"}, who=Role.OWNER)
    assert (stale.status_code, text["version"] in stale.text) == (409, True)
    for role in (Role.ADMINISTRATOR, Role.DEVELOPER):
        refused = office.ask("POST", "", agreed, who=role)
        assert (refused.status_code, "`owner`" in refused.text) == (403, True)
    with place.client() as client:
        callers = Callers(office)
        assert not callers.call(client).shared
        given = office.command("give", "--digest", text["digest"], who=Role.OWNER)
        assert given["consent"]["text"] == text["version"]
        shared = callers.call(client)
        assert shared.shared
        held = until(lambda: _inspected(place, shared.record), "its journal is closed")
        (training,) = (one for one in held["held_for"] if one["purpose"] == "training")
        assert "C02" in training["clauses"]
        assert "withdrawn" in training["unless"]
        explained = client.post(
            "/bailee/v1/policy/explain",
            headers=tenant.headers,
            json={"endpoint": CHAT, "sharing_consent": True},
        ).json()
        assert "training" in {one["purpose"] for one in explained["handlings"]}
        assert office.ask("POST", "/withdraw", {}, who=Role.DEVELOPER).status_code == 403
        withdrawn = office.command("withdraw", who=Role.ADMINISTRATOR)
        assert not callers.call(client).shared, "when the command returns it holds everywhere"
        (receipt,) = withdrawn["receipts"]
        published = until(
            lambda: _published(client, receipt), "the destruction's receipt is published"
        )
        folders = ("/log/receipts", "/log/receipts/", "/log/tile", "/log/tile/0/")
        for path in (*folders, "/log/checkpoint/x", f"{receipt}/x"):
            assert client.get(path).status_code == 404, path
    trust = read_trust(place.places)
    facts = verify_destruction(published, trust.verifier, trust.identity)
    assert receipt == f"/{RECEIPTS_PREFIX}{facts.subject}.json"
    assert parse_project(tenant.project).hex() not in published.decode()
    _check_history(office, given, withdrawn)


def _inspected(place: Installation, record: str) -> Any:
    """What is shown of a record; None while its journal is open."""
    told = run_command(place, "inspect", "record", record, *place.arguments, "--json", status=None)
    return json.loads(told.stdout) if told.returncode == 0 else None


def _check_history(office: Office, given: Any, withdrawn: Any) -> None:
    """When it held, when we knew, and who said so."""
    history = office.command("history")
    assert [row["stands"] for row in history] == [True, True, False]
    assert history[0]["superseded_at"] == history[1]["recorded_at"]
    then = str(int(given["consent"]["valid_from"]) + 1)
    stood = office.ask("GET", "/standing", as_of=then).json()
    assert stood["stands"] == (int(then) < history[2]["valid_from"])
    unknown = office.ask("GET", "/standing", known_at=1).json()
    assert (unknown["stands"], unknown["decided_by"]) == (False, None)
    with office.place.client() as client:
        events = client.get(
            "/v1/organization/audit_logs",
            headers={"authorization": f"Bearer {office.admin_key}"},
        ).json()["data"]
    said = {
        event["type"]: event["actor"]["session"]["user"]["id"]
        for event in events
        if "session" in event["actor"]
    }
    assert said["consent.given"] == given["consent"]["actor"]
    assert said["consent.withdrawn"] == withdrawn["consent"]["actor"] != said["consent.given"]


def test_under_load_nothing_is_sealed_outside_and_nothing_missing_inside(office: Office) -> None:
    """The last of this module: it leaves the installation stopped."""
    assert _campaign(office, rounds=1, calls=30) >= 4 * 30


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_under_load_for_long(tmp_path: Path) -> None:
    with installation(tmp_path, workers=WORKERS) as place:
        assert _campaign(open_office(place), rounds=150, calls=200) >= 302 * 200


def _campaign(office: Office, rounds: int, calls: int) -> int:
    """Give and withdraw, for the organisation and for the project in turns, under load.

    Once the project has spoken for itself, what its organisation says changes nothing for it.
    Gives how many calls were made, each of which is held against the ledger.
    """
    commands: list[tuple[Instant, Instant, bool]] = []
    said: dict[str, bool] = {}
    clock = SystemClock()

    def command(run: Callable[..., Any], stands: bool, **more: object) -> None:
        began = clock.now()
        run(**more)
        said["project" if more else "organisation"] = stands
        commands.append((began, clock.now(), said.get("project", stands)))

    with calling(office) as callers:
        until(callers.more(calls), "calls before anything is given")
        for number in range(rounds):
            own = {"project": office.tenant.project} if number % 2 else {}
            command(office.give, True, **own)
            until(callers.more(calls), "calls while it stands")
            command(office.withdraw, False, **own)
            until(callers.more(calls), "calls after it")
        command(office.give, True, project=office.tenant.project)
        until(callers.more(calls), "calls while it stands at the end")
    intervals = _intervals(office)
    shown = office.command("show")
    (own,) = shown["standing"]["projects"]
    assert (own["project"], own["stands"]) == (office.tenant.project, True), "by its own word"
    assert own["decided_by"]["text"] == shown["text"]["version"]
    office.place.stop()
    parts = _stored(office)
    lapses = b"facts_lease_lapsed" in office.place.output.read_bytes()
    _check(callers.calls, parts, intervals, commands, lapses=lapses)
    _check_keys(office, callers.calls, parts, intervals)
    return len(callers.calls)


def _intervals(office: Office) -> list[tuple[Instant, Instant]]:
    """When sharing stood for the project, as the ledger has it."""
    rows = office.command("history", "--kind", "sharing", "--project", office.tenant.project)
    own = [row for row in rows if row["superseded_at"] is None and row["project"] is not None]
    organisation = [row for row in rows if row["superseded_at"] is None and row["project"] is None]
    first = min((row["valid_from"] for row in own), default=float("inf"))
    found = []
    for row in organisation:
        row["valid_until"] = min(row["valid_until"] or first, first)
        if row["stands"] and row["valid_from"] < row["valid_until"]:
            found.append(row)
    found += [row for row in own if row["stands"]]
    last = 1 << 62
    return [
        (_instant(row["valid_from"]), _instant(row["valid_until"] or last / 1000)) for row in found
    ]


def _instant(seconds: float) -> Instant:
    return Instant(round(seconds * 1000))


def _stored(office: Office) -> dict[str, list[Stored]]:
    """Every part of the project's, by record: from journals and from segments."""
    files = LocalFiles(office.place.data)
    found: dict[str, list[Stored]] = {}

    def take(sealed: SealedPart, sessions: Any, scopes: Any) -> None:
        header = PartHeader.decode(sealed.header)
        found.setdefault(str(header.record), []).append(Stored(header, sealed, sessions, scopes))

    for path in files.list("journals"):
        if not path.endswith(".journal"):
            continue
        scanned = reader.scan(files, path)
        assert scanned is not None
        assert scanned.flaw is None
        for placed in scanned.parts:
            take(reader.read_part(files, path, placed), scanned.sessions, scanned.scopes)
    for segment in office.place.data.rglob("segments/**/*.parquet"):
        table = pq.read_table(segment, columns=["frame", "body"]).to_pylist()
        sessions = {
            frames.session_of(row["body"])[0]: row["body"]
            for row in table
            if row["frame"] == frames.SESSION
        }
        scopes = {
            frames.scope_of(row["body"]): row["body"]
            for row in table
            if row["frame"] == frames.SCOPE
        }
        for row in table:
            if row["frame"] == frames.PART:
                take(SealedPart.decode(row["body"]), sessions, scopes)
    return {
        record: sorted(parts, key=lambda part: part.header.part) for record, parts in found.items()
    }


def _check(
    calls: list[Call],
    parts: dict[str, list[Stored]],
    intervals: list[tuple[Instant, Instant]],
    commands: list[tuple[Instant, Instant, bool]],
    *,
    lapses: bool,
) -> None:
    inside = outside = 0
    for call in calls:
        stored = parts[call.record]
        prompt = stored[0]
        for part in stored:
            sealed_at = part.header.sealed_at
            during = [begin for begin, end in intervals if begin <= sealed_at < end]
            assert not part.wrapped or during, ("outside", call, sealed_at, intervals)
            assert not part.wrapped or prompt.wrapped, "an answer shares what its prompt did"
        assert not prompt.wrapped or call.shared, "the caller was told"
        for begin, end in intervals:
            whole = begin <= call.sent_at and stored[-1].header.sealed_at < end
            if whole and not lapses:
                assert all(part.wrapped for part in stored), ("missing", call, intervals)
            inside += whole
        outside += not prompt.wrapped
    for (_, returned, stands), (began, _, _) in itertools.pairwise(commands):
        between = [
            call
            for call in calls
            if returned <= call.sent_at and parts[call.record][-1].header.sealed_at < began
        ]
        assert between
        if not lapses or not stands:
            assert {parts[call.record][0].wrapped for call in between} == {stands}
    assert min(inside, outside) >= len(calls) // 10


def _check_keys(
    office: Office,
    calls: list[Call],
    parts: dict[str, list[Stored]],
    intervals: list[tuple[Instant, Instant]],
) -> None:
    """What stands opens; what was withdrawn does not, whoever has the whole keyring."""
    keyring = load_keyring(office.place.data)
    last, _ = intervals[-1]
    opened = gone = 0
    for call in calls:
        prompt = parts[call.record][0]
        if not prompt.wrapped:
            continue
        if prompt.header.sealed_at >= last:
            assert _opened(office, keyring, prompt) == call.request
            opened += 1
        else:
            with pytest.raises(DestroyedKey):
                _opened(office, keyring, prompt)
            gone += 1
    assert min(opened, gone) > 0


def _opened(office: Office, keyring: KeyringState, part: Stored) -> bytes:
    """Opened for training with the keyring itself. Raises DestroyedKey."""
    owner = owner_of(office.tenant)
    wrap = part.sealed.wrap_for(TRAINING)
    assert wrap is not None
    session, _ = opening.read_session_body(part.sessions[wrap.session])
    frame = opening.read_scope_body(part.scopes[wrap.session, wrap.scope_number])
    epoch = EpochKeyName(US, TRAINING, part.header.record.epoch)
    scope = ScopeKeyName(US, TRAINING, owner.project, frame.generation)
    secret = keyring.epoch_secret(epoch)
    chain = opening.first_chain_key(
        epoch,
        scope,
        (keys.epoch_mlkem_key(epoch, secret), keys.epoch_x25519_key(epoch, secret)),
        keys.scope_x25519_key(scope, keyring.scope_secret(scope)),
        session,
        frame,
    )
    key = opening.unwrap(chain, wrap, owner, part.sealed.header)
    return bytes(opening.open_content(part.sealed, key, owner))


def _published(client: httpx.Client, path: str) -> bytes | None:
    answered = client.get(path)
    return answered.content if answered.status_code == 200 else None
