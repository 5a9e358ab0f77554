"""Fine-tuned models on a vLLM, against a stand-in that speaks what vLLM documents.

What is real: the adapter's conversion, checked by peft on a real (tiny) llama; the shared folder in
memory and its locks. What is not: vLLM, of which none was at hand.
"""

import asyncio
import json
import os
import shutil
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.fixtures.upstream import Upstream
from tests.fixtures.vllm import BASE, Vllm

from bailee.drivers.adapters_vllm import SharedFolder, VllmAdapters
from bailee.drivers.adapters_vllm.peft import peft_files
from bailee.drivers.backend_openai import Limits, OpenAiBackend, parse_target
from bailee.drivers.memory import SeededRandomness
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import InvalidInput, Unavailable
from bailee.ports.backend import Backend, BackendCall, BackendFailure

torch = pytest.importorskip("torch")
# peft asks transformers by a name that it has given up.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")

NAME = "ft:base:acme:lighthouse:1"
OTHER = "ft:base:acme:lighthouse:2"


@dataclass(slots=True)
class Made:
    """An adapter, as it was trained and as it is kept."""

    model: Any
    adapter: bytes


@pytest.fixture(scope="module")
def made() -> Made:
    import peft
    import transformers

    from bailee.drivers.trainer_local.adapter import GGUF_NAMES
    from bailee.drivers.trainer_local.model import ALPHA, RANK, Adapted

    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
    )
    lora = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=list(GGUF_NAMES), task_type="CAUSAL_LM"
    )
    model = peft.get_peft_model(transformers.LlamaForCausalLM(config), lora)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_()
    return Made(model.eval(), Adapted(model, None, 0).adapter())


@dataclass(slots=True)
class World:
    vllm: Vllm
    upstream: Upstream
    reached: Backend
    runner: VllmAdapters
    folder: Path
    made: Made
    reads: int = 0

    async def read(self) -> bytes:
        self.reads += 1
        return self.made.adapter

    def backend(self, name: str = NAME) -> Backend:
        return self.runner.backend(name, self.read)


@pytest.fixture
async def world(made: Made, tmp_path: Path) -> AsyncIterator[World]:
    vllm, upstream = Vllm(), Upstream()
    upstream.usual = vllm.answer
    await upstream.start()
    reached = OpenAiBackend(parse_target(upstream.url), None, Limits(), SystemClock())
    folder = Path("/dev/shm") / f"bailee-test-{os.getpid()}-{tmp_path.name}"  # noqa: S108 - in memory is the point
    shared = SharedFolder(folder, SystemClock(), SeededRandomness(4))
    try:
        runner = VllmAdapters(reached, shared, most=1)
        yield World(vllm, upstream, reached, runner, folder, made)
    finally:
        await reached.close()
        await upstream.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def said(backend: Backend, **more: object) -> str:
    body = msgspec.json.encode({"model": BASE, "messages": []} | more)
    answer = await backend.send(BackendCall("/chat/completions", body, False))
    document = json.loads(await answer.read())
    assert answer.status == 200, document
    return str(document["choices"][0]["message"]["content"])


def weights_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size]


def test_what_peft_reads_is_what_was_trained(made: Made, tmp_path: Path) -> None:
    import peft

    for name, data in peft_files(made.adapter).items():
        (tmp_path / name).write_bytes(data)
    inputs = torch.arange(24).reshape(2, 12)
    with torch.no_grad():
        wanted = made.model(inputs).logits
        with made.model.disable_adapter():
            plain = made.model(inputs).logits
        loaded = peft.PeftModel.from_pretrained(made.model.unload(), str(tmp_path)).eval()
        found = loaded(inputs).logits
    assert torch.equal(found, wanted)
    assert not torch.allclose(plain, wanted)


@pytest.mark.parametrize("cut", [0, 3, 20, 200, -1])
def test_what_is_no_adapter_is_refused(made: Made, cut: int) -> None:
    with pytest.raises(InvalidInput):
        peft_files(made.adapter[:cut])


