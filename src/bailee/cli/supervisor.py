"""Starts child processes in order, watches them, restarts them, and stops them in reverse order.

Promises: a stage starts when every awaited child of the stages before it is ready; a child that
ends is started again, after a growing pause if it did not serve for long, and one that keeps ending
is called a crash loop in so many words; the first stop request ends the stages in reverse order,
the second kills what is left; children do not outlive the supervisor, even one that is killed
(`cli.lifeline`).

It knows nothing of what the children do. Their output goes to one file each. A start that fails
before everything was ready once stops everything and raises.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from bailee.cli import lifeline
from bailee.cli.handover import Handover
from bailee.kernel.errors import BaileeError, Unavailable
from bailee.ports.clock import Clock

PROBE_INTERVAL_S: Final = 0.05
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
SETTLED_S: Final = 0.25
"""A child that has served for this long is started again without a growing pause."""
CRASH_WINDOW_S: Final = 60.0
CRASH_LOOP_COUNT: Final = 5
START_ATTEMPTS: Final = 3
SAME_REQUEST_S: Final = 0.5
LOG_SIZE_BYTES: Final = 32 << 20
LOG_CHECK_INTERVAL_S: Final = 60.0
_LOG_TAIL_BYTES: Final = 2000


class ChildProcess(NamedTuple):
    """One process to keep running."""

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], Awaitable[str | None]]
    """Tells why the process cannot serve yet; None when it can. OSError counts as not yet."""
    stage: int
    """Children of a lower stage start earlier."""
    stop_stage: int | None = None
    """Children of a higher stage stop earlier; None: as they started."""
    awaited: bool = True
    """Whether the next stage, and readiness as a whole, wait for this one."""
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    stop_signal: signal.Signals = signal.SIGTERM
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the child gets when the supervisor dies: everything here recovers from a kill."""
    handover: Callable[[], Handover] | None = None
    """Makes what is written to the child's standard input, anew at every start."""
    descriptors: tuple[int, ...] = ()
    """File descriptors that the child inherits under the same numbers."""


class Event(NamedTuple):
    """Something that an operator may want to see."""

    child: str
    kind: Literal[
        "starting", "ready", "ended", "restarting", "crash_loop", "stopping", "stopped", "killed"
    ]
    detail: str = ""
    seconds: float = 0.0
    """How long it took (`ready`, `stopped`), or the pause (`restarting`)."""


@dataclass(slots=True)
class _Watched:
    child: ChildProcess
    was_ready: asyncio.Event
    process: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = None
    served_s: float = 0.0
    """How long the life that ended last was ready."""


