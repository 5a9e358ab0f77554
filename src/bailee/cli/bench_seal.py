"""Measuring sealing: one worker's recorder on a real disk, and what records cost there."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from bailee.policy.load import packaged_policy
from bailee.wiring.bench_seal import SealingUnderMeasurement

Tell = Callable[[str], None]

_TURNS: Final = 4
_CONCURRENT: Final = 256


def typical_exchanges(count: int) -> list[tuple[bytes, bytes]]:
    """Chat traffic of a usual shape: some turns of prose, an answer of a paragraph.

    The prose is the packaged policy's, cut into sentences and put together anew.
    """
    sentences = [
        sentence + "."
        for policy in packaged_policy().services.values()
        for version in policy.versions
        for clause in version.clauses.values()
        for sentence in clause.text.english.rstrip(".").split(". ")
    ]

    def prose(seed: int, length: int) -> str:
        return " ".join(
            sentences[(seed * 7 + step * 13) % len(sentences)] for step in range(length)
        )

    exchanges = []
    for number in range(count):
        messages = [{"role": "system", "content": prose(1, 2)}]
        for turn in range(1 + number % _TURNS):
            messages.append({"role": "user", "content": prose(number + turn, 2)})
            messages.append({"role": "assistant", "content": prose(number * 3 + turn, 3)})
        messages.append({"role": "user", "content": f"{prose(number * 5, 1)} ({number})"})
        request = {"model": "mock", "messages": messages, "temperature": 0.7}
        answer = {
            "id": f"chatcmpl-{number:024d}",
            "object": "chat.completion",
            "created": 1_795_400_000 + number,
            "model": "mock",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": prose(number * 11, 4)},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 300, "completion_tokens": 90, "total_tokens": 390},
        }
        exchanges.append((msgspec.json.encode(request), msgspec.json.encode(answer)))
    return exchanges


def measure_seal(records: int, tell: Tell) -> dict[str, Any]:
    """All figures of `bailee bench seal`."""
    exchanges = typical_exchanges(records)
    raw_bytes = sum(len(request) + len(answer) for request, answer in exchanges)
    with tempfile.TemporaryDirectory(prefix="bailee-bench-") as folder:
        tell(f"recording {records} exchanges, {raw_bytes / 1e6:.1f} MB, {_CONCURRENT} at a time")
        sealing = SealingUnderMeasurement(Path(folder))
        seconds, stored_bytes, content_bytes = asyncio.run(sealing.run(exchanges, _CONCURRENT))
    return {
        "records": records,
        "raw_bytes": raw_bytes,
        "records_per_s": round(records / seconds),
        "overhead_bytes": round((stored_bytes - content_bytes) / records),
        "stored_ratio": round(stored_bytes / raw_bytes, 3),
    }
