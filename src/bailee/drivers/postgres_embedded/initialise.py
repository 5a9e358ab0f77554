"""Making the embedded server's folder, and its roles, without the server running.

The folder is made beside its place and renamed into it when it is complete, so that a crash leaves
nothing that looks like a database. Roles are set in single-user mode: no password of a superuser
exists anywhere.
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bailee.drivers.postgres_embedded.places import ServerUser, binaries, make_folder
from bailee.drivers.postgres_embedded.settings import HOST_BASED_ACCESS, SETTINGS, as_arguments
from bailee.kernel.errors import Unavailable

DATABASE: Final = "bailee"
OWNER_ROLE: Final = "bailee_owner"
SERVING_ROLES: Final = ("bailee_gateway", "bailee_clerk", "bailee_administrator")
ROLES: Final = (OWNER_ROLE, *SERVING_ROLES)

_TIMEOUT_S: Final = 60.0


def initialise(folder: Path, owner: ServerUser | None, passwords: dict[str, str]) -> None:
    """Make the server's folder with the database `bailee` and its roles in it.

    Raises:
        Unavailable: the server's tools failed; the message tells where to look.
    """
    new = folder.with_name(folder.name + ".new")
    if new.exists():
        shutil.rmtree(new)
    make_folder(new, owner, 0o700)
    _run(
        [
            str(binaries() / "initdb"),
            f"--pgdata={new}",
            "--username=postgres",
            "--auth=reject",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--no-instructions",
        ],
        owner,
    )
    with (new / "pg_hba.conf").open("w") as file:
        file.write(HOST_BASED_ACCESS)
        file.flush()
        os.fsync(file.fileno())
    set_roles(new, owner, passwords)
    run_single_user(new, owner, [f"CREATE DATABASE {DATABASE} OWNER {OWNER_ROLE}"])
    # The tools have synced what they wrote: everything is on disk before it has its name.
    _sync_folder(new)
    new.rename(folder)
    _sync_folder(folder.parent)


def set_roles(folder: Path, owner: ServerUser | None, passwords: dict[str, str]) -> None:
    """Make the roles that are missing and give all of them these passwords (URL-safe text)."""
    statements = []
    for role in ROLES:
        statements.append(
            f"DO $$ BEGIN IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role}; END IF; END $$"
        )
        statements.append(
            f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS LOGIN PASSWORD '{passwords[role]}'"
        )
    statements.append(f"ALTER ROLE {OWNER_ROLE} CREATEROLE")
    run_single_user(folder, owner, statements, secrets=tuple(passwords.values()))


def run_single_user(
    folder: Path,
    owner: ServerUser | None,
    statements: list[str],
    *,
    secrets: tuple[str, ...] = (),
) -> None:
    """Run statements as the superuser while no server runs. Each is one line.

    `secrets` are taken out of whatever is said of a failure.

    Raises:
        Unavailable: a statement failed, or a server runs.
    """
    command = [str(binaries() / "postgres"), "--single", "-D", str(folder)]
    command += as_arguments(SETTINGS | {"exit_on_error": "on"})
    script = "".join(f"{statement};\n" for statement in statements)
    _run([*command, "postgres"], owner, script, secrets)


def _run(
    command: list[str],
    owner: ServerUser | None,
    standard_input: str = "",
    secrets: tuple[str, ...] = (),
) -> None:
    finished = subprocess.run(
        command,
        input=standard_input.encode(),
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
        cwd="/",
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"},
        user=None if owner is None else owner.uid,
        group=None if owner is None else owner.gid,
        extra_groups=None if owner is None else [],
        umask=0o077,
    )
    if finished.returncode != 0:
        raise Unavailable(
            f"The embedded PostgreSQL could not be prepared: {Path(command[0]).name} ended with"
            f" status {finished.returncode}. Check that the data folder's disk has space and that"
            " no other server uses the folder." + _last_words(finished.stderr, secrets)
        )


def _last_words(printed: bytes, secrets: tuple[str, ...]) -> str:
    text = printed.decode(errors="replace").strip()
    # An error can quote the statement that failed, with a password in it.
    for secret in secrets:
        text = text.replace(secret, "…")
    return f" It said last: {' / '.join(text.splitlines()[-3:])}" if text else ""


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
