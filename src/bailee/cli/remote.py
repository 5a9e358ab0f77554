"""Commands that people give over the API: whoever gives them is who the server says they are.

The server is the one that this data folder's installation announced, or `OPENAI_BASE_URL`; the
credential is `OPENAI_ADMIN_KEY`, or else the session of `bailee login`. Somebody with a house role
chooses an organisation with `--organisation`, or `OPENAI_ORG_ID`. A refusal becomes the error of
its kind, with the server's words, and what they mean for whoever gives commands.
"""

import http.client
import json
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from bailee.cli.env import base_address
from bailee.cli.session_file import kept_token, session_file
from bailee.cli.status_files import announced_address
from bailee.kernel.errors import (
    BaileeError,
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Unavailable,
)

if TYPE_CHECKING:
    from bailee.settings import Settings

_TIMEOUT_S: Final = 120.0
_PAGE: Final = "100"
_KINDS: Final[Mapping[int, type[BaileeError]]] = {
    400: InvalidInput,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: InvalidInput,
}
_BY_CODE: Final = {
    "sign_in_again": "Here: `bailee login --again`, then the same command.",
    "mismatched_organization": "Here: `--organisation` (or OPENAI_ORG_ID) names one that is not"
    " there, or in which you may do nothing; `bailee whoami` shows yours.",
}
_ADMIN_KEY: Final = "OPENAI_ADMIN_KEY"
KEY_ACTS: Final = f"{_ADMIN_KEY} is set, and other commands act with that key"
_ANOTHERS: Final = "Another organisation's is named with `--organisation org_…`."


class Remote:
    """The API of one installation, for one bearer."""

    def __init__(
        self,
        address: str,
        bundle: Path | None,
        credential: str,
        organisation: str = "",
        *,
        hints: Mapping[type[BaileeError], str] | None = None,
    ) -> None:
        """`hints`: what commands add to a refusal of a kind."""
        self._organisation = organisation
        self._hints = hints or {}
        self._address = urlsplit(address)
        self._bundle = bundle
        self._credential = credential

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask; gives the answer's JSON. `path` as in `/bailee/v1/access`.

        Raises:
            InvalidInput, Forbidden, NotFound, Conflict: as the server says.
            Unavailable: it cannot be reached, or something behind it is away.
        """
        status, answer = self.raw(method, path, body, query=query)
        try:
            document = json.loads(answer) if answer else None
        except ValueError:
            raise Unavailable(f"the server's answer ({status}) is not JSON") from None
        if status < 400:
            return document
        raise _refusal(status, document, self._hints)

    def every(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """All of a list, page by page. Raises as `call`."""
        asked, found = {**(query or {}), "limit": _PAGE}, []
        while True:
            page = self.call("GET", path, query=asked)
            found += page["data"]
            if not page["has_more"]:
                return found
            asked["after"] = page["last_id"]

    def file(self, path: str) -> bytes:
        """Ask for a file. Raises as `call`."""
        status, answer = self.raw("GET", path)
        if status < 400:
            return answer
        try:
            document = json.loads(answer)
        except ValueError:
            document = None
        raise _refusal(status, document, self._hints)

    def raw(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Ask; gives status and body as they are. Raises Unavailable."""
        bundle = None if self._bundle is None else str(self._bundle)
        headers = {"authorization": f"Bearer {self._credential}"} if self._credential else {}
        if self._organisation:
            headers["openai-organization"] = self._organisation
        if body is not None:
            headers["content-type"] = "application/json"
        target = path + (f"?{urlencode(query)}" if query else "")
        connection = http.client.HTTPSConnection(
            self._address.hostname or "localhost",
            self._address.port,
            context=ssl.create_default_context(cafile=bundle),
            timeout=_TIMEOUT_S,
        )
        try:
            sent = None if body is None else json.dumps(body).encode()
            connection.request(method, target, sent, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"no answer from {self._address.netloc}; is the installation running?"
            ) from error
        finally:
            connection.close()


def key_acts() -> bool:
    """Whether commands act with an admin key, whoever is signed in."""
    from bailee.drivers.system import environment

    return bool(environment().get(_ADMIN_KEY))


def remote(
    settings: "Settings",
    organisation: str | None = None,
    *,
    session_alone: bool = False,
    of_organisations: bool = True,
) -> Remote:
    """The installation of these settings, for whoever's credential is at hand.

    `organisation` (org_…) is the one to act in, by default the bearer's own. `session_alone`: for
    the session of `bailee login`, whatever else there is. `of_organisations`: what the command
    names belongs to an organisation, so that another's can be meant.

    Raises:
        Forbidden: there is no credential.
    """
    from bailee.drivers.system import environment

    variables = environment()
    credential = "" if session_alone else variables.get(_ADMIN_KEY, "")
    session = "" if credential else kept_token(*session_place(settings)) or ""
    credential = credential or session
    if not credential and session_alone:
        told = f"; {KEY_ACTS}" if key_acts() else ""
        raise Forbidden(f"nobody is signed in here: `bailee login` does that{told}")
    if not credential:
        raise Forbidden(
            "this command acts for you over the API: sign in with `bailee login`, or set"
            " OPENAI_ADMIN_KEY to an admin key (`bailee admin bootstrap` makes the first)"
        )
    chosen = organisation or variables.get("OPENAI_ORG_ID", "")
    hints: dict[type[BaileeError], str] | None
    hints = {NotFound: _ANOTHERS} if session and of_organisations and not chosen else None
    return server(settings, credential, chosen, hints=hints)


def server(
    settings: "Settings",
    credential: str = "",
    organisation: str = "",
    *,
    hints: Mapping[type[BaileeError], str] | None = None,
) -> Remote:
    """The installation of these settings, for nobody in particular by default."""
    _tell_where(settings)
    bundle = settings.data_folder / "tls" / "bundle.pem"
    known = bundle if bundle.is_file() else None
    return Remote(_address(settings), known, credential, organisation, hints=hints)


def session_place(settings: "Settings") -> tuple[Path, str]:
    """The file that keeps sessions, and the address under which this installation's is."""
    from bailee.drivers.system import environment

    return session_file(environment()), _address(settings)


def _address(settings: "Settings") -> str:
    from bailee.drivers.system import environment

    announced = announced_address(settings.data_folder / "run")
    given = environment().get("OPENAI_BASE_URL", "").removesuffix("/").removesuffix("/v1")
    return announced or given or base_address(settings)


def _tell_where(settings: "Settings") -> None:
    """Say so where a data folder's installation is meant although the environment names another."""
    from bailee.drivers.system import environment

    given = environment().get("OPENAI_BASE_URL", "").removesuffix("/").removesuffix("/v1")
    address = _address(settings)
    if given and given != address:
        print(
            f"bailee: asking {address}, the installation of {settings.data_folder}, and not"
            " OPENAI_BASE_URL; for that one name a data folder without an installation (--data)",
            file=sys.stderr,
        )


def _refusal(
    status: int, document: Any, hints: Mapping[type[BaileeError], str] | None = None
) -> BaileeError:
    code = None
    try:
        message, code = str(document["error"]["message"]), document["error"].get("code")
    except (AttributeError, KeyError, TypeError):
        message = f"the server answered {status}"
    kind = _KINDS.get(status, Unavailable)
    added = _BY_CODE.get(code or "") or (hints or {}).get(kind)
    return kind(f"{message} {added}" if added else message)
