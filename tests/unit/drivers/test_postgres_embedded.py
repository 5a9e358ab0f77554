"""The embedded server: starts, stops, dies with its parent, recovers, lets nobody else in."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from bailee.drivers.postgres.engine import connector, migrate
from bailee.drivers.postgres_embedded import EmbeddedPostgres
from bailee.drivers.postgres_embedded.initialise import ROLES, SERVING_ROLES, run_single_user
from bailee.drivers.postgres_embedded.places import SOCKET_NAME, server_user, socket_folder
from bailee.drivers.system.clock import SystemClock
from bailee.drivers.system.randomness import SystemRandomness
from bailee.kernel.errors import Conflict, InvalidInput, Unavailable

CLOCK = SystemClock()


def embedded(data: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(data, CLOCK, SystemRandomness())


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data folder whose server every test starts and leaves stopped or killed."""
    folder = Path(tempfile.mkdtemp(prefix="bailee-test-"))
    (folder / "keyring").mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


async def values(server: EmbeddedPostgres) -> list[int]:
    connection = await connector(server.url(), None)()
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (value int)")
        return [row["value"] for row in await connection.fetch("SELECT value FROM kept ORDER BY 1")]
    finally:
        await connection.close()


def is_running(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return fields[0] != "Z"


def user_of(pid: int | None) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def parent_of_a_server(data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", _PARENT, str(data)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def bystander() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sleep", "60"])


async def gone(pid: int) -> None:
    """Wait until a process that is not a child of this one has ended."""
    deadline_s = CLOCK.monotonic_s() + 20
    while is_running(pid):
        assert CLOCK.monotonic_s() < deadline_s
        await CLOCK.sleep_s(0.01)


async def test_serves_its_roles_on_its_socket_alone(data: Path) -> None:
    server = embedded(data)
    await server.start()
    try:
        assert server.exit_status() is None
        connection = await connector(server.url("bailee_gateway"), None)()
        assert await connection.fetchval("SELECT current_user") == "bailee_gateway"
        for name, expected in (
            ("listen_addresses", ""),
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("password_encryption", "scram-sha-256"),
        ):
            assert await connection.fetchval("SELECT current_setting($1)", name) == expected
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await connector(server.url().set(password="guess"), None)()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await connector(server.url().set(username="postgres"), None)()
        assert "password" not in repr(server.url()).replace(":***@", "")
    finally:
        await server.stop()
    assert not (socket_folder(data) / SOCKET_NAME).exists()


async def test_files_of_others_stay_closed_to_the_server(data: Path) -> None:
    server = embedded(data)
    await server.start()
    uid = user_of(server.pid)
    await server.stop()
    assert mode(data / "postgres") == 0o700
    assert mode(data / "keyring") == 0o700
    assert mode(data / "secrets") == 0o700
    assert {mode(data / "secrets" / f"postgres-{role}") for role in ROLES} == {0o600}
    if os.geteuid() == 0:
        assert uid != 0
        assert mode(data) == 0o711
        assert any("bailee-postgres" in line for line in server.announcements)
    else:
        assert uid == os.geteuid()
        assert mode(data) == 0o700


async def test_killed_in_a_transaction_keeps_what_was_committed_alone(data: Path) -> None:
    server = embedded(data)
    await server.start()
    assert await values(server) == []
    committed = await connector(server.url(), None)()
    await committed.execute("INSERT INTO kept VALUES (1)")
    open_one = await connector(server.url(), None)()
    await open_one.execute("BEGIN; INSERT INTO kept VALUES (2)")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.exit_status() is None:
        await CLOCK.sleep_s(0.01)
    assert server.exit_status() == -signal.SIGKILL
    for connection in (committed, open_one):
        connection.terminate()
    await server.start()
    assert await values(server) == [1]
    await server.stop()


