"""`ports.identity_provider` with OpenID Connect 1.0: discovery, code flow, PKCE, signed tokens.

Identity tokens are verified by `joserfc` against the provider's published keys, which are fetched
anew when a token names one that is not known. Only signatures with public keys are taken. Answers
are read up to a size and redirections are not followed.
"""

import base64
import hashlib
import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bailee.kernel.errors import Unavailable
from bailee.kernel.redacted import Secret
from bailee.ports.clock import Clock
from bailee.ports.identity_provider import Proved
from bailee.ports.offload import Offload

_TIMEOUT_S: Final = 10.0
_ANSWER_BYTES: Final = 1 << 20
_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384", "Ed25519", "EdDSA")
_SKEW_S: Final = 60
"""How far the provider's clock may be from ours."""

Document = dict[str, Any]


class OpenIdProvider:
    """One provider, for one client of it. Plain HTTP is spoken to loopback alone: see settings."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: Secret,
        redirect: str,
        clock: Clock,
        offload: Offload,
    ) -> None:
        self._issuer = issuer.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._redirect = redirect
        self._clock = clock
        self._offload = offload
        self._described: Document | None = None
        self._keys: KeySet | None = None

    async def address(self, state: str, nonce: str, verifier: str) -> str:
        """See the port."""
        described = await self._offload.run(self._description)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": self._redirect,
            "scope": "openid email profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        endpoint = _text(described, "authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def prove(self, code: str, nonce: str, verifier: str) -> Proved | None:
        """See the port."""
        return await self._offload.run(lambda: self._proved(code, nonce, verifier))

    def _proved(self, code: str, nonce: str, verifier: str) -> Proved | None:
        described = self._description()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        user = f"{quote(self._client_id, safe='')}:{quote(self._client_secret.decode(), safe='')}"
        status, answer = _ask(
            "POST",
            _text(described, "token_endpoint"),
            urlencode(form).encode(),
            {
                "authorization": f"Basic {base64.b64encode(user.encode()).decode()}",
                "content-type": "application/x-www-form-urlencoded",
            },
        )
        token = answer.get("id_token")
        if 400 <= status < 500 or not isinstance(token, str):
            return None
        claims = self._claims(token, described)
        return None if claims is None else self._person(claims, nonce)

    def _claims(self, token: str, described: Document) -> Document | None:
        """What a token says, if the provider signed it."""
        for fetched in (False, True):
            if self._keys is None or fetched:
                _, keys = _ask("GET", _text(described, "jwks_uri"))
                try:
                    self._keys = KeySet.import_key_set(keys)  # type: ignore[arg-type]
                except (JoseError, ValueError, KeyError, TypeError):
                    raise _broken() from None
            try:
                return dict(jwt.decode(token, self._keys, algorithms=_ALGORITHMS).claims)
            except (JoseError, ValueError):
                continue
        return None

    def _person(self, claims: Document, nonce: str) -> Proved | None:
        now_s = self._clock.now() // 1000
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        expires, issued = claims.get("exp"), claims.get("iat")
        if (
            str(claims.get("iss", "")).rstrip("/") != self._issuer
            or self._client_id not in audiences
            or claims.get("azp", self._client_id) != self._client_id
            or not isinstance(expires, int | float)
            or not isinstance(issued, int | float)
            or not issued - _SKEW_S <= now_s < expires + _SKEW_S
            or claims.get("nonce") != nonce
        ):
            return None
        email, name = claims.get("email"), claims.get("name")
        if claims.get("email_verified") is not True or not isinstance(email, str):
            return None
        return Proved(email, name if isinstance(name, str) and name.strip() else email)

    def _description(self) -> Document:
        if self._described is None:
            _, found = _ask("GET", f"{self._issuer}/.well-known/openid-configuration")
            if str(found.get("issuer", "")).rstrip("/") != self._issuer:
                raise _broken()
            self._described = found
        return self._described


def _ask(
    method: str, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Document]:
    """Status and JSON object. Raises Unavailable."""
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
    elif parts.scheme == "http" and host in ("127.0.0.1", "::1", "localhost"):
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    else:
        raise _broken()
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body, dict(headers or {}))
        answer = connection.getresponse()
        document = json.loads(answer.read(_ANSWER_BYTES))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(
            "The identity provider does not answer. Sign in another way, or try again later."
        ) from error
    finally:
        connection.close()
    if answer.status >= 500 or not isinstance(document, dict):
        raise _broken()
    return answer.status, document


def _text(document: Document, name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise _broken()
    return value


def _broken() -> Unavailable:
    return Unavailable(
        "The identity provider does not answer as OpenID Connect asks. Sign in another way; the"
        " operator can check the settings of `sign_in`."
    )
