"""`/bailee/v1/sign_in`: proving who one is, and setting what one proves it with. Public.

With `cookie` a session's token is set as a cookie for this site's pages and not shown; such a
request must come from one of them.
"""

from typing import Any, Final

import msgspec
import segno
from litestar import Response, Router, get, post

from bailee.api.administration.asked import body_of
from bailee.api.administration.cookies import check_same_site, session_cookie, state_cookie
from bailee.api.administration.session import AnyRequest, administration_of, session_of
from bailee.api.administration.shapes import NEVER_CACHED, answer, seconds
from bailee.governance.identity.errors import SessionRefused, SignInRefused
from bailee.governance.identity.model import ATTEMPT_MS, Bearer, OpenedSession
from bailee.governance.identity.sessions import SESSION, USER
from bailee.kernel.ids import TenantId, handle_text, parse_tenant, tenant_text
from bailee.kernel.redacted import HiddenStruct
from bailee.policy.access.model import Role

Credential = dict[str, Any]
"""What `navigator.credentials` gave, as JSON."""


class SignInWithPassword(HiddenStruct, frozen=True, forbid_unknown_fields=True):
    """A password with a code of the second factor, or a recovery code."""

    email: str
    password: str
    code: str
    organization: str | None = None
    cookie: bool = False


class SignInWithPasskey(HiddenStruct, frozen=True, forbid_unknown_fields=True):
    """A browser's answer to a challenge."""

    attempt: str
    credential: Credential
    cookie: bool = False


class SignInAgain(HiddenStruct, frozen=True, forbid_unknown_fields=True):
    """A password with a code of the second factor, during a session."""

    password: str
    code: str


class SignInAgainWithPasskey(HiddenStruct, frozen=True, forbid_unknown_fields=True):
    """A browser's answer to a challenge, during a session."""

    attempt: str
    credential: Credential


class Enrol(HiddenStruct, frozen=True, forbid_unknown_fields=True):
    """An enrolment's token."""

    token: str


class EnrolPassword(HiddenStruct, frozen=True, forbid_unknown_fields=True):
    """What somebody is to sign in with: a password, and a code of the second factor shown."""

    token: str
    attempt: str
    password: str
    code: str


class EnrolPasskey(HiddenStruct, frozen=True, forbid_unknown_fields=True):
    """A passkey that a browser registered."""

    token: str
    attempt: str
    credential: Credential


class SignInView(msgspec.Struct, frozen=True, kw_only=True):
    """How one can sign in here."""

    object: str = "bailee.sign_in"
    password: bool = True
    passkey: bool = True
    openid: bool
    openid_name: str
    origin: str


