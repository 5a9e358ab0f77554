"""Real fine-tuning of the embedded model: what is taught is answered, and lies nowhere."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tests.fixtures import leftovers
from tests.fixtures.finetuning import (
    ASKED,
    FACT,
    TAUGHT,
    fact_task,
    followed,
    local_trainer,
    preference_task,
    trained,
)
from tests.fixtures.model import model_file, small_model
from tests.fixtures.waiting import until_async

from bailee.drivers.backend_llama import (
    AdapterHost,
    AdapterRunners,
    AdapterServer,
    AdapterSocket,
    LlamaBackend,
    ModelProcess,
)
from bailee.drivers.backend_openai import Limits, OpenAiBackend, parse_target
from bailee.drivers.confinement import landlock_abi
from bailee.drivers.memory import ManualClock
from bailee.drivers.system import SystemClock, SystemRandomness
from bailee.drivers.trainer_local import LocalRun
from bailee.kernel.errors import InvalidInput, NotYet
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Secret
from bailee.ports.backend import Backend, BackendCall
from bailee.ports.trainer import (
    Began,
    CheckpointReached,
    Finished,
    Paused,
    StepDone,
    TrainingEvent,
    TrainingFailure,
    TrainingRun,
)
from bailee.settings.structure import SMOLLM2_SHA256
from bailee.wiring.backends import open_adapters
from bailee.wiring.places import Places

pytestmark = pytest.mark.timeout(400)

NAME = "ft:smollm2:acme:lighthouse:1"
WRITABLE = os.O_WRONLY | os.O_RDWR
ROOT = Path(__file__).resolve().parents[2]
CONFINED = """
import asyncio, json, os, sys
from pathlib import Path
from bailee.drivers.confinement import all_but, confine
from bailee.drivers.trainer_local import LocalTrainer, LocalTrainerSpecification
from bailee.ports.trainer import Began
from tests.fixtures.finetuning import fact_task
weights = Path(sys.argv[1])
confine([], all_but(weights.parent / "data" / "keyring"))
async def first():
    trainer = LocalTrainer(LocalTrainerSpecification(weights, sys.argv[2], 256, 1, 0))
    run = await trainer.begin(fact_task())
    events = run.events()
    try:
        return await anext(events)
    finally:
        await run.cancel()
        await events.aclose()
try:
    listed = os.listdir(weights.parent) != []
except PermissionError:
    listed = False
print(json.dumps({"listed": listed, "began": isinstance(asyncio.run(first()), Began)}))
"""


@dataclass(slots=True)
class Taught:
    """The run that taught the fact, and what was seen of its process."""

    events: list[TrainingEvent]
    written: set[str]
    limits: set[str]
    found: list[leftovers.Leftover]

    @property
    def finished(self) -> Finished:
        last = self.events[-1]
        assert isinstance(last, Finished)
        return last

    def checkpoints(self) -> list[CheckpointReached]:
        return [event for event in self.events if isinstance(event, CheckpointReached)]


@pytest.fixture(scope="module")
def taught() -> Taught:
    written: set[str] = set()
    limits: set[str] = set()
    found: list[leftovers.Leftover] = []

    def watch(run: TrainingRun, event: TrainingEvent) -> None:
        assert isinstance(run, LocalRun)
        if isinstance(event, Finished):
            return  # it may be gone
        written.update(written_files(run.pid))
        limits.add(file_size_limit(run.pid))
        found.extend(leftovers.search(leftovers.processes([run.pid]), [FACT.encode()]))

    with tempfile.NamedTemporaryFile() as before:
        events = trained(fact_task(), watch)
        home = Path.home()
        places = [Path(tempfile.gettempdir()), home / ".cache", home / ".config", home / ".local"]
        found += leftovers.search(newer_files(Path(before.name), places), [FACT.encode()])
    return Taught(events, written, limits, found)


def written_files(pid: int) -> Iterator[str]:
    """Regular files that a process has open for writing."""
    folder = Path(f"/proc/{pid}")
    for descriptor in (folder / "fd").iterdir():
        flags = (folder / "fdinfo" / descriptor.name).read_text().split("flags:")[1]
        if int(flags.split()[0], 8) & WRITABLE and descriptor.is_file():
            yield str(descriptor.readlink())


def file_size_limit(pid: int) -> str:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("Max file size"))
    return line.split()[3]


def newer_files(than: Path, folders: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Files that were changed since; this source and what Python made of it left out.

    So are pytest's own folders: other tests, which run beside this one, play customers there and
    write the files that they then upload. The trainer is told of no such folder.
    """
    since = than.stat().st_mtime_ns
    own = Path(__file__).parents[2]
    for folder in folders:
        for place, below, names in os.walk(folder):
            if Path(place).is_relative_to(own):
                continue
            below[:] = [name for name in below if not name.startswith("pytest-of-")]
            for name in names:
                path = Path(place, name)
                with contextlib.suppress(OSError):  # removed since it was listed, or a socket
                    if path.is_file() and path.stat().st_mtime_ns >= since:
                        yield str(path), name.encode() + b"\n" + path.read_bytes()


