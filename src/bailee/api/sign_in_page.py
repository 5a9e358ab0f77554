"""The sign-in page: one document, English and Korean side by side, with a script of its own.

It signs in with a passkey, a password and code, or the provider; with an enrolment's token behind
`#` it lets a person set what they sign in with. Everything it does goes through the API, with the
session as a cookie. The policy sent along allows the one script by its digest and nothing else.
"""

import base64
import hashlib
from html import escape
from importlib import resources
from typing import Final

from bailee.api.front_page_style import STYLE

_FORMS: Final = """
form,.box{display:grid;gap:.7rem;max-width:24rem;margin:1rem 0}
label{display:grid;gap:.2rem;font-size:.9rem}
input,button{font:inherit;padding:.55rem .75rem;border:1px solid var(--line);border-radius:.5rem;
background:var(--card);color:var(--ink)}
button{cursor:pointer;border-color:var(--mark);color:var(--mark)}
button.main{background:var(--mark);color:var(--paper)}button .both span{color:inherit!important}
[hidden]{display:none!important}
pre{white-space:pre-wrap;overflow-wrap:anywhere}#image{width:12rem;justify-self:center}
#told{min-height:1.6em;color:var(--bad)}#told span{display:block;margin:0;color:inherit}
"""
_SCRIPT: Final = resources.files("bailee.api").joinpath("sign_in.js").read_text("utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
        f"script-src 'sha256-{_hash(_SCRIPT)}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def sign_in_page(provider: str) -> str:
    """The whole document. `provider`: what people know the provider as; empty: there is none."""
    openid = ""
    if provider:
        name = escape(provider)
        openid = _button("openid", f"Sign in with {name}", f"{name}(으)로 로그인")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>Bailee: sign in · 로그인</title>'
        f"<style>{STYLE}{_FORMS}</style></head><body><main>"
        '<header><p class="name">Bailee</p></header>'
        '<p id="told" class="both" role="status"></p>'
        f"{_sign_in(openid)}{_enrol()}{_signed_in()}"
        f"</main><script>{_SCRIPT}</script></body></html>"
    )


def _sign_in(openid: str) -> str:
    return (
        f'<section id="sign-in"><h1>{_both("Sign in", "로그인")}</h1><div class="box">'
        + _button("passkey", "Use a passkey", "패스키로 로그인", main=True)
        + openid
        + '</div><form id="password">'
        + _field("email", "E-mail address", "이메일 주소", "email", "username")
        + _field("secret", "Password", "비밀번호", "password", "current-password")
        + _field("code", "Code of your authenticator", "인증 앱의 코드", "text", "one-time-code")
        + f"<small>{_both('Each code works once: wait for the next.', _EACH)}</small>"
        + f"<button>{_both('Sign in with a password', '비밀번호로 로그인')}</button>"
        + "</form></section>"
    )


def _enrol() -> str:
    return (
        f'<section id="enrol" hidden><h1>{_both("Welcome", "환영합니다")}</h1><p id="who"></p>'
        f"<p>{_both('Choose what you will sign in with. This page works once.', _ONCE)}</p>"
        '<div class="box">'
        + _button("enrol-passkey", "Register a passkey", "패스키 등록", main=True)
        + _button("enrol-password", "Set a password", "비밀번호 설정")
        + '</div><form id="set" hidden><p>'
        + _both("Scan this with your authenticator app, then enter its code.", _AUTHENTICATOR)
        + '</p><img id="image" alt="QR code"><p>'
        + _both("Or type it in, or open it:", "직접 입력하거나 아래 주소를 열 수도 있습니다.")
        + '</p><pre id="shown"></pre>'
        + _field("new", "New password, 12 characters or more", _NEW, "password", "new-password")
        + _field("first", "Code of your authenticator", "인증 앱의 코드", "text", "one-time-code")
        + f"<button>{_both('Set the password', '비밀번호 저장')}</button></form>"
        '<div id="recovery" hidden><p>'
        + _both("Keep these codes. Each works once in place of your authenticator.", _RECOVERY)
        + '</p><pre id="codes"></pre><p>'
        + _both("Then sign in with your authenticator's next code: each works once.", _NEXT)
        + "</p></div></section>"
    )


def _signed_in() -> str:
    return (
        f'<section id="signed-in" hidden><h1>{_both("Signed in", "로그인되었습니다")}</h1>'
        '<p id="me"></p><div class="box">'
        + _button("sign-out", "Sign out", "로그아웃")
        + "</div></section>"
    )


_ONCE: Final = "앞으로 쓸 로그인 방법을 정해 주세요. 이 주소는 한 번만 쓸 수 있습니다."
_AUTHENTICATOR: Final = "인증 앱으로 QR 코드를 찍은 뒤 앱에 나타난 코드를 입력하세요."
_EACH: Final = "코드는 한 번씩만 쓸 수 있습니다. 방금 썼다면 다음 코드를 기다리세요."
_NEXT: Final = "이제 인증 앱에 다음 코드가 나타나면 로그인하세요. 코드는 한 번씩만 쓸 수 있습니다."
_NEW: Final = "새 비밀번호(12자 이상)"
_RECOVERY: Final = (
    "복구 코드입니다. 인증 앱을 쓸 수 없을 때 하나씩 한 번만 쓸 수 있으니 잘 보관하세요."
)


def _both(english: str, korean: str) -> str:
    return (
        f'<span class="both"><span lang="en">{english}</span><span lang="ko">{korean}</span></span>'
    )


def _button(name: str, english: str, korean: str, *, main: bool = False) -> str:
    kind = ' class="main"' if main else ""
    return f'<button type="button" id="{name}"{kind}>{_both(english, korean)}</button>'


def _field(name: str, english: str, korean: str, kind: str, complete: str) -> str:
    return (
        f'<label>{_both(english, korean)}<input id="{name}" type="{kind}" required '
        f'autocomplete="{complete}"></label>'
    )
