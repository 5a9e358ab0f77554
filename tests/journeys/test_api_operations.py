"""The operations off the hot path."""

import json
import socket

import httpx
import pytest
from tests.fixtures.gateway import KEY, ZERO_KEY, RunningGateway

AUTHORIZED = {"authorization": f"Bearer {KEY}"}


def test_log_files_are_served_with_their_caching(gateway: RunningGateway) -> None:
    checkpoint = httpx.get(gateway.origin + "/log/checkpoint")
    assert (checkpoint.content, checkpoint.headers["cache-control"]) == (
        b"origin\n3\n",
        "no-cache",
    )
    tile = httpx.get(gateway.origin + "/log/tile/0/000")
    assert tile.content == b"\0" * 32
    assert "immutable" in tile.headers["cache-control"]
    assert httpx.get(gateway.origin + "/log/tile/0/001").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/log/../segments/x",
        "/log/%2e%2e/segments/x",
        "/log//x",
        "/log/.hidden",
        "/log/a%00b",
        "/log/tile/0/",
        "/log/receipts/",
        "/log/checkpoint/x",
    ],
)
def test_only_keys_below_the_log_are_read(gateway: RunningGateway, path: str) -> None:
    gateway.log_objects["log/../segments/x"] = b"SEGMENT"
    gateway.log_objects["segments/x"] = b"SEGMENT"
    request = httpx.Request("GET", httpx.URL(gateway.origin).copy_with(raw_path=path.encode()))
    with httpx.Client() as client:
        got = client.send(request)
    assert got.status_code == 404
    assert got.json()["error"]["message"]


def test_explain_needs_a_key_and_cites_clauses(gateway: RunningGateway) -> None:
    url = gateway.origin + "/bailee/v1/policy/explain"
    question = {"endpoint": "/v1/chat/completions"}
    assert httpx.post(url, json=question).status_code == 401
    got = httpx.post(url, json=question, headers=AUTHORIZED)
    assert got.status_code == 200
    assert "C05" in {reason["clause"] for reason in got.json()["reasons"]}
    bad = httpx.post(url, content=b"{", headers=AUTHORIZED)
    assert bad.status_code == 400
    assert httpx.post(url, json={"endpoint": 3}, headers=AUTHORIZED).json()["error"]["param"]


def test_an_owner_reads_a_record(gateway: RunningGateway) -> None:
    body = json.dumps({"model": "plain", "messages": []}).encode()
    answered = httpx.post(gateway.base_url + "/chat/completions", content=body, headers=AUTHORIZED)
    url = gateway.origin + "/bailee/v1/records/" + answered.headers["bailee-record"]
    got = httpx.get(url, headers=AUTHORIZED).json()
    assert (got["request"].encode(), got["answer"].encode()) == (body, answered.content)
    assert httpx.get(url).status_code == 401
    unknown = gateway.origin + "/bailee/v1/records/rec_" + "0" * 32
    assert httpx.get(unknown, headers=AUTHORIZED).status_code == 404
    wrong = gateway.origin + "/bailee/v1/records/nonsense"
    assert httpx.get(wrong, headers=AUTHORIZED).status_code == 404


def test_health_page_and_document(gateway: RunningGateway) -> None:
    health = httpx.get(gateway.origin + "/health")
    assert (health.status_code, health.json()["ready"]) == (200, True)
    page = httpx.get(gateway.origin + "/", headers={"accept-language": "ko"})
    assert page.text == "<h1>Bailee</h1><p>ko</p>"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    document = httpx.get(gateway.origin + "/bailee/v1/openapi/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "/bailee/v1/policy/explain" in document["paths"]


def test_wrong_methods_are_in_the_openai_shape(gateway: RunningGateway) -> None:
    got = httpx.delete(gateway.origin + "/health", headers={"authorization": f"Bearer {ZERO_KEY}"})
    assert got.status_code == 405
    assert got.json()["error"]["code"] == "method_not_supported"
    assert got.headers["allow"] == "GET, OPTIONS"


def test_every_answer_off_the_hot_path_has_the_headers(gateway: RunningGateway) -> None:
    for path in ("/", "/health", "/log/checkpoint", "/nowhere"):
        got = httpx.get(gateway.origin + path)
        assert got.headers["x-request-id"].startswith("req_")
        assert got.headers["bailee-handling"] == "none"


@pytest.mark.parametrize("shared_gateway", ["http1"], indirect=True)
def test_an_answer_before_the_body_says_that_the_connection_ends(gateway: RunningGateway) -> None:
    """A client that was not told would send its next request into a closing connection.

    Our own server's word; Granian gives none (docs/decisions/0009-http-server.md).
    """
    head = (
        "POST /v1/nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n"
        f"authorization: Bearer {KEY}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
        connection.sendall(head.encode())
        said = b""
        while b"\r\n\r\n" not in said:
            said += connection.recv(4096)
        assert said.startswith(b"HTTP/1.1 404")
        if b"connection: close" in said.lower():
            return
        connection.sendall(b"{" + b" " * 7 + b"}" + head.replace("nowhere", "later").encode())
        while b"later" not in said:
            more = connection.recv(4096)
            assert more, "it was closed without a word"
            said += more