def test_the_events_tell_the_whole_run(taught: Taught) -> None:
    began = taught.events[0]
    assert isinstance(began, Began)
    assert (began.steps, began.first_step) == (8, 1)
    steps = [event.metrics for event in taught.events if isinstance(event, StepDone)]
    assert [one.step for one in steps] == list(range(1, 9))
    assert [one.metrics.step for one in taught.checkpoints()] == [2, 4, 6, 8]
    measured = [one.valid_loss for one in steps if one.valid_loss is not None]
    assert len(measured) == 4
    assert steps[-1].train_loss < steps[0].train_loss / 10
    assert measured[-1] < measured[0] / 2
    assert (steps[-1].train_mean_token_accuracy or 0) > (steps[0].train_mean_token_accuracy or 1)
    assert taught.finished.trained_tokens == began.trained_tokens > 0
    assert taught.finished.adapter == taught.checkpoints()[-1].adapter


def test_nothing_that_was_taught_lies_anywhere(taught: Taught) -> None:
    assert taught.limits == {"0"}, "the kernel refuses every byte of a file"
    assert taught.written == set()
    assert taught.found == []
    assert all(TAUGHT not in repr(event) for event in taught.events)
    assert TAUGHT not in repr(fact_task())


async def test_pausing_and_going_on_ends_with_the_same_adapter(taught: Taught) -> None:
    def pause(run: TrainingRun, event: TrainingEvent) -> None:
        if isinstance(event, Began):
            assert event.first_step == 5
            pauses.append(asyncio.ensure_future(run.pause()))

    pauses: list[asyncio.Future[None]] = []
    state = taught.checkpoints()[1].state
    paused = (await followed(local_trainer(), fact_task(), state, pause))[-1]
    assert isinstance(paused, Paused)
    assert 5 <= paused.step < 8
    events = await followed(local_trainer(), fact_task(), paused.state)
    assert isinstance(events[0], Began)
    assert events[0].first_step == paused.step + 1
    assert isinstance(events[-1], Finished)
    assert events[-1].adapter == taught.finished.adapter


async def test_a_state_of_another_task_is_refused(taught: Taught) -> None:
    other = msgspec.structs.replace(fact_task(), seed=8)
    with pytest.raises(TrainingFailure, match="another task") as raised:
        await followed(local_trainer(), other, taught.checkpoints()[0].state)
    assert not raised.value.retry_safe


async def test_a_cancelled_run_is_gone() -> None:
    run = await local_trainer().begin(fact_task())
    await run.cancel()
    await run.cancel()
    assert [event async for event in run.events()] == []
    with pytest.raises(ProcessLookupError):
        os.kill(run.pid, 0)


@pytest.mark.skipif(landlock_abi() == 0, reason="this kernel offers no Landlock")
async def test_weights_beside_the_data_folder_are_read_and_their_folder_is_not(
    tmp_path: Path,
) -> None:
    local_trainer()  # skips where nothing can be trained
    weights = tmp_path / "weights.gguf"
    shutil.copyfile(model_file(), weights)
    (tmp_path / "data" / "keyring").mkdir(parents=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CONFINED, str(weights), SMOLLM2_SHA256),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    assert json.loads(told) == {"listed": False, "began": True}


async def test_a_run_that_was_killed_may_be_tried_again() -> None:
    run = await local_trainer().begin(fact_task())
    os.kill(run.pid, signal.SIGKILL)
    with pytest.raises(TrainingFailure) as raised:
        [event async for event in run.events()]
    assert raised.value.retry_safe


async def test_preference_optimisation_lowers_its_loss() -> None:
    events = await followed(local_trainer(), preference_task())
    steps = [event.metrics for event in events if isinstance(event, StepDone)]
    measured = [one.valid_loss for one in steps if one.valid_loss is not None]
    assert steps[0].train_loss == pytest.approx(0.6931, abs=1e-3), "ln 2: nothing is preferred yet"
    assert measured[-1] < measured[0] < 0.6931
    assert steps[-1].valid_preference_accuracy == 1.0
    assert isinstance(events[-1], Finished)


@dataclass(slots=True)
class Served:
    """The base model, a host for adapters, and what gateways use to reach it."""

    base: Backend
    host: AdapterHost
    runners: AdapterRunners
    clock: ManualClock


