"""The port that asks clients for certificates: who is let in, on real connections over TLS."""

import asyncio
import datetime
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.fixtures.authorities import BEGIN, Identity
from tests.fixtures.gateway import CALLER, KEY, RunningGateway, running_gateway
from tests.fixtures.upstream import DONE, chunk, streamed

from bailee.api.http1.server import Http1Server
from bailee.api.listener import Listener
from bailee.cli.ports import free_port
from bailee.drivers.certificates import CertificateFiles, ensure_certificates
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import InvalidInput

GUARDED: Final = "sk-bailee-00000000000000dd-" + "E" * 43
"""A key whose client must show a certificate."""
OURS: Final = Identity.authority("Acme")
BETWEEN: Final = Identity.authority("Acme issuing", OURS)
OTHERS: Final = Identity.authority("Rival")
PINNED: Final = Identity.client("pinned", None)
REQUIRED: Final = (401, "client_certificate_required")
REFUSED: Final = (401, "client_certificate_refused")
GIVEN: Final = (200, None)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    return ensure_certificates(tmp_path_factory.mktemp("tls"), (), SystemClock().now(), None)


@pytest.fixture(scope="module")
def gateway(files: CertificateFiles) -> Iterator[RunningGateway]:
    with running_gateway("http1", tls=(files.certificate, files.key), asks=True) as made:
        yield made


@pytest.fixture(autouse=True)
def guarded(gateway: RunningGateway) -> None:
    demand(gateway, OURS, PINNED)


def demand(gateway: RunningGateway, *active: Identity) -> None:
    """Say which certificates are active for the guarded key."""
    caller = CALLER._replace(client_certificates=tuple(one.der for one in active))
    gateway.do(lambda: gateway.callers.update({GUARDED: caller}))


def trusting(files: CertificateFiles) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(files.bundle))


def ask(client: httpx.Client, port: int, key: str = GUARDED) -> tuple[int, str | None]:
    """Status and code of the answer to a chat completion and of one off the hot path alike."""
    origin, headers = f"https://127.0.0.1:{port}", {"authorization": f"Bearer {key}"}
    body = {"model": "plain", "messages": []}
    hot = client.post(f"{origin}/v1/chat/completions", headers=headers, json=body)
    off = client.post(f"{origin}/bailee/v1/policy/explain", headers=headers, json={})
    listed = client.get(f"{origin}/v1/models", headers=headers)
    assert hot.status_code == listed.status_code
    assert (hot.status_code == 401) is (off.status_code == 401)
    code = hot.json().get("error", {}).get("code")
    assert listed.json().get("error", {}).get("code") == code
    return hot.status_code, code


def shows(
    files: CertificateFiles, folder: Path, identity: Identity | None, **more: ssl.TLSVersion
) -> httpx.Client:
    context = trusting(files)
    for name, value in more.items():
        setattr(context, name, value)
    if identity is not None:
        identity.show(context, folder)
    return httpx.Client(verify=context, trust_env=False, timeout=3)


