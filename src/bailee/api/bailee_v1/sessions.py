"""`/bailee/v1/sessions`, and the sessions and enrolments of people below `/bailee/v1/people`."""

from typing import Final

import msgspec
from litestar import Response, Router, delete, get, post
from litestar.params import FromPath

from bailee.api.administration.asked import asked_page, handle
from bailee.api.administration.cookies import session_cookie
from bailee.api.administration.session import AnyRequest, administration_of, session_of
from bailee.api.administration.shapes import (
    NEVER_CACHED,
    Deleted,
    Listed,
    answer,
    listed,
    seconds,
)
from bailee.api.bailee_v1.sign_in import SessionView, bearer_of, session_view
from bailee.governance.identity.model import ENROLMENT_MS, PersonSession, session_id
from bailee.governance.identity.sessions import SESSION, USER
from bailee.kernel.errors import NotFound
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import HiddenStruct

PAGE: Final = "/sign-in"


class OwnSession(msgspec.Struct, frozen=True, kw_only=True):
    """One of one's sessions."""

    id: str
    object: str = "bailee.session"
    method: str
    current: bool
    created_at: int
    signed_in_at: int
    last_used_at: int
    expires_at: int


class NewEnrolment(HiddenStruct, frozen=True, kw_only=True):
    """An enrolment's token, this once, and the page to use it on."""

    object: str = "bailee.enrolment"
    token: str
    address: str
    expires_at: int


class SessionsEnded(msgspec.Struct, frozen=True, kw_only=True):
    """How many sessions of a person ended."""

    id: str
    object: str = "bailee.sessions.ended"
    ended: int


@get("/", summary="List one's sessions")
async def list_sessions(request: AnyRequest) -> Response[Listed[OwnSession]]:
    """One's own sessions that have not ended, newest first."""
    session = await session_of(request)
    own = bearer_of(session.bearer).session
    found = await session.person_sessions.active(own.tenant, own.person)

    def view(one: PersonSession) -> OwnSession:
        return OwnSession(
            id=SESSION + one.public_id,
            method=one.method.value,
            current=one.public_id == own.public_id,
            created_at=seconds(one.created_at),
            signed_in_at=seconds(one.signed_in_at),
            last_used_at=seconds(one.last_used_at),
            expires_at=seconds(one.expires_at),
        )

    return listed(found, asked_page(request), lambda one: SESSION + one.public_id, view)


@get("/current", summary="Who one is")
async def read_current(request: AnyRequest) -> Response[SessionView]:
    """The session that asks: the person, their organisation and the roles that they hold."""
    return answer(session_view(bearer_of((await session_of(request)).bearer)))


@delete("/current", status_code=200, summary="Sign out")
async def sign_out(request: AnyRequest) -> Response[Deleted]:
    """End the session that asks."""
    session = await session_of(request)
    own = bearer_of(session.bearer).session
    await session.person_sessions.revoke(own.tenant, own.person, own.public_id)
    return Response(
        Deleted(id=SESSION + own.public_id, object="bailee.session.deleted"),
        status_code=200,
        media_type="application/json",
        headers=NEVER_CACHED,
        cookies=[session_cookie("", 0)],
    )


@delete("/{session:str}", status_code=200, summary="End one of one's sessions")
async def end_session(session: FromPath[str], request: AnyRequest) -> Response[Deleted]:
    """End a session of one's own: it is refused from now on."""
    asks = await session_of(request)
    own = bearer_of(asks.bearer).session
    public_id = session_id(session)
    if public_id is None:
        raise NotFound("There is no such session. List the sessions.")
    await asks.person_sessions.revoke(own.tenant, own.person, public_id)
    return answer(Deleted(id=session, object="bailee.session.deleted"))


@post("/{user:str}/enrolments", status_code=200, summary="Let a person enrol anew")
async def make_enrolment(user: FromPath[str], request: AnyRequest) -> Response[NewEnrolment]:
    """A one-time token with which a person sets a password or registers a passkey."""
    session = await session_of(request)
    token = await session.enrolments.make(session.tenant, handle(USER, user, "person"))
    text = token.decode()
    return answer(
        NewEnrolment(
            token=text,
            address=enrolment_address(administration_of(request).origin, text),
            expires_at=seconds(Instant(session.now + ENROLMENT_MS)),
        )
    )


@delete("/{user:str}/sessions", status_code=200, summary="End every session of a person")
async def end_sessions(user: FromPath[str], request: AnyRequest) -> Response[SessionsEnded]:
    """End every session of a person: they are refused from now on."""
    session = await session_of(request)
    ended = await session.person_sessions.revoke_all(session.tenant, handle(USER, user, "person"))
    return answer(SessionsEnded(id=user, ended=ended))


def enrolment_address(origin: str, token: str) -> str:
    """The page on which a token is used. What follows `#` stays in the browser."""
    return f"{origin}{PAGE}#{token}"


ROUTER: Final = Router(
    "/bailee/v1/sessions", route_handlers=[list_sessions, read_current, sign_out, end_session]
)
PEOPLE: Final = (make_enrolment, end_sessions)
"""Below `/bailee/v1/people`."""
