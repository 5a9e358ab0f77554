"""Doctor's checks of the installation: port, permissions, certificates, database, model, links."""

import asyncio
import hashlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bailee.cli.findings import Finding, ok, problem, warning
from bailee.cli.listening import asked_ports, trouble
from bailee.cli.status_files import announced_address, serves
from bailee.kernel.errors import BaileeError, InvalidInput
from bailee.kernel.instants import DAY_MS, Instant, to_rfc3339
from bailee.settings import Settings

_PRIVATE_FOLDERS: Final = ("keyring", "secrets", "tls", "journals", "run", "logs", "postgres")
_RENEWED_BEFORE_MS: Final = 30 * DAY_MS


def _served(data_folder: Path) -> Finding:
    """A running installation listens where it said that it does."""
    address = announced_address(data_folder / "run")
    if address is None:
        return warning("port", "the installation is starting", "ask again when it serves")
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 443), 2).close()
    except OSError:
        return problem(
            "port",
            f"nothing listens at {address}",
            "look into logs/gateway-0.log and logs/serve.log",
        )
    return ok("port", f"this installation serves at {address}")


def there(data_folder: Path) -> Finding:
    """What is examined is an installation, and not an empty place beside one."""
    if (data_folder / "trust" / "trust.json").is_file():
        return ok("installation", f"its data folder is {data_folder}")
    return warning(
        "installation",
        f"there is none in {data_folder}; what follows is about one that would be begun there",
        "name another with --data, or ask where its bailee.toml is; `bailee serve` begins one",
    )


def port(settings: Settings) -> Finding:
    """The ports are free, or held by this installation."""
    if serves(settings.data_folder):
        return _served(settings.data_folder)
    server, names = settings.server, dict(asked_ports(settings))
    for name, number in names.items():
        why = trouble(server.host, number)
        if why is not None:
            return problem(
                "port",
                f"{server.host} port {number} cannot be used ({why})",
                f"stop what holds it, or choose another with server.host and {name}",
            )
    several = "ports" if len(names) > 1 else "port"
    numbers = " and ".join(map(str, names.values()))
    return ok("port", f"{server.host} {several} {numbers} {'are' if len(names) > 1 else 'is'} free")


def permissions(data_folder: Path) -> Finding:
    """Nobody else can read what is private."""
    if not data_folder.exists():
        return ok("permissions", f"{data_folder} will be made at the first start")
    passable = data_folder / "run"  # the embedded database's user goes through to its socket
    open_to_others = [
        path
        for path in _private(data_folder)
        if path.stat().st_mode & (0o066 if path == passable else 0o077)
    ]
    if open_to_others:
        names = ", ".join(str(path.relative_to(data_folder)) for path in open_to_others)
        return problem(
            "permissions",
            f"other users may reach {names}",
            f"run chmod -R go= on them, below {data_folder}",
        )
    if not os.access(data_folder, os.W_OK):
        return problem(
            "permissions", f"{data_folder} cannot be written", "run as the user who owns it"
        )
    return ok("permissions", "private folders and keys are this user's alone")


def _private(data_folder: Path) -> Iterator[Path]:
    for name in _PRIVATE_FOLDERS:
        folder = data_folder / name
        if folder.is_dir():
            yield folder
            if name in ("keyring", "secrets"):
                yield from (path for path in folder.rglob("*") if path.is_file())
    yield from (data_folder / "tls").glob("*-key.pem")


def certificate(settings: Settings, names: tuple[str, ...], now: Instant) -> Finding:
    """The server's certificate is valid, and for the names that are asked of it."""
    from bailee.drivers.certificates import describe

    supplied = settings.server.certificate_file
    file = supplied or settings.data_folder / "tls" / "server.pem"
    if supplied is None and not file.exists():
        return ok("certificate", "one will be made at the first start")
    try:
        said = describe(file)
    except InvalidInput as error:
        return problem("certificate", str(error), "name a PEM certificate, or remove it")
    until = to_rfc3339(said.expires_at)
    if said.expires_at <= now:
        return problem("certificate", f"it expired at {until}", _renewal(supplied))
    if said.expires_at - now < _RENEWED_BEFORE_MS:
        return warning("certificate", f"it expires at {until}", _renewal(supplied))
    missing = [name for name in names if name not in said.names]
    if missing:
        to_do = "restart: it is made again at start" if supplied is None else _renewal(supplied)
        return warning("certificate", f"it is not for {', '.join(missing)}", to_do)
    return ok("certificate", f"valid until {until} for {', '.join(said.names)}")


