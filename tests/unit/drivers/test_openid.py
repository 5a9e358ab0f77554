"""An OpenID Connect provider of the test's own: what its tokens prove, and what they do not."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey, RSAKey

from bailee.drivers.memory import ManualClock
from bailee.drivers.memory.offload import InlineOffload
from bailee.drivers.openid import OpenIdProvider
from bailee.kernel.errors import Unavailable
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret

NOW = Instant(1_795_419_000_000)
VERIFIER = "v" * 43


class Issuer:
    """Answers discovery, keys and the token endpoint, on loopback."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)
        self.claims: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.signing: Any = self.key
        self.asked: dict[str, list[str]] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.endswith("openid-configuration"):
                    self._give(200, issuer.description())
                else:
                    self._give(200, {"keys": [issuer.key.as_dict(private=False)]})

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                issuer.asked = parse_qs(self.rfile.read(length).decode())
                if issuer.asked["code"] != ["good"]:
                    self._give(400, {"error": "invalid_grant"})
                    return
                self._give(200, {"id_token": issuer.token(), "token_type": "Bearer"})

            def _give(self, status: int, document: object) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def description(self) -> dict[str, str]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
        }

    def token(self) -> str:
        header = {"alg": self.algorithm, "kid": "one"}
        return jwt.encode(header, self.claims, self.signing, algorithms=[self.algorithm])


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    made.claims = {
        "iss": made.address,
        "aud": "bailee",
        "exp": NOW // 1000 + 300,
        "iat": NOW // 1000,
        "nonce": "n",
        "email": "ada@example.org",
        "email_verified": True,
        "name": "Ada L.",
    }
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def provider(issuer: Issuer) -> OpenIdProvider:
    return OpenIdProvider(
        *(issuer.address, "bailee", Secret(b"secret"), "https://here.example/sign-in/openid"),
        *(ManualClock(NOW), InlineOffload()),
    )


async def test_the_browser_is_sent_with_state_nonce_and_challenge(issuer: Issuer) -> None:
    address = urlsplit(await provider(issuer).address("s", "n", VERIFIER))
    asked = {name: value for name, (value,) in parse_qs(address.query).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
    assert asked["code_challenge"] == challenge.rstrip(b"=").decode()
    assert (asked["state"], asked["nonce"], asked["code_challenge_method"]) == ("s", "n", "S256")


async def test_a_signed_token_proves_a_verified_address(issuer: Issuer) -> None:
    proved = await provider(issuer).prove("good", "n", VERIFIER)
    assert proved is not None
    assert (proved.email, proved.name) == ("ada@example.org", "Ada L.")
    assert issuer.asked["code_verifier"] == [VERIFIER]
    assert await provider(issuer).prove("bad", "n", VERIFIER) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["bailee", "another"], "azp": "another"},
        {"exp": NOW // 1000 - 120},
        {"exp": None},
        {"iat": NOW // 1000 + 120},
        {"nonce": "other"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": None},
    ],
)
async def test_a_token_with_anything_wrong_proves_nothing(
    issuer: Issuer, wrong: dict[str, Any]
) -> None:
    issuer.claims.update(wrong)
    assert await provider(issuer).prove("good", "n", VERIFIER) is None


async def test_another_signature_proves_nothing(issuer: Issuer) -> None:
    issuer.signing = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)
    assert await provider(issuer).prove("good", "n", VERIFIER) is None
    issuer.signing = OKPKey.generate_key("Ed25519", parameters={"kid": "one"}, private=True)
    issuer.algorithm = "Ed25519"
    assert await provider(issuer).prove("good", "n", VERIFIER) is None


async def test_a_key_that_came_later_is_fetched(issuer: Issuer) -> None:
    asks = provider(issuer)
    assert await asks.prove("good", "n", VERIFIER)
    issuer.key = issuer.signing = RSAKey.generate_key(2048, parameters={"kid": "one"}, private=True)
    assert await asks.prove("good", "n", VERIFIER)


async def test_a_provider_that_is_away_is_said(issuer: Issuer) -> None:
    absent = OpenIdProvider(
        *("http://127.0.0.1:1", "bailee", Secret(b""), "https://here.example"),
        *(ManualClock(NOW), InlineOffload()),
    )
    with pytest.raises(Unavailable):
        await absent.address("s", "n", VERIFIER)
    plain = OpenIdProvider(
        *("http://provider.example", "bailee", Secret(b""), "https://here.example"),
        *(ManualClock(NOW), InlineOffload()),
    )
    with pytest.raises(Unavailable):
        await plain.address("s", "n", VERIFIER)
