"""Two regions on one machine, as one `bailee serve` runs them, and nothing of one in the other."""

import socket
import ssl
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.fixtures.clients import ask_command, run_command
from tests.fixtures.echo import MODEL, Echo
from tests.fixtures.installation import CHAT, Installation, chat_body, installation
from tests.fixtures.leftovers import contents_below
from tests.fixtures.upstream import Received, Reply

from bailee.cli.ports import free_port

pytestmark = pytest.mark.journey

ROUNDS: Final = 15
EU: Final = """
[regions.us]
hosts = ["localhost:{us}", "us.example"]
[regions.eu]
hosts = ["localhost:{eu}", "eu.example"]
data_folder = "{folder}"
[regions.eu.server]
port = {eu}
[[regions.eu.backends]]
name = "echo"
base_url = "{url}"
models = {{ {model} = "{model}" }}
terms = {{ region = "eu", retention_days = 0, trains = false, zero_retention = true }}
"""


class Remembering(Echo):
    """A model that keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        super().__init__()

    def _reply(self, received: Received) -> Reply:
        self.asked.append(received.body)
        return super()._reply(received)


class Side:
    """One region: how it is reached, and what is its own."""

    def __init__(self, place: Installation, region: str, port: int, data: Path, echo: Echo) -> None:
        self.place, self.region, self.port, self.data, self.echo = place, region, port, data, echo
        self.host = f"localhost:{port}"
        self.words: list[bytes] = []
        self.files: list[str] = []
        at = ("--set", f"region={region}")
        made = ask_command(
            place, *("projects", "create", "--organisation", "Acme", "--name", "one"),
            *("--region", region),
        )  # fmt: skip
        self.project: str = made["id"]
        assert made["region"] == region
        self.key: str = ask_command(place, "keys", "create", "--project", made["id"], *at)["key"]
        boot = ask_command(place, "admin", "bootstrap", "--organisation", "Acme", *at)
        self.admin_key: str = boot["key"]
        for name in (made["id"], made["organisation"]):
            self.words += [name[-32:].encode(), bytes.fromhex(name[-32:])]
        self.words += [key.split("-")[2].encode() for key in (self.key, self.admin_key)]
        context = ssl.create_default_context(cafile=str(data / "tls" / "authority.pem"))
        self.http = httpx.Client(base_url=f"https://{self.host}", verify=context, trust_env=False)

    def ask(
        self, key: str, method: str, path: str, host: str | None = None, **more: Any
    ) -> httpx.Response:
        """Ask this region's gateway, whosever the key."""
        headers = {"authorization": f"Bearer {key}", "host": host or self.host}
        return self.http.request(method, path, headers=headers, timeout=30, **more)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    root = tmp_path_factory.mktemp("regions")
    echo = Remembering()
    echo.start()
    try:
        with installation(root, start=False) as place:
            port, folder = free_port(), root / "eu"
            added = EU.format(us=place.port, eu=port, folder=folder, url=echo.url, model=MODEL)
            place.config.write_text(place.config.read_text() + added)
            place.start()
            us = Side(place, "us", place.port, place.data, place.model)
            eu = Side(place, "eu", port, folder, echo)
            with us.http, eu.http:
                yield us, eu
    finally:
        echo.stop()