class Supervisor:
    """Keeps `children` running from `run` until a stop is requested."""

    def __init__(
        self,
        children: Sequence[ChildProcess],
        *,
        clock: Clock,
        log_folder: Path,
        tell: Callable[[Event], None],
    ) -> None:
        self._watched = [_Watched(child, asyncio.Event()) for child in children]
        self._clock = clock
        self._log_folder = log_folder
        self._tell = tell
        self._stop = asyncio.Event()
        self._force = asyncio.Event()
        self._failure: str | None = None
        self._asked_at_s: float | None = None

    def add(self, *children: ChildProcess) -> None:
        """More children, before `run`: for those whose readiness asks for `process_id`."""
        self._watched.extend(_Watched(child, asyncio.Event()) for child in children)

    def request_stop(self) -> None:
        """Stop in order; when called again later, at once.

        One key press may arrive as two signals (`timeout`, a service manager and its shell): what
        follows within half a second is the same request.
        """
        now = self._clock.monotonic_s()
        if self._asked_at_s is None:
            self._asked_at_s = now
        elif now - self._asked_at_s >= SAME_REQUEST_S:
            self._force.set()
        self._stop.set()

    async def run(self, on_ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Start everything, call `on_ready` when every awaited child is ready, keep it running.

        Returns after a requested stop (`request_stop`, SIGINT, SIGTERM).

        Raises:
            Unavailable: if a child could not be started; everything has been stopped again.
        """
        self._log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.request_stop)
        try:
            if await self._start_stages() and on_ready is not None:
                await on_ready()
            await self._trim_logs()
        finally:
            self._stop.set()
            await self._stop_stages()
            for number in signals:
                loop.remove_signal_handler(number)
        if self._failure is not None:
            raise Unavailable(self._failure)

    def process_id(self, name: str) -> int | None:
        """The process number of a running child; None while it is not running."""
        for watched in self._watched:
            process = watched.process
            if watched.child.name == name and process is not None and process.returncode is None:
                return process.pid
        return None

    async def _trim_logs(self) -> None:
        """Keep log files small until a stop is requested."""
        while not self._stop.is_set():
            for watched in self._watched:
                _trim(self._log_folder / f"{watched.child.name}.log")
            await self._either(self._clock.sleep_s(LOG_CHECK_INTERVAL_S), self._stop.wait())

    async def _start_stages(self) -> bool:
        for stage in sorted({watched.child.stage for watched in self._watched}):
            members = [watched for watched in self._watched if watched.child.stage == stage]
            for watched in members:
                watched.task = asyncio.create_task(self._keep(watched))
            for watched in members:
                if watched.child.awaited:
                    await self._either(watched.was_ready.wait(), self._stop.wait())
            if self._stop.is_set():
                return False
        return True

    async def _stop_stages(self) -> None:
        for stage in sorted(
            {_stop_stage(watched.child) for watched in self._watched}, reverse=True
        ):
            members = [one for one in self._watched if _stop_stage(one.child) == stage]
            await asyncio.gather(*(self._end(watched) for watched in members))
        tasks = [watched.task for watched in self._watched if watched.task is not None]
        await asyncio.gather(*tasks)

    async def _keep(self, watched: _Watched) -> None:
        """Run one child again and again until a stop is requested."""
        child = watched.child
        ends: list[float] = []
        quick = 0
        while not self._stop.is_set():
            why = await self._one_life(watched)
            if self._stop.is_set():
                return
            now = self._clock.monotonic_s()
            ends = [end for end in ends if now - end < CRASH_WINDOW_S] + [now]
            self._tell(Event(child.name, "ended", why))
            if child.awaited and not watched.was_ready.is_set() and len(ends) >= START_ATTEMPTS:
                self._give_up(child, why)
                return
            if len(ends) == CRASH_LOOP_COUNT:
                said = f"it ended {len(ends)} times within {CRASH_WINDOW_S:.0f} s, lastly: {why}"
                self._tell(Event(child.name, "crash_loop", said + self._where_to_look(child)))
            # Only a child that ends as soon as it serves is kept waiting: nobody gains from a pause
            # after a single mishap, however often those come.
            quick = 0 if watched.served_s >= SETTLED_S else quick + 1
            pause = min(FIRST_PAUSE_S * 2 ** max(quick - 1, 0), LONGEST_PAUSE_S)
            self._tell(Event(child.name, "restarting", seconds=pause))
            await self._either(self._clock.sleep_s(pause), self._stop.wait())

    def _give_up(self, child: ChildProcess, why: str) -> None:
        said = f"{child.name} could not be started: {why}{self._where_to_look(child)}"
        self._failure = self._failure or said
        self._stop.set()

    def _where_to_look(self, child: ChildProcess) -> str:
        tail = last_lines(self._log_folder / f"{child.name}.log")
        return f"; its log {self._log_folder / child.name}.log ends:\n{tail}" if tail else ""

    async def _one_life(self, watched: _Watched) -> str:
        """Start the child, wait until it is ready, then until it ends; tells how it ended."""
        child = watched.child
        watched.served_s = 0.0
        began = self._clock.monotonic_s()
        self._tell(Event(child.name, "starting"))
        try:
            process = watched.process = await self._spawn(child)
        except OSError as error:
            return f"{child.argv[0]} cannot be executed ({error.strerror})"
        if self._stop.is_set():  # asked for while the child was being started
            _signal_group(process, signal.SIGKILL)
        ended = asyncio.ensure_future(process.wait())
        if await self._becomes_ready(child, ended):
            self._tell(Event(child.name, "ready", seconds=self._clock.monotonic_s() - began))
            watched.was_ready.set()
            ready_s = self._clock.monotonic_s()
            await ended
            watched.served_s = self._clock.monotonic_s() - ready_s
        elif not ended.done() and not self._stop.is_set():
            _signal_group(process, signal.SIGKILL)
            await ended
            return f"it was not ready within {child.ready_timeout_s:g} s"
        else:
            await ended
        _signal_group(process, signal.SIGKILL)
        return _how_it_ended(process.returncode)

    async def _spawn(self, child: ChildProcess) -> asyncio.subprocess.Process:
        bound = (sys.executable, "-I", "-S", lifeline.__file__, str(os.getpid()))
        with _opened_log(self._log_folder / f"{child.name}.log") as log:
            process = await asyncio.create_subprocess_exec(
                *bound,
                str(int(child.orphan_signal)),
                *child.argv,
                stdin=asyncio.subprocess.PIPE if child.handover else asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=child.descriptors,
                start_new_session=True,
            )
        if child.handover and process.stdin:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                process.stdin.write(child.handover().encoded())
                await process.stdin.drain()
            process.stdin.close()
        return process

    async def _becomes_ready(self, child: ChildProcess, ended: asyncio.Future[int]) -> bool:
        deadline = self._clock.monotonic_s() + child.ready_timeout_s
        while not ended.done() and self._clock.monotonic_s() < deadline:
            with contextlib.suppress(OSError, BaileeError):
                if await child.ready() is None:
                    return True
            if self._stop.is_set():
                return False
            await self._either(self._clock.sleep_s(PROBE_INTERVAL_S), asyncio.shield(ended))
        return False

    async def _end(self, watched: _Watched) -> None:
        process, child = watched.process, watched.child
        if process is None or process.returncode is not None:
            return
        began = self._clock.monotonic_s()
        self._tell(Event(child.name, "stopping"))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(child.stop_signal)
        ended = asyncio.ensure_future(process.wait())
        timeout = asyncio.ensure_future(self._clock.sleep_s(child.stop_timeout_s))
        await self._either(asyncio.shield(ended), timeout, self._force.wait())
        killed = not ended.done()
        _signal_group(process, signal.SIGKILL)
        await ended
        seconds = self._clock.monotonic_s() - began
        if killed:
            why = "forced" if self._force.is_set() else f"not ended in {child.stop_timeout_s:g} s"
            self._tell(Event(child.name, "killed", why, seconds))
        else:
            as_asked = process.returncode in (0, -child.stop_signal)
            why = "" if as_asked else _how_it_ended(process.returncode)
            self._tell(Event(child.name, "stopped", why, seconds))

    async def _either(self, *awaitables: Awaitable[object]) -> None:
        """Wait for the first of them; the others are cancelled."""
        tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _stop_stage(child: ChildProcess) -> int:
    return child.stage if child.stop_stage is None else child.stop_stage


def last_lines(log: Path) -> str:
    """The last few lines of a log file, indented; empty if there are none."""
    with contextlib.suppress(OSError), log.open("rb") as stream:
        stream.seek(max(stream.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES, 0))
        lines = stream.read().decode(errors="replace").splitlines()[-5:]
        return "\n".join(f"    {line}" for line in lines)
    return ""


@contextlib.contextmanager
def _opened_log(path: Path) -> Iterator[int]:
    """Open for appending, readable by this user alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _trim(path: Path) -> None:
    """Copy a log that has grown large to `….log.1` and empty it where it lies.

    Its writer appends and goes on undisturbed; lines written in between may be lost.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size > LOG_SIZE_BYTES:
            shutil.copy2(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)


def _signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signal the child's whole process group: nothing that it started is left behind."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "it ended"
    if code < 0:
        return f"it was killed by {signal.Signals(-code).name}"
    return f"it ended with status {code}"