@pytest.mark.parametrize(
    ("identity", "wanted"),
    [
        (None, REQUIRED),
        (Identity.client("client", OURS), GIVEN),
        (Identity.client("client", BETWEEN), GIVEN),
        (Identity.client("client", BETWEEN)._replace(between=()), REFUSED),
        (PINNED, GIVEN),
        (Identity.client("pinned", None), REFUSED),
        (Identity.client("client", OTHERS), REFUSED),
        (Identity.client("client", Identity.authority("Acme")), REFUSED),
        (Identity.client("client", PINNED), REFUSED),
        (Identity.client("client", OURS, ends=BEGIN + datetime.timedelta(days=9)), REFUSED),
        (Identity.client("client", OURS, usages=(ExtendedKeyUsageOID.SERVER_AUTH,)), REFUSED),
        (Identity.client("client", OURS, usages=()), GIVEN),
    ],
    ids=(
        "none",
        "issued",
        "issued by what is issued",
        "without what is between",
        "the active one itself",
        "its double with another key",
        "issued by a stranger",
        "issued by a stranger of the same name",
        "issued by what is no authority",
        "expired",
        "for servers",
        "for everything",
    ),
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_is_let_in(
    gateway: RunningGateway,
    files: CertificateFiles,
    tmp_path: Path,
    identity: Identity | None,
    wanted: tuple[int, str | None],
    version: ssl.TLSVersion,
) -> None:
    with shows(files, tmp_path, identity, maximum_version=version) as client:
        assert ask(client, gateway.asking_port) == wanted
        assert ask(client, gateway.asking_port, KEY) == GIVEN, "nothing is wanted of this key"


def test_the_port_that_does_not_ask_lets_nobody_in_and_names_the_one_that_does(
    gateway: RunningGateway, files: CertificateFiles, tmp_path: Path
) -> None:
    with shows(files, tmp_path, Identity.client("client", OURS)) as client:
        assert ask(client, gateway.port) == REQUIRED
        answered = client.get(
            f"{gateway.origin}/v1/models", headers={"authorization": f"Bearer {GUARDED}"}
        )
        assert f"port {gateway.asking_port} " in answered.json()["error"]["message"]
        assert ask(client, gateway.port, KEY) == GIVEN


def test_granian_lets_nobody_in(files: CertificateFiles, tmp_path: Path) -> None:
    with (
        running_gateway("granian", tls=(files.certificate, files.key)) as granian,
        shows(files, tmp_path, Identity.client("client", OURS)) as client,
    ):
        demand(granian, OURS)
        assert ask(client, granian.port) == REQUIRED
        assert ask(client, granian.port, KEY) == GIVEN


def test_each_request_of_a_connection_is_judged(
    gateway: RunningGateway, files: CertificateFiles, tmp_path: Path
) -> None:
    context = Identity.client("client", OURS).show(trusting(files), tmp_path)
    with (
        socket.create_connection(("127.0.0.1", gateway.asking_port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        for active, wanted in (
            ((OURS,), b"200"),
            ((OTHERS,), b"401"),
            ((OTHERS, OURS), b"200"),
            ((PINNED,), b"401"),
            ((), b"200"),
            ((OURS,), b"200"),
        ):
            demand(gateway, *active)
            connection.sendall(
                b"GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n\r\n"
                % GUARDED.encode()
            )
            got = b""
            while b"}" not in got:
                got += connection.recv(65536)
            assert got.split(b" ", 2)[1] == wanted, got


def test_long_bodies_and_streams_pass_whole(
    gateway: RunningGateway, files: CertificateFiles, tmp_path: Path
) -> None:
    text = "x" * 50_000
    events = [chunk("y" * 40_000) for _ in range(50)]
    gateway.do(lambda: gateway.upstream.script.append(streamed(*events, DONE)))
    with shows(files, tmp_path, Identity.client("client", OURS)) as client:
        answered = client.post(
            f"https://127.0.0.1:{gateway.asking_port}/v1/chat/completions",
            headers={"authorization": f"Bearer {GUARDED}"},
            json={
                "model": "plain",
                "stream": True,
                "messages": [{"role": "user", "content": text}],
            },
        )
    assert answered.status_code == 200
    assert answered.content == b"".join([*events, DONE])
    assert json.loads(gateway.last().request)["messages"][0]["content"] == text


def test_a_client_that_leaves_stops_the_backend(
    gateway: RunningGateway, files: CertificateFiles, tmp_path: Path
) -> None:
    gateway.do(gateway.upstream.left.clear)
    never = asyncio.Event()
    gateway.do(lambda: gateway.upstream.script.append(streamed(chunk("a"), never, DONE)))
    with (
        shows(files, tmp_path, Identity.client("client", OURS)) as client,
        client.stream(
            "POST",
            f"https://127.0.0.1:{gateway.asking_port}/v1/chat/completions",
            headers={"authorization": f"Bearer {GUARDED}"},
            json={"model": "plain", "stream": True, "messages": []},
        ) as answered,
    ):
        assert next(answered.iter_bytes()) == chunk("a")
    gateway.run(lambda: asyncio.wait_for(gateway.upstream.left.wait(), 10))
    assert gateway.last().answer_parts[-1][2:] == (True, True)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_older_tls_is_refused(gateway: RunningGateway, files: CertificateFiles) -> None:
    context = trusting(files)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with (
        socket.create_connection(("127.0.0.1", gateway.asking_port), timeout=10) as plain,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_plain_http_and_noise_get_no_data(gateway: RunningGateway) -> None:
    for noise in (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", bytes(range(256)) * 8):
        with socket.create_connection(("127.0.0.1", gateway.asking_port), timeout=10) as plain:
            try:
                plain.sendall(noise)
                got = plain.recv(65536)
            except ConnectionError:
                got = b""
        assert b"HTTP/" not in got
        assert len(got) <= 7, "a TLS alert and nothing else"


def test_no_connection_is_resumed(
    gateway: RunningGateway, files: CertificateFiles, tmp_path: Path
) -> None:
    context = Identity.client("client", OURS).show(trusting(files), tmp_path)
    session = None
    for _ in range(2):
        with (
            socket.create_connection(("127.0.0.1", gateway.asking_port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as connection,
        ):
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            while connection.recv(65536):
                pass
            session = connection.session
            assert not connection.session_reused


def test_a_plain_listener_cannot_ask(gateway: RunningGateway) -> None:
    listener = Listener.plain_for_benchmark(free_port())
    with pytest.raises(InvalidInput):
        Http1Server(gateway.application, listener, SystemClock(), listener)
