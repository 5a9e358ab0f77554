"""Clients that are not Python: the official Node SDK, curl, and what a browser or a stranger sees.

Each is a process of its own with nothing but what `bailee env` prints.
"""

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.fixtures.clients import (
    REAL,
    Mirror,
    await_model,
    backend,
    client_environment,
    shell,
    trust,
)
from tests.fixtures.installation import Installation, installation
from tests.fixtures.model import model_file
from tests.fixtures.node import installed_sdk, node
from tests.fixtures.waiting import until

from bailee.transparency.checkpoint import open_checkpoint
from bailee.transparency.note import VerifierKey

pytestmark = pytest.mark.journey

ASK = (
    'curl --silent --show-error --max-time 30 -H "authorization: Bearer $OPENAI_API_KEY" '
    '-H "content-type: application/json" '
)
CHAT = '"$OPENAI_BASE_URL/chat/completions"'


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    root = tmp_path_factory.mktemp("other-clients")
    with Mirror().running() as mirror:
        settings = backend("mirror", mirror.url, {"mirror": "mirror"})
        with installation(root, model_file=model_file(), settings=settings) as made:
            await_model(made)
            yield made


def body(**more: object) -> str:
    asked = {"messages": [{"role": "user", "content": "Say hi"}], "max_tokens": 4, **more}
    return json.dumps(asked)


# The official Node SDK.


def test_the_node_sdk_chats_streams_and_names_failures(place: Installation) -> None:
    folder = installed_sdk()
    done = subprocess.run(
        [node(), folder / "journey.mjs", REAL, "mirror"],
        cwd=folder,
        env=client_environment(place),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    assert set(seen["models"]) == {REAL, "echo", "mirror"}
    assert seen["whole"]
    assert seen["text"] == seen["whole"], "the same seed, streamed"
    assert seen["completion_tokens"] == 4
    assert seen["record"].startswith("rec_")
    assert seen["request"]
    failures = seen["failures"]
    named = {what: (failure["name"], failure["code"]) for what, failure in failures.items()}
    assert named == {
        "broken": ("APIError", "backend_broken"),
        "limited": ("RateLimitError", "rate_limit_exceeded"),
        "unknown": ("NotFoundError", "model_not_found"),
        "wrong": ("BadRequestError", "invalid_type"),
        "stranger": ("AuthenticationError", "invalid_api_key"),
    }
    assert failures["wrong"]["param"] == "messages"
    assert failures["unknown"]["request"].startswith("req_")


# curl, in a shell.


def test_curl_asks_and_streams(place: Installation) -> None:
    whole = shell(place, f"{ASK} {CHAT} -d '{body(model=REAL, seed=1)}'")
    assert whole.returncode == 0, whole.stderr
    assert json.loads(whole.stdout)["choices"][0]["message"]["content"]
    streamed = shell(place, f"{ASK} -N {CHAT} -d '{body(model=REAL, stream=True)}'")
    assert streamed.stdout.endswith("data: [DONE]\n\n")
    events = [line[6:] for line in streamed.stdout.split("\n\n")[:-2]]
    assert all(json.loads(event)["object"] == "chat.completion.chunk" for event in events)


def test_curl_sees_headers_and_errors(place: Installation) -> None:
    done = shell(place, f"{ASK} -D - -o /dev/null {CHAT} -d '{body(model='mirror')}'")
    head, *lines = done.stdout.strip().split("\n")
    assert head.split(" ")[1] == "200"
    names = {line.partition(":")[0] for line in lines}
    assert {"bailee-record", "bailee-receipt-key", "bailee-policy", "bailee-handling"} <= names
    assert "x-request-id" in names
    refused = shell(place, f"{ASK} {CHAT} -d 'not json'")
    assert json.loads(refused.stdout)["error"]["type"] == "invalid_request_error"


def test_the_variables_are_taken_back(place: Installation) -> None:
    done = shell(place, 'eval "$(bailee env --unset)"; env')
    assert "OPENAI_" not in done.stdout
    assert "_CERT" not in done.stdout
    alone = shell(place, f'unset CURL_CA_BUNDLE SSL_CERT_FILE; {ASK} "$OPENAI_BASE_URL/models"')
    assert alone.returncode == 60, "curl's code for a certificate that it does not trust"


# What else is served, and what is not.


def test_the_front_page_and_health_need_no_key(place: Installation) -> None:
    with place.client() as client:
        page = client.get("/")
        assert "text/html" in page.headers["content-type"]
        for words in ("Bailee", REAL, "OPENAI_BASE_URL", "bailee env"):
            assert words in page.text
        assert "<script" not in page.text
        korean = client.get("/", headers={"accept-language": "ko"})
        assert korean.text != page.text
        health = client.get("/health").json()
    assert health["ready"]
    parts = {part["name"] for part in health["parts"]}
    assert {"keeper", "transparency log", "worker", "backend embedded", "backend mirror"} <= parts
    assert place.demo.key not in page.text


def test_the_log_is_static_files_that_its_key_signed(place: Installation) -> None:
    origin_key, _ = trust(place)
    with place.client() as client:
        got = until(lambda: answered(client.get("/log/checkpoint")), "the log's first checkpoint")
        opened = open_checkpoint(got.content, VerifierKey.parse(origin_key))
        assert opened.size > 0
        partial = "" if opened.size >= 256 else f".p/{opened.size % 256}"
        tile = client.get(f"/log/tile/0/000{partial}")
        assert (tile.status_code, len(tile.content) % 32) == (200, 0)
        assert client.get(f"/log/tile/entries/000{partial}").status_code == 200
        assert client.get("/log/../secrets/demo-api-key").status_code == 404


def answered(got: httpx.Response) -> httpx.Response | None:
    return got if got.status_code == 200 else None


def test_plain_http_gets_no_data(place: Installation) -> None:
    request = (
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        b"authorization: Bearer " + place.demo.key.encode() + b"\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", place.port), 10) as plain:
        plain.sendall(request)
        said = b""
        try:
            while part := plain.recv(4096):
                said += part
        except ConnectionError:
            pass
    assert b"data" not in said
    assert b"HTTP/1.1 200" not in said


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("version", "served"),
    [
        (ssl.TLSVersion.TLSv1_1, False),
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_3, True),
    ],
    ids=str,
)
def test_tls_is_1_2_or_1_3(place: Installation, version: ssl.TLSVersion, served: bool) -> None:
    context = place.ssl_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else the client itself would refuse the old one
    context.minimum_version = context.maximum_version = version

    def greet() -> str | None:
        with (
            socket.create_connection(("127.0.0.1", place.port), 10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            return secured.version()

    if served:
        assert greet() == version.name.replace("_", ".")
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            greet()


def test_tls_1_3_is_preferred(place: Installation) -> None:
    with (
        socket.create_connection(("127.0.0.1", place.port), 10) as plain,
        place.ssl_context().wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        assert secured.version() == "TLSv1.3"
