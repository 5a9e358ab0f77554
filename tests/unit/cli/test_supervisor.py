"""The supervisor with toy children: order, readiness, restarts, stopping, orphans."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bailee.cli.handover import Handover
from bailee.cli.supervisor import SAME_REQUEST_S, ChildProcess, Event, Supervisor
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import Unavailable

TOY = """
import pathlib, signal, sys, time
mark, behaviour = pathlib.Path(sys.argv[1]), sys.argv[2]
if behaviour == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if behaviour == "reads":
    (mark.parent / "handed").write_bytes(sys.stdin.buffer.read())
if behaviour == "fails":
    sys.exit("the toy is broken")
mark.write_text("here")
if behaviour == "ends":
    sys.exit(3)
signal.sigwait([signal.SIGUSR1]) if behaviour == "deaf" else time.sleep(60)
"""


def toy(folder: Path, name: str, stage: int, behaviour: str = "runs") -> ChildProcess:
    mark = folder / f"{name}.mark"

    async def ready() -> str | None:
        return None if mark.exists() else "no mark yet"

    return ChildProcess(
        name=name,
        argv=(sys.executable, "-I", "-S", "-c", TOY, str(mark), behaviour),
        ready=ready,
        stage=stage,
        stop_timeout_s=5.0,
    )


class Run:
    """A supervisor that runs in the test, and what it told."""

    def __init__(self, folder: Path, *children: ChildProcess) -> None:
        self.events: list[Event] = []
        self._seen = asyncio.Event()
        self.supervisor = Supervisor(
            children, clock=SystemClock(), log_folder=folder / "logs", tell=self._tell
        )
        self.ready = asyncio.Event()
        self.task = asyncio.create_task(self.supervisor.run(self._all_ready))

    async def _all_ready(self) -> None:
        self.ready.set()

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        self._seen.set()

    def kinds(self, kind: str) -> list[str]:
        return [event.child for event in self.events if event.kind == kind]

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not happened():
                self._seen.clear()
                await self._seen.wait()

    async def started(self) -> None:
        async with asyncio.timeout(20):
            await asyncio.wait(
                [self.task, asyncio.ensure_future(self.ready.wait())],
                return_when=asyncio.FIRST_COMPLETED,
            )
        if self.task.done():
            await self.task

    async def stop(self) -> None:
        self.supervisor.request_stop()
        await self.task

    def process_id(self, name: str) -> int:
        number = self.supervisor.process_id(name)
        assert number is not None
        return number


async def test_stages_start_in_order_and_stop_in_reverse(tmp_path: Path) -> None:
    run = Run(
        tmp_path, toy(tmp_path, "gateway", 2), toy(tmp_path, "keeper", 0), toy(tmp_path, "clerk", 1)
    )
    await run.started()
    assert run.kinds("ready") == ["keeper", "clerk", "gateway"]
    await run.stop()
    assert run.kinds("stopped") == ["gateway", "clerk", "keeper"]
    assert run.kinds("killed") == []


async def test_what_starts_together_may_stop_one_after_the_other(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        toy(tmp_path, "clerk", 1),
        toy(tmp_path, "gateway", 1)._replace(stop_stage=2),
        toy(tmp_path, "keeper", 0),
    )
    await run.started()
    starts = run.kinds("starting")
    assert starts[0] == "keeper"
    assert set(run.kinds("ready")[1:]) == {"clerk", "gateway"}
    await run.stop()
    assert run.kinds("stopped") == ["gateway", "clerk", "keeper"]


@pytest.mark.parametrize("victim", ["keeper", "clerk", "gateway"])
async def test_a_killed_child_comes_back(tmp_path: Path, victim: str) -> None:
    names = ("keeper", "clerk", "gateway")
    run = Run(tmp_path, *(toy(tmp_path, name, stage) for stage, name in enumerate(names)))
    await run.started()
    before = run.process_id(victim)
    os.kill(before, signal.SIGKILL)
    await run.until(lambda: run.kinds("ready").count(victim) == 2)
    assert run.process_id(victim) != before
    assert [event.detail for event in run.events if event.kind == "ended"] == [
        "it was killed by SIGKILL"
    ]
    await run.stop()


async def test_a_start_that_fails_stops_everything_and_quotes_the_log(tmp_path: Path) -> None:
    run = Run(tmp_path, toy(tmp_path, "keeper", 0), toy(tmp_path, "clerk", 1, "fails"))
    with pytest.raises(Unavailable, match=r"clerk could not be started.*status 1") as caught:
        await run.started()
    assert "the toy is broken" in str(caught.value)
    assert run.kinds("stopped") == ["keeper"]


async def test_a_crash_loop_is_said_plainly(tmp_path: Path) -> None:
    run = Run(tmp_path, toy(tmp_path, "clerk", 0, "ends"))
    await run.until(lambda: "clerk" in run.kinds("crash_loop"))
    said = next(event.detail for event in run.events if event.kind == "crash_loop")
    assert said.startswith("it ended 5 times within 60 s, lastly: it ended with status 3")
    pauses = [event.seconds for event in run.events if event.kind == "restarting"]
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == len(pauses)
    await run.stop()


async def test_a_second_request_does_not_wait_for_the_deaf(tmp_path: Path) -> None:
    run = Run(tmp_path, toy(tmp_path, "gateway", 0, "deaf"))
    await run.started()
    run.supervisor.request_stop()
    run.supervisor.request_stop()  # a second signal of the same key press: still in order
    await run.until(lambda: run.kinds("stopping") == ["gateway"])
    await SystemClock().sleep_s(SAME_REQUEST_S)
    assert run.kinds("killed") == []
    run.supervisor.request_stop()
    async with asyncio.timeout(4):  # less than the child's own stop_timeout_s
        await run.task
    assert [(e.kind, e.detail) for e in run.events if e.kind in ("stopped", "killed")] == [
        ("killed", "forced")
    ]


async def test_a_deaf_child_is_killed_after_its_timeout(tmp_path: Path) -> None:
    run = Run(tmp_path, toy(tmp_path, "gateway", 0, "deaf")._replace(stop_timeout_s=0.2))
    await run.started()
    await run.stop()
    assert run.kinds("killed") == ["gateway"]


async def test_a_child_that_is_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    async def never() -> str | None:
        return "it is waiting for a sign"

    child = toy(tmp_path, "keeper", 0)._replace(ready=never, ready_timeout_s=0.1)
    run = Run(tmp_path, child)
    with pytest.raises(Unavailable, match=r"not ready within 0\.1 s"):
        await run.started()


def arguments_and_environment(number: int) -> bytes:
    folder = Path(f"/proc/{number}")
    return (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()


async def test_the_handover_arrives_and_is_in_no_argument(tmp_path: Path) -> None:
    def handover() -> Handover:
        return Handover(secrets={"role": b"a-very-secret-token"})

    run = Run(tmp_path, toy(tmp_path, "clerk", 0, "reads")._replace(handover=handover))
    await run.started()
    number = run.process_id("clerk")
    assert b"a-very-secret-token" not in arguments_and_environment(number)
    await run.stop()
    assert (tmp_path / "handed").read_bytes() == handover().encoded()


async def test_a_child_that_need_not_be_awaited_holds_nothing_up(tmp_path: Path) -> None:
    slow = toy(tmp_path, "model", 0, "fails")._replace(awaited=False)
    run = Run(tmp_path, slow, toy(tmp_path, "gateway", 1))
    await run.started()
    assert run.kinds("ready") == ["gateway"]
    await run.stop()


SUPERVISING = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_supervisor import toy
from bailee.cli.supervisor import Supervisor
from bailee.drivers.system import SystemClock
folder = Path(sys.argv[1])
supervisor = Supervisor(
    [toy(folder, "keeper", 0), toy(folder, "gateway", 1, "deaf")],
    clock=SystemClock(), log_folder=folder / "logs", tell=lambda event: None,
)
async def ready():
    print(supervisor.process_id("keeper"), supervisor.process_id("gateway"), flush=True)
asyncio.run(supervisor.run(ready))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs PR_SET_PDEATHSIG")
def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    here = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISING, str(tmp_path), here],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        children = [int(number) for number in process.stdout.readline().split()]
        assert len(children) == 2
        descriptors = [os.pidfd_open(number) for number in children]
        process.kill()
    for descriptor in descriptors:
        readable, _, _ = select.select([descriptor], [], [], 10)
        os.close(descriptor)
        assert readable == [descriptor], "a pidfd is readable once its process has ended"