_PARENT = """
import asyncio, sys
from pathlib import Path
from bailee.drivers.postgres_embedded import EmbeddedPostgres
from bailee.drivers.system.clock import SystemClock
from bailee.drivers.system.randomness import SystemRandomness
async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]), SystemClock(), SystemRandomness())
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_ends_with_a_parent_that_is_killed(data: Path) -> None:
    with parent_of_a_server(data) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        with pytest.raises(Conflict, match="Another process"):
            await embedded(data).start()
        parent.kill()
    # At once, without waiting for the orphan to end by itself.
    server = embedded(data)
    await server.start()
    await gone(pid)
    assert await values(server) == [1]
    await server.stop()


async def test_lock_file_left_by_a_restart_of_the_machine_is_no_obstacle(data: Path) -> None:
    """Its process number belongs to somebody else now, who is left alone."""
    with bystander() as other:
        lines = [str(other.pid), str(data / "postgres"), "1", "5432", "", "", "1 1", "ready"]
        (data / "postgres" / "postmaster.pid").write_text("\n".join(lines))
        server = embedded(data)
        await server.start()
        assert other.poll() is None
        assert await values(server) == [1]
        await server.stop()
        other.kill()


async def test_lock_files_that_a_kill_left_empty_are_no_obstacle(data: Path) -> None:
    """Both are made first and written then; a server that dies in between leaves them empty."""
    before = embedded(data)
    await before.start()
    found = await values(before)
    await before.stop()
    (data / "postgres" / "postmaster.pid").touch()
    (socket_folder(data) / f"{SOCKET_NAME}.lock").touch()
    server = embedded(data)
    await server.start()
    assert await values(server) == found
    await server.stop()


async def test_lost_password_is_replaced(data: Path) -> None:
    (data / "secrets" / "postgres-bailee_clerk").unlink()
    server = embedded(data)
    await server.start()
    await (await connector(server.url("bailee_clerk"), None)()).close()
    assert await values(server) == [1]
    await server.stop()


async def test_initialisation_that_was_cut_off_begins_again() -> None:
    folder = Path(tempfile.mkdtemp(prefix="bailee-test-"))
    (folder / "postgres.new" / "base").mkdir(parents=True)
    server = embedded(folder)
    try:
        await server.start()
        assert (await values(server)) == []
    finally:
        await server.stop()
        shutil.rmtree(folder)


async def test_one_login_takes_the_role_of_every_process() -> None:
    """As on a server of the operator's own, where the migrations make the roles."""
    folder = Path(tempfile.mkdtemp(prefix="bailee-test-"))
    server = embedded(folder)
    try:
        await server.start()
        await server.stop()
        drop = [f"DROP ROLE {role}" for role in SERVING_ROLES]
        run_single_user(folder / "postgres", server_user(), drop)
        await server.start()
        assert await migrate(server.url()) is True
        for role in SERVING_ROLES:
            connection = await connector(server.url(), role)()
            assert await connection.fetchval("SELECT current_user") == role
            assert await connection.fetch("SELECT * FROM projects") == []
            await connection.close()
    finally:
        await server.stop()
        shutil.rmtree(folder)


async def test_folder_of_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(InvalidInput, match=r"written by PostgreSQL 17 .* is PostgreSQL 18"):
        await embedded(tmp_path).start()


async def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    with pytest.raises(InvalidInput, match="not a PostgreSQL folder"):
        await embedded(tmp_path).start()


def test_long_path_has_its_socket_in_a_short_folder(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    found = socket_folder(long)
    assert found == socket_folder(long)
    assert found != socket_folder(tmp_path / ("x" * 101))
    assert len(os.fsencode(found / SOCKET_NAME)) <= 107
    assert socket_folder(Path("/data")) == Path("/data/run/postgres")


async def test_server_with_a_long_path_is_reached() -> None:
    folder = Path(tempfile.mkdtemp(prefix="bailee-test-")) / ("x" * 100)
    server = embedded(folder)
    try:
        await server.start()
        await (await connector(server.url(), None)()).close()
    finally:
        await server.stop()
        shutil.rmtree(folder.parent)
        shutil.rmtree(socket_folder(folder))


def test_url_of_a_server_that_never_was(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        embedded(tmp_path).url()


async def test_stop_without_start_is_harmless(tmp_path: Path) -> None:
    await asyncio.wait_for(embedded(tmp_path).stop(), 5)