def _renewal(supplied: Path | None) -> str:
    return "restart: it is renewed at start" if supplied is None else f"renew {supplied}, restart"


def database(settings: Settings) -> Finding:
    """The database answers; an embedded one is there to be started."""
    if not settings.database.url and not serves(settings.data_folder):
        return ok("database", "the embedded PostgreSQL starts with `bailee serve`")
    from bailee.cli.administration import wiring

    where = settings.database.url.shown() or "the embedded PostgreSQL"
    try:
        return ok("database", f"{where} answers: {wiring().probe_database(settings)}")
    except BaileeError as error:
        return problem("database", f"{where} does not answer: {error}", "start it, or correct url")


def enforcement(settings: Settings) -> str | None:
    """How a running keeper says that others are kept from the keyring; None if it cannot."""
    if not serves(settings.data_folder):
        return None
    from bailee.cli.administration import wiring

    async def ask() -> str:
        async with wiring().administration(settings) as opened:
            return str((await opened.inspect_keyring())["enforcement"])

    try:
        return asyncio.run(ask())
    except BaileeError:
        return None


def model(settings: Settings) -> Finding:
    """The local model's weights are there and are the right ones."""
    if not settings.model.enabled:
        return ok("model", "the local model is off (model.enabled)")
    file = settings.model.file
    if not file.is_file():
        return problem(
            "model",
            f"{file} is not there",
            "run `make model`, name another GGUF with model.file, or set model.enabled=false",
        )
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != settings.model.sha256:
        return problem(
            "model",
            f"{file} has SHA-256 {digest}, which is not model.sha256",
            "fetch it again, or set model.sha256 if you trust this file",
        )
    return ok("model", f"{file.name} has the expected digest")


def roles(settings: Settings) -> Finding:
    """Somebody has looked at who holds which role in this quarter."""
    if not serves(settings.data_folder):
        return ok("roles", "looked at while the installation runs")
    from bailee.cli.administration import wiring

    async def ask() -> int:
        async with wiring().administration(settings) as opened:
            return await opened.overdue_roles()

    try:
        overdue = asyncio.run(ask())
    except BaileeError as error:
        return warning("roles", f"cannot be looked at: {error}", "ask again when it serves")
    if overdue:
        return warning(
            "roles",
            f"{overdue} roles were not confirmed in this quarter",
            "have owners and the privacy officer look at `bailee roles due`",
        )
    return ok("roles", "every role was confirmed in time")


def operator(settings: Settings) -> Finding:
    """Agreements can be counter-signed."""
    named = settings.agreements
    if named.operator_name:
        wanted = ("operator_address", "signatory_name", "signatory_title")
        unset = [f"agreements.{name}" for name in wanted if not getattr(named, name)]
        if unset:
            return warning(
                "agreements",
                f"{', '.join(unset)} unset, so that addenda cannot be counter-signed",
                "set who signs for the operator",
            )
        return ok("agreements", f"they are signed for {named.operator_name}")
    return warning(
        "agreements",
        "agreements.operator_name is unset, so that none can be counter-signed",
        "set [agreements], if customers are to sign any",
    )


def links(settings: Settings) -> Finding:
    """Readers of both languages can be sent somewhere."""
    unset = [
        f"links.{name}.{language}"
        for name in settings.links.__struct_fields__
        for language in ("english", "korean")
        if not getattr(getattr(settings.links, name), language)
    ]
    if unset:
        return warning(
            "links", f"{', '.join(unset)} unset", "set them before customers read the pages"
        )
    return ok("links", "every link is set in both languages")