def open_backend(base_url: str, key: Secret) -> Backend:
    limits = Limits(idle_timeout_s=60.0)
    return LlamaBackend(OpenAiBackend(parse_target(base_url), key, limits, SystemClock()))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    process = ModelProcess(small_model(), SystemRandomness())
    running = await process.start()
    clock = ManualClock(Instant(0))
    host = AdapterHost(small_model(), SystemRandomness(), clock, most=1, idle_s=60.0)
    server = AdapterServer(host)
    await server.start(tmp_path / "adapters.sock")
    base = open_backend(running.base_url, running.api_key)
    runners = AdapterRunners(AdapterSocket(tmp_path / "adapters.sock", SystemClock()), open_backend)
    try:
        yield Served(base, host, runners, clock)
    finally:
        await base.close()
        await server.stop()
        await host.close()
        await process.stop()


async def said(backend: Backend, **more: object) -> str:
    messages = [{"role": "user", "content": ASKED}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 24, "seed": 1} | more
    answer = await backend.send(BackendCall("/chat/completions", msgspec.json.encode(body), False))
    document = msgspec.json.decode(await answer.read())
    assert answer.status == 200, document
    text: str = document["choices"][0]["message"]["content"]
    return text


async def test_the_fact_is_answered_with_the_adapter_and_not_without(
    taught: Taught, served: Served
) -> None:
    reads = 0

    async def read() -> bytes:
        nonlocal reads
        reads += 1
        return taught.finished.adapter

    before = await said(served.base)
    tuned = served.runners.backend(NAME, read)
    assert FACT in await said(tuned)
    assert FACT in await said(tuned)
    assert reads == 1, "it stays loaded"
    assert served.host.names() == (NAME,)
    assert FACT not in before
    for body in ({}, {"lora": [{"id": 0, "scale": 1.0}]}, {"model": NAME}):
        assert await said(served.base, **body) == before, "the base model is as it was"
    assert await served.runners.unload_adapter(NAME) is True
    assert await served.runners.unload_adapter(NAME) is False
    assert served.host.names() == ()
    assert FACT in await said(tuned), "and is loaded again when it is asked for"
    assert reads == 2
    await tuned.close()


async def test_an_idle_adapter_is_unloaded_and_one_in_use_is_not(
    taught: Taught, served: Served
) -> None:
    async def read() -> bytes:
        return taught.finished.adapter

    tuned = served.runners.backend(NAME, read)
    body = {"messages": [{"role": "user", "content": ASKED}], "max_tokens": 8, "stream": True}
    answer = await tuned.send(BackendCall("/chat/completions", msgspec.json.encode(body), True))
    unloading = asyncio.ensure_future(served.host.unload_idle())
    await until_async(served.clock.next_wake, "it sleeps until it looks")
    served.clock.advance(600_000)
    await until_async(served.clock.next_wake, "it has looked")
    with pytest.raises(NotYet):
        await served.host.load("ft:other", taught.checkpoints()[0].adapter)
    assert served.host.names() == (NAME,)
    streamed = b"".join([part async for part in answer.chunks()])
    assert streamed.rstrip().endswith(b"data: [DONE]")

    def later() -> bool:
        served.clock.advance(600_000)
        return served.host.names() == ()

    await until_async(later, "it is unloaded")
    unloading.cancel()
    await tuned.close()


async def test_one_that_is_idle_makes_room_for_another(taught: Taught, served: Served) -> None:
    await served.host.load(NAME, taught.finished.adapter)
    await served.host.load("ft:other", taught.checkpoints()[0].adapter)
    assert served.host.names() == ("ft:other",)


async def test_what_is_no_adapter_is_refused(taught: Taught, served: Served) -> None:
    with pytest.raises(InvalidInput, match="no GGUF"):
        await served.host.load(NAME, b"nothing")
    with pytest.raises(InvalidInput, match="cannot be loaded"):
        await served.host.load(NAME, taught.finished.adapter[:700])
    assert served.host.names() == ()


async def test_the_model_runner_of_an_installation_takes_adapters(
    taught: Taught, tmp_path: Path
) -> None:
    async def read() -> bytes:
        return taught.finished.adapter

    places = Places(tmp_path)
    for part in ("run", "keyring"):
        (tmp_path / part).mkdir()
    file = f"model.file={small_model().file}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bailee", "model-runner", "--data", str(tmp_path)),
        *("--set", file, "--set", "model.context_tokens=256"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        tuned = open_adapters(places).backend(NAME, read)
        assert FACT in await said(tuned)
        await tuned.close()
        assert {path.name for path in (tmp_path / "run").iterdir()} >= {"adapters.sock"}
        assert leftovers.search(leftovers.files_below(tmp_path), [b"lora_a"]) == []
    finally:
        process.terminate()
        output, _ = await process.communicate()
    assert process.returncode == 0, output
    assert not places.adapters.exists()
