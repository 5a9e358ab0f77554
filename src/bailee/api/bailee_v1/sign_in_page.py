"""`/sign-in`: the page, and where an identity provider sends a browser back to. Public."""

import hmac
from typing import Final

from litestar import Response, Router, get

from bailee.api.administration.cookies import STATE_COOKIE, session_cookie, state_cookie
from bailee.api.administration.session import AnyRequest, administration_of
from bailee.api.bailee_v1.sign_in import source
from bailee.api.sign_in_page import HEADERS, sign_in_page
from bailee.governance.identity.errors import SignInRefused

PAGE: Final = "/sign-in"


@get("/", include_in_schema=False)
async def page(request: AnyRequest) -> Response[str]:
    """Sign in, or set what one signs in with."""
    html = sign_in_page(administration_of(request).provider_name)
    return Response(html, media_type="text/html", headers=HEADERS)


@get("/openid", include_in_schema=False)
async def came_back(request: AnyRequest) -> Response[str]:
    """Open a session for whom the provider says it is, in the browser that asked."""
    query = request.query_params
    state, code = query.get("state", ""), query.get("code", "")
    asked = request.cookies.get(STATE_COOKIE) or ""
    if not state or not hmac.compare_digest(state.encode(), asked.encode()):
        raise SignInRefused
    opened = await administration_of(request).sign_in.with_openid(
        state, code, None, source(request)
    )
    session = opened.session
    lasts_s = (session.expires_at - session.created_at) // 1000
    return Response(
        "",
        status_code=303,
        media_type="text/html",
        headers={"location": PAGE, "cache-control": "no-store"},
        cookies=[session_cookie(opened.token.decode(), lasts_s), state_cookie("", 0)],
    )


ROUTER: Final = Router(PAGE, route_handlers=[page, came_back])
