"""The model runner's process: `python -m bailee.drivers.backend_llama.runner`.

Reads one JSON line on standard input (`Instructions`), checks the weights' digest, serves
llama.cpp's OpenAI-shaped interface on a random loopback port behind a key that only its parent
knows, and writes one JSON line (`Ready`) on standard output. It ends when standard input ends, so
that it never outlives its parent. It downloads nothing, writes no log and no file, and switches
off everything of llama.cpp that would show or keep content: slots, properties, metrics, the page,
saved prompts, log lines. The kernel is told that this process writes no file.

An adapter comes through a descriptor that was inherited, and applies to every answer: whoever may
not use it is never told this runner's key. A request's own `lora` can only switch it off.
"""

import hashlib
import os
import resource
import sys
from pathlib import Path
from typing import Final

import msgspec

from bailee.drivers.backend_llama.messages import Instructions, Ready

_CHUNK_BYTES: Final = 1 << 20
_SILENT: Final = -1


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, 64 hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def main() -> int:
    """Serve until standard input ends; the process's exit status."""
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    asked = msgspec.json.decode(line, type=Instructions)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # llama.cpp prints to the process's own streams whatever its verbosity: they lead nowhere.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        ready = _checked(asked)
        server = None
        if not ready.error:
            server = _serve(asked)
            ready = Ready(port=int(server.listening_address.rpartition(":")[2]))
    except (OSError, RuntimeError, ValueError):
        ready = _unusable(asked)
    answers.write(msgspec.json.encode(ready) + b"\n")
    if ready.error:
        return 1
    while sys.stdin.buffer.read(_CHUNK_BYTES):
        pass
    # Ending at once also ends what is being answered; nothing is kept that could be lost.
    os._exit(0)


def _unusable(asked: Instructions) -> Ready:
    if asked.adapter_descriptor >= 0:
        # The weights have been checked, and the base model runs from the same file.
        return Ready(
            error="this adapter cannot be loaded; give one that was made for the base model",
            adapter_refused=True,
        )
    return Ready(error="the weights cannot be loaded; choose a GGUF file that llama.cpp reads")


def _checked(asked: Instructions) -> Ready:
    path = Path(asked.file)
    if not path.is_file():
        return Ready(error=f"the weights {asked.file} are missing; `make` unpacks them")
    if file_digest(path) != asked.sha256:
        return Ready(
            error=f"the weights {asked.file} have another SHA-256 than the settings say; "
            "replace the file, or set its digest if you trust it"
        )
    return Ready()


def _serve(asked: Instructions):  # type: ignore[no-untyped-def]  # xllamacpp has no types
    import xllamacpp

    parameters = xllamacpp.CommonParams()
    parameters.model.path = asked.file
    parameters.model_alias = {asked.name}
    parameters.api_keys = [asked.api_key]
    parameters.port = asked.port
    parameters.offline = True
    parameters.n_parallel = asked.parallel
    parameters.n_ctx = asked.context_tokens * asked.parallel
    parameters.kv_unified = False
    parameters.warmup = False
    parameters.verbosity = _SILENT
    parameters.endpoint_slots = False
    parameters.endpoint_props = False
    parameters.endpoint_metrics = False
    parameters.ui = False
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.slot_save_path = ""
    parameters.path_prompts_log_dir = ""
    parameters.path_prompt_cache = ""
    parameters.cors_origins = ""
    if asked.threads:
        parameters.cpuparams.n_threads = asked.threads
        parameters.cpuparams_batch.n_threads = asked.threads
    if asked.adapter_descriptor < 0:
        return xllamacpp.Server(parameters)
    place = f"/proc/self/fd/{asked.adapter_descriptor}"
    parameters.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(place, 1.0)]
    server = xllamacpp.Server(parameters)
    os.close(asked.adapter_descriptor)
    return server


if __name__ == "__main__":
    sys.exit(main())
