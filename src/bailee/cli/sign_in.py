"""`bailee login`, `logout` and `whoami`: a person's session on this machine."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings
from bailee.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from bailee.settings import Settings


def login(
    email: Annotated[str | None, typer.Option(help="Your address; default: you are asked.")] = None,
    organisation: Annotated[
        str | None,
        typer.Option(help="Your organisation (org_…), if your address belongs to several."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Make the session fresh that there is.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign in with a password and the code of your authenticator, or a recovery code.

    Each code works once: one that you gave when you enrolled, or a moment ago, is refused until
    the next. You are asked for both; a program gives them on standard input, a line each. The
    session is kept in a file that only you can read, and used where OPENAI_ADMIN_KEY is not set.

    Example: bailee login --email ada@example.com
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote, server, session_place
    from bailee.cli.session_file import keep_token

    settings = load_settings(config, data, assignments).settings
    if again:
        body = dict(zip(("password", "code"), _secrets(), strict=True))
        session = remote(settings, session_alone=True).call(
            "POST", "/bailee/v1/sign_in/again/password", body
        )
    else:
        email = email or _asked("E-mail address")
        password, code = _secrets()
        body = {"email": email, "password": password, "code": code}
        if organisation is not None:
            body["organization"] = organisation
        session = server(settings).call("POST", "/bailee/v1/sign_in/password", body)
        file, address = session_place(settings)
        keep_token(file, address, session.pop("token"))
    if as_json:
        print_json(session)
    else:
        print(_said(session))


def logout(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """End the session of `bailee login`, here and at the server.

    Example: bailee logout
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import remote, session_place
    from bailee.cli.session_file import keep_token
    from bailee.kernel.errors import Forbidden

    settings = load_settings(config, data, assignments).settings
    ended = True
    try:
        remote(settings, session_alone=True).call("DELETE", "/bailee/v1/sessions/current")
    except Forbidden:
        ended = False
    file, address = session_place(settings)
    keep_token(file, address, None)
    if as_json:
        print_json({"ended": ended})
    else:
        print("signed out" if ended else "there was no session that lasts")


def whoami(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say who is signed in, in which organisation and with which roles.

    Commands act as this person, unless OPENAI_ADMIN_KEY is set: then with that key.

    Example: bailee whoami --json
    """
    from bailee.cli.output import print_json
    from bailee.cli.remote import KEY_ACTS, key_acts

    session = _current(load_settings(config, data, assignments).settings)
    if as_json:
        print_json(session)
    else:
        print(_said(session))
        if key_acts():
            print(KEY_ACTS, file=sys.stderr)


def _current(settings: "Settings") -> Any:
    from bailee.cli.remote import remote

    return remote(settings, session_alone=True).call("GET", "/bailee/v1/sessions/current")


def _secrets() -> tuple[str, str]:
    return _asked("Password", hidden=True), _asked("Code (each works once)")


def _asked(what: str, *, hidden: bool = False) -> str:
    if sys.stdin.isatty():
        answer: str = typer.prompt(what, hide_input=hidden, err=True)
    else:
        answer = sys.stdin.readline().rstrip("\r\n")
    if not answer:
        raise InvalidInput(f"{what}: nothing was given, so nothing was sent")
    return answer


def _said(session: Any) -> str:
    roles = ", ".join(session["roles"]) or "no role"
    return (
        f"{session['name']} <{session['email']}> of {session['organization_name']} "
        f"({session['organization']}): {roles}"
    )
