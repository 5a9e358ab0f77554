"""The contract of `ports.webhook_sender`, against a real HTTPS server on loopback."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.receiver import Receiver, receiver

from bailee.cli.ports import free_port
from bailee.drivers.webhook_sender import HttpsSender
from bailee.ports.webhook_sender import SendFailure, WebhookSender

HEADERS = {"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,x"}
BODY = b'{"type":"x"}'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path) as made:
        yield made


def sender(server: Receiver, *, allow_private: bool = True, timeout_s: float = 20) -> WebhookSender:
    authorities = None if server.authority is None else str(server.authority)
    return HttpsSender(
        allow_private=allow_private, timeout_s=timeout_s, authorities_file=authorities
    )


async def failure(sender: WebhookSender, url: str) -> str:
    with pytest.raises(SendFailure) as raised:
        await sender.send(url, HEADERS, BODY)
    assert url not in str(raised.value)
    return raised.value.reason


async def test_the_message_arrives_as_it_is(server: Receiver) -> None:
    assert await sender(server).send(server.url, HEADERS, BODY) == 200
    (got,) = server.got
    assert (got.path, got.body) == ("/hook?token=abc", BODY)
    assert HEADERS.items() <= got.headers.items()
    assert got.headers["host"] == f"localhost:{server.port}"
    assert got.headers["content-type"] == "application/json"


async def test_every_status_is_given_and_no_redirection_followed(server: Receiver) -> None:
    for status in (204, 302, 410, 500):
        server.script.append(status)
        assert await sender(server).send(server.url, HEADERS, BODY) == status
    assert len(server.got) == 4


async def test_private_addresses_are_refused_before_a_byte_is_sent(server: Receiver) -> None:
    strict = sender(server, allow_private=False)
    hosts = ("localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254")
    for host in hosts:
        url = f"https://{host}:{server.port}/"
        assert await failure(strict, url) == "private_address"
    assert server.got == []


async def test_a_name_is_judged_by_where_it_leads_when_it_is_used(
    server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One address of several that is private is one too many, and nothing resolves it again."""
    asked: list[str] = []
    answers = [["93.184.215.14", "127.0.0.1"], ["127.0.0.1"]]

    async def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, 1, 6, "", (one, port)) for one in answers[len(asked) - 1]]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    strict = sender(server, allow_private=False)
    for _ in answers:
        assert await failure(strict, f"https://rebound.example:{server.port}/") == "private_address"
    assert (asked, server.got) == (["rebound.example"] * 2, [])


async def test_a_certificate_that_nobody_vouches_for(server: Receiver) -> None:
    system = HttpsSender(allow_private=True, timeout_s=20)
    assert await failure(system, server.url) == "certificate"
    assert server.got == []


async def test_plain_http_is_for_loopback(tmp_path: Path) -> None:
    with receiver(tmp_path, encrypted=False) as plain:
        assert await sender(plain).send(plain.url, HEADERS, BODY) == 200
        assert await failure(sender(plain), "http://10.255.255.1/") == "unreachable"
        assert len(plain.got) == 1


async def test_nobody_there(server: Receiver) -> None:
    assert await failure(sender(server), f"https://127.0.0.1:{free_port()}/") == "unreachable"
    assert await failure(sender(server), "https://nowhere.invalid/") == "unreachable"


async def test_no_answer_in_time(server: Receiver) -> None:
    server.free.clear()
    assert await failure(sender(server, timeout_s=0.5), server.url) == "timeout"


async def test_an_answer_that_is_no_http(server: Receiver) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-x\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        assert await failure(sender(server), f"http://127.0.0.1:{port}/") == "not_http"