def test_a_regions_certificate_is_for_its_hosts(sides: tuple[Side, Side]) -> None:
    for side, other in (sides, sides[::-1]):
        context = ssl.create_default_context(cafile=str(side.data / "tls" / "authority.pem"))
        address = ("127.0.0.1", side.port)
        with socket.create_connection(address, timeout=30) as plain:
            context.wrap_socket(plain, server_hostname=f"{side.region}.example").close()
        with (
            socket.create_connection(address, timeout=30) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            context.wrap_socket(plain, server_hostname=f"{other.region}.example")


def refused(got: httpx.Response, side: Side) -> None:
    assert got.status_code == 401, got.text
    error = got.json()["error"]
    assert (error["type"], error["param"], error["code"]) == (
        *("invalid_request_error", None, "incorrect_hostname"),
    )
    assert error["message"].endswith(f"Please make your request to {side.host}")


def exchange(own: Side, where: Side, host: str | None, number: int) -> int:
    """One of everything with a key of `own` at `where`; how many calls that were."""
    right = own is where and host is None
    word = f"canary-{own.region}-{number:06d}"
    file = {"file": ("f.txt", f"file {word}".encode()), "purpose": (None, "user_data")}
    move = {"residency": "EU_STORAGE_PROCESSING" if own.region == "us" else "US_STORAGE_PROCESSING"}
    answers = [
        where.ask(own.key, "POST", CHAT, host, content=chat_body(word, store=True)),
        where.ask(own.key, "POST", "/v1/files", host, files=file),
        where.ask(own.key, "GET", "/v1/models", host),
        where.ask(own.admin_key, "GET", f"/v1/organization/projects/{own.project}", host),
        where.ask(
            own.admin_key, "POST", f"/v1/organization/projects/{own.project}", host, json=move
        ),
    ]  # fmt: skip
    if not right:
        for got in answers:
            refused(got, own)
        return len(answers)
    own.words.append(word.encode())
    assert [got.status_code for got in answers] == [200, 200, 200, 200, 400]
    assert "make a new project there with keys of its own" in answers[-1].json()["error"]["message"]
    own.files.append(answers[1].json()["id"])
    return len(answers)


def test_nothing_of_one_region_is_in_the_other(sides: tuple[Side, Side]) -> None:
    calls = 0
    us, eu = sides
    for number in range(ROUNDS):
        for own, where in product(sides, sides):
            foreign = (eu if where is us else us).host if own is where else "eu.example"
            for host in (None, foreign if number % 2 else None):
                calls += exchange(own, where, host, calls)
    assert calls == ROUNDS * 4 * 2 * 5
    for one, other in ((us, eu), (eu, us)):
        got = one.ask(one.key, "GET", f"/v1/files/{other.files[0]}/content")
        assert got.status_code == 404
        wanted = {"name": "over there", "residency": f"{other.region.upper()}_STORAGE_PROCESSING"}
        refused_there = one.ask(one.admin_key, "POST", "/v1/organization/projects", json=wanted)
        assert refused_there.json()["error"]["code"] == "incorrect_hostname"
        assert other.host in refused_there.json()["error"]["message"]
    for one, other in ((us, eu), (eu, us)):
        held = b"\n".join(content for _, content in contents_below(one.data))
        assert all(word in held for word in one.words[:2]), "the search finds nothing"
        assert [word for word in other.words if word in held] == []
    assert isinstance(eu.echo, Remembering)
    asked = b"\n".join(eu.echo.asked)
    assert b"canary-eu-" in asked
    assert b"canary-us-" not in asked


def test_each_region_says_who_it_is(sides: tuple[Side, Side]) -> None:
    us, eu = sides
    origins = set()
    for side in sides:
        at = ("--set", f"region={side.region}")
        rows = ask_command(side.place, "projects", "list", *at)
        assert {row["region"] for row in rows} == {side.region}
        assert f"<b>{side.region}</b>" in side.http.get("/").text
        assert side.http.get("/health", headers={"host": "elsewhere.example"}).status_code == 200
        origins.add(side.http.get("/log/checkpoint").text.splitlines()[0])
        moved = run_command(
            *(side.place, "projects", "set", side.project, "--region", "fr"),
            *(*side.place.arguments, *at),
            status=2,
        )
        assert "make a new project there" in " ".join(moved.stderr.split())
    assert len(origins) == 2
    wrong = run_command(
        us.place, "projects", "list", "--config", str(us.place.config), "--data", str(eu.data),
        status=2,
    )  # fmt: skip
    assert "must have folders" in wrong.stderr