async def test_a_model_answers_under_its_own_name_whatever_a_body_says(world: World) -> None:
    tuned = world.backend()
    known = await said(tuned)
    assert known in world.vllm.loaded
    assert "acme" not in known
    assert "lighthouse" not in known
    await world.runner.load("bailee-another", world.made.adapter)
    assert await said(tuned, model="bailee-another") == known
    assert await said(world.reached) == BASE, "the base model is as it was"


async def test_it_stays_loaded_until_it_is_unloaded(world: World) -> None:
    tuned = world.backend()
    await said(tuned)
    await said(tuned)
    assert (world.reads, world.vllm.loads) == (1, 1)
    assert await world.runner.unload_adapter(NAME) is True
    assert world.vllm.loaded == {}
    assert await world.runner.unload_adapter(NAME) is False
    await said(tuned)
    assert world.reads == 2


async def test_weights_lie_in_the_folder_only_while_they_are_read(world: World) -> None:
    await said(world.backend())
    (place,) = world.vllm.reads
    assert place.is_relative_to(world.folder)
    assert not place.exists()
    assert weights_in(world.folder) == []
    assert stat.S_IMODE(world.folder.stat().st_mode) == 0o700
    left = world.folder / "weights" / "left"
    left.mkdir(parents=True)
    (left / "adapter_model.safetensors").write_bytes(b"by a process that was killed")
    world.vllm.refuses = True
    with pytest.raises(BackendFailure, match="status 500"):
        await said(world.backend(OTHER))
    assert weights_in(world.folder) == []


async def test_one_in_use_stays_and_one_that_is_idle_makes_room(world: World) -> None:
    world.vllm.hold = asyncio.Event()
    tuned = world.backend()
    body = msgspec.json.encode({"messages": [], "stream": True})
    answer = await tuned.send(BackendCall("/chat/completions", body, True))
    with pytest.raises(BackendFailure) as refused:
        await said(world.backend(OTHER))
    assert refused.value.reason == "overloaded"
    world.vllm.hold.set()
    assert b"[DONE]" in b"".join([part async for part in answer.chunks()])
    other = await said(world.backend(OTHER))
    assert list(world.vllm.loaded) == [other]


async def test_several_processes_share_one_vllm(world: World) -> None:
    shared = SharedFolder(world.folder, SystemClock(), SeededRandomness(9))
    second = VllmAdapters(world.reached, shared, most=1)
    known = await said(world.backend())
    assert await said(second.backend(NAME, world.read)) == known
    assert world.vllm.loads == 1
    assert await second.unload_adapter(NAME) is True
    await said(world.backend())
    assert world.vllm.loads == 2


async def test_a_vllm_that_was_started_again_is_given_the_adapter_again(world: World) -> None:
    known = await said(world.backend())
    world.vllm.restart()
    assert await said(world.backend()) == known
    assert world.vllm.loads == 2


async def test_a_death_before_it_was_noted_is_no_obstacle(world: World) -> None:
    known = await said(world.backend())
    (world.folder / "loaded" / known).unlink()
    assert await said(world.backend()) == known


async def test_nothing_is_written_to_a_disk(world: World, tmp_path: Path) -> None:
    on_disk = Path(__file__).parents[2] / "build" / "not-in-memory"
    shared = SharedFolder(on_disk, SystemClock(), SeededRandomness(4))
    runner = VllmAdapters(world.reached, shared, most=1)
    try:
        with pytest.raises(BackendFailure, match="tmpfs"):
            await said(runner.backend(NAME, world.read))
        assert weights_in(on_disk) == []
    finally:
        shutil.rmtree(on_disk, ignore_errors=True)


async def test_a_vllm_that_is_away_is_said_to_be(world: World) -> None:
    await world.upstream.stop()
    with pytest.raises(BackendFailure):
        await said(world.backend())
    with pytest.raises(Unavailable):
        await world.runner.unload_adapter(NAME)