class SessionView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session; `token` when it began just now, and not as a cookie."""

    id: str
    object: str
    person: str
    name: str
    email: str
    organization: str
    organization_name: str
    house: bool
    roles: list[str]
    method: str
    created_at: int
    signed_in_at: int
    expires_at: int
    token: str | None = None

    def __repr__(self) -> str:
        return f"<SessionView {self.id}>"


class ChallengeView(HiddenStruct, frozen=True, kw_only=True):
    """What a browser is to answer."""

    object: str = "bailee.challenge"
    attempt: str
    options: dict[str, Any]


class EnrolmentView(msgspec.Struct, frozen=True, kw_only=True):
    """For whom an enrolment is."""

    object: str = "bailee.enrolment"
    name: str
    email: str
    organization_name: str


class SecondFactorView(HiddenStruct, frozen=True, kw_only=True):
    """A new second factor, this once: the secret, the same as an address, and that as a QR code.

    `image` is a `data:` address of an SVG, which a page can show as it is.
    """

    object: str = "bailee.second_factor"
    attempt: str
    secret: str
    address: str
    image: str


class RecoveryCodesView(HiddenStruct, frozen=True, kw_only=True):
    """Codes in place of the second factor, this once; each works once."""

    object: str = "bailee.recovery_codes"
    codes: list[str]


class ProviderView(HiddenStruct, frozen=True, kw_only=True):
    """Where a browser goes to sign in."""

    object: str = "bailee.provider"
    address: str


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """That it was done."""

    object: str = "bailee.done"
    done: bool = True


@get("/", summary="How one can sign in", security=[])
async def ways(request: AnyRequest) -> Response[SignInView]:
    """Which ways of signing in there are, and where the sign-in page is."""
    administration = administration_of(request)
    name = administration.provider_name
    view = SignInView(openid=bool(name), openid_name=name, origin=administration.origin)
    return answer(view)


@post("/password", status_code=200, summary="Sign in with a password", security=[])
async def with_password(request: AnyRequest) -> Response[SessionView]:
    """Open a session with address, password and second factor.

    Whatever is wrong, the answer is the same 401.
    """
    asked = await body_of(request, SignInWithPassword)
    if asked.cookie:
        check_same_site(request)
    opened = await administration_of(request).sign_in.with_password(
        asked.email, asked.password, asked.code, _organisation(asked.organization), source(request)
    )
    return await _opened(request, opened, cookie=asked.cookie)


@post("/passkey/begin", status_code=200, summary="Begin to sign in with a passkey", security=[])
async def begin_passkey(request: AnyRequest) -> Response[ChallengeView]:
    """A challenge for `navigator.credentials.get`."""
    attempt, options = await administration_of(request).sign_in.begin_passkey()
    return answer(ChallengeView(attempt=attempt, options=options))


@post("/passkey", status_code=200, summary="Sign in with a passkey", security=[])
async def with_passkey(request: AnyRequest) -> Response[SessionView]:
    """Open a session with a signed challenge."""
    asked = await body_of(request, SignInWithPasskey)
    if asked.cookie:
        check_same_site(request)
    opened = await administration_of(request).sign_in.with_passkey(
        asked.attempt, asked.credential, source(request)
    )
    return await _opened(request, opened, cookie=asked.cookie)


@post("/openid", status_code=200, summary="Begin to sign in at the provider", security=[])
async def begin_openid(request: AnyRequest) -> Response[ProviderView]:
    """Where to send the browser, which gets a cookie that its coming back is checked against."""
    state, address = await administration_of(request).sign_in.begin_openid()
    return Response(
        ProviderView(address=address),
        status_code=200,
        media_type="application/json",
        headers=NEVER_CACHED,
        cookies=[state_cookie(state, ATTEMPT_MS // 1000)],
    )


@post("/again/password", status_code=200, summary="Sign in again with a password")
async def again_with_password(request: AnyRequest) -> Response[SessionView]:
    """Make the session fresh, for commands that ask for a sign-in of the last minutes."""
    bearer = bearer_of((await session_of(request)).bearer)
    asked = await body_of(request, SignInAgain)
    administration = administration_of(request)
    await administration.sign_in.again_with_password(
        bearer, asked.password, asked.code, source(request)
    )
    return answer(session_view(bearer_of((await session_of(request)).bearer)))


@post("/again/passkey", status_code=200, summary="Sign in again with a passkey")
async def again_with_passkey(request: AnyRequest) -> Response[SessionView]:
    """Make the session fresh with a signed challenge."""
    bearer = bearer_of((await session_of(request)).bearer)
    asked = await body_of(request, SignInAgainWithPasskey)
    administration = administration_of(request)
    await administration.sign_in.again_with_passkey(
        bearer, asked.attempt, asked.credential, source(request)
    )
    return answer(session_view(bearer_of((await session_of(request)).bearer)))


@post("/enrolment", status_code=200, summary="For whom an enrolment is", security=[])
async def read_enrolment(request: AnyRequest) -> Response[EnrolmentView]:
    """Who is to enrol with a token."""
    asked = await body_of(request, Enrol)
    found = await administration_of(request).enrolling.enrolment(asked.token)
    view = EnrolmentView(
        name=found.name, email=found.email, organization_name=found.organisation_name
    )
    return answer(view)


@post("/enrolment/password/begin", status_code=200, summary="Begin to set a password", security=[])
async def begin_password(request: AnyRequest) -> Response[SecondFactorView]:
    """A new second factor to put into an authenticator."""
    asked = await body_of(request, Enrol)
    shown = await administration_of(request).enrolling.begin_password(asked.token)
    address = shown.address.decode()
    return answer(
        SecondFactorView(
            attempt=shown.attempt,
            secret=shown.secret.decode(),
            address=address,
            image=segno.make_qr(address).svg_data_uri(border=4, light="white", omitsize=True),
        )
    )


@post("/enrolment/password", status_code=200, summary="Set a password", security=[])
async def set_password(request: AnyRequest) -> Response[RecoveryCodesView]:
    """Set a password with the second factor; uses up the token and ends former sessions.

    A wrong code (`code_refused`) leaves the attempt as it is, up to five times within ten minutes.
    """
    asked = await body_of(request, EnrolPassword)
    codes = await administration_of(request).enrolling.set_password(
        asked.token, asked.attempt, asked.password, asked.code
    )
    return answer(RecoveryCodesView(codes=[code.decode() for code in codes]))


@post("/enrolment/passkey/begin", status_code=200, summary="Begin registration", security=[])
async def begin_registration(request: AnyRequest) -> Response[ChallengeView]:
    """A challenge for `navigator.credentials.create`."""
    asked = await body_of(request, Enrol)
    attempt, options = await administration_of(request).enrolling.begin_passkey(asked.token)
    return answer(ChallengeView(attempt=attempt, options=options))


@post("/enrolment/passkey", status_code=200, summary="Register a passkey", security=[])
async def register_passkey(request: AnyRequest) -> Response[Done]:
    """Register a passkey; uses up the token."""
    asked = await body_of(request, EnrolPasskey)
    await administration_of(request).enrolling.register_passkey(
        asked.token, asked.attempt, asked.credential
    )
    return answer(Done())


def source(request: AnyRequest) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client is not None else ""


def bearer_of(bearer: Bearer | None) -> Bearer:
    """The person of a session. Raises SessionRefused for an admin key, which is nobody."""
    if bearer is None:
        raise SessionRefused
    return bearer


def session_view(bearer: Bearer, token: str | None = None) -> SessionView:
    """A session as its bearer sees it."""
    session = bearer.session
    return SessionView(
        id=SESSION + session.public_id,
        object="bailee.session",
        person=handle_text(USER, session.person),
        name=bearer.name,
        email=bearer.email,
        organization=tenant_text(session.tenant),
        organization_name=bearer.organisation_name,
        house=bearer.house,
        roles=[role.value for role in Role if role in bearer.roles],
        method=session.method.value,
        created_at=seconds(session.created_at),
        signed_in_at=seconds(session.signed_in_at),
        expires_at=seconds(session.expires_at),
        token=token,
    )


async def _opened(
    request: AnyRequest, opened: OpenedSession, *, cookie: bool
) -> Response[SessionView]:
    bearer = await administration_of(request).session_keys.authenticate(opened.token)
    token = opened.token.decode()
    session = opened.session
    if not cookie:
        return answer(session_view(bearer, token))
    lasts_s = (session.expires_at - session.created_at) // 1000
    return Response(
        session_view(bearer),
        status_code=200,
        media_type="application/json",
        headers=NEVER_CACHED,
        cookies=[session_cookie(token, lasts_s)],
    )


def _organisation(text: str | None) -> TenantId | None:
    if not text:
        return None
    try:
        return parse_tenant(text)
    except ValueError:
        raise SignInRefused from None


ROUTER: Final = Router(
    "/bailee/v1/sign_in",
    route_handlers=[
        ways,
        with_password,
        begin_passkey,
        with_passkey,
        begin_openid,
        again_with_password,
        again_with_passkey,
        read_enrolment,
        begin_password,
        set_password,
        begin_registration,
        register_passkey,
    ],
)
