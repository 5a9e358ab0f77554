"""How many answers of the local model one process asks for at once."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from tests.fixtures.upstream import CHAT_ANSWER, Reply, Upstream

from bailee.kernel.redacted import Secret
from bailee.ports.backend import BackendCall
from bailee.settings import EMBEDDED_BACKEND, load
from bailee.wiring.backends import ModelRunnerAddress, open_backends
from bailee.wiring.places import Places

CALL = BackendCall("/chat/completions", b'{"messages":[{"role":"user","content":"a"}]}', False)


async def nothing(name: str) -> Secret:
    raise AssertionError(f"{name} is not asked for")


@pytest.mark.parametrize("places_of_model", [1, 3])
async def test_no_more_at_once_than_it_may(tmp_path: Path, places_of_model: int) -> None:
    settings = load(environment={}, flags={"data_folder": str(tmp_path)}, folder=tmp_path).settings
    places, upstream = Places(tmp_path), Upstream()
    await upstream.start()
    (tmp_path / "run").mkdir()
    address = ModelRunnerAddress(upstream.url, "key")
    places.model_runner.write_bytes(msgspec.json.encode(address))
    backends = open_backends(settings, places, nothing, model_concurrency=places_of_model)
    backend = backends[EMBEDDED_BACKEND]

    async def asked() -> bytes:
        return await (await backend.send(CALL)).read()

    gate = asyncio.Event()
    upstream.usual = lambda _received: Reply(parts=[gate, CHAT_ANSWER])
    asking = [asyncio.ensure_future(asked()) for _ in range(8)]
    await upstream.wait_for_requests(places_of_model)
    gate.set()
    told = await asyncio.gather(*asking)
    assert len(set(told)) == 1
    assert upstream.most_in_flight == places_of_model
    await backend.close()
    await upstream.stop()
