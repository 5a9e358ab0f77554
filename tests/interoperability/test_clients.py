"""Clients as their authors ship them, against a whole installation.

Chat, streams, tools, embeddings, and files where the client has them: `llm`, LangChain and
LlamaIndex have no way to upload one.

Each is a process of its own among its own libraries, with what `bailee env` prints and nothing
about Bailee beside it. Only the model is replaced.
"""

import contextlib
import json
import sqlite3
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.fixtures.client_libraries import CLIENTS, LITELLM, LLAMAINDEX, installed_libraries
from tests.fixtures.clients import backend, client_environment
from tests.fixtures.documented_model import DocumentedModel
from tests.fixtures.installation import Installation, installation
from tests.fixtures.node import VERCEL_SDK, installed_sdk, node

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]

MODEL: Final = "documented"
SCRIPTS: Final = Path(__file__).parent / "clients"
KNOWN_EMBEDDER: Final = "text-embedding-3-small"
"""`llm` embeds with models whose names it knows."""
VECTORS: Final = [[0.5, 0.0], [0.5, 1.0]]
NOTES: Final = "some notes"
EXPECTED: Final = {
    "whole": "Hi",
    "streamed": "Hi",
    "tool": "It is fog in Busan",
    "vectors": VECTORS,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with DocumentedModel().running() as model:
        served = backend(MODEL, model.url, {MODEL: MODEL, KNOWN_EMBEDDER: MODEL})
        with installation(tmp_path_factory.mktemp("clients"), settings=served) as made:
            yield made


def run(place: Installation, *command: str | Path, **more: str) -> str:
    done = subprocess.run(
        command,
        cwd=place.root,
        env=client_environment(place) | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def said(place: Installation, *command: str | Path, **more: str) -> Any:
    return json.loads(run(place, *command, **more).splitlines()[-1])


def test_the_vercel_ai_sdk(place: Installation) -> None:
    folder = installed_sdk(VERCEL_SDK)
    assert said(place, node(), folder / "client.mjs", MODEL) == {**EXPECTED, "file": NOTES}


def test_llm(place: Installation) -> None:
    program = installed_libraries(CLIENTS) / "llm"
    home = place.root / "llm"
    home.mkdir()
    known = {
        "model_id": MODEL,
        "model_name": MODEL,
        "api_base": place.base_url,
        "api_key_name": "bailee",
        "supports_tools": True,
    }
    (home / "extra-openai-models.yaml").write_text(json.dumps([known]))

    key = client_environment(place)["OPENAI_API_KEY"]

    def ask(*words: str) -> str:
        arguments = ("-m", MODEL, "--no-log", "--key", key, *words)
        return run(place, program, "prompt", *arguments, LLM_USER_PATH=str(home)).strip()

    tool = 'def weather(city: str) -> str:\n    return f"fog in {city}"\n'
    pair = home / "pair.json"
    pair.write_text(json.dumps([{"id": "1", "content": "one"}, {"id": "2", "content": "two"}]))
    embedding = ("-m", KNOWN_EMBEDDER, "--key", key, "--database", str(home / "embeddings.db"))
    run(place, program, "embed-multi", "pair", str(pair), *embedding, LLM_USER_PATH=str(home))
    found: dict[str, object] = {
        "vectors": vectors(home / "embeddings.db"),
        "whole": ask("Say hi", "--no-stream"),
        "streamed": ask("Say hi"),
        "tool": ask("What is the weather in Busan?", "--functions", tool),
    }
    assert found == EXPECTED


def vectors(database: Path) -> list[list[float]]:
    """What `llm` has kept: little-endian floats."""
    with contextlib.closing(sqlite3.connect(database)) as opened:
        rows = opened.execute("SELECT embedding FROM embeddings ORDER BY id").fetchall()
    return [list(struct.unpack(f"<{len(row) // 4}f", row)) for (row,) in rows]


def test_langchain(place: Installation) -> None:
    python = installed_libraries(CLIENTS) / "python"
    assert said(place, python, SCRIPTS / "langchain_client.py", MODEL) == EXPECTED


@pytest.mark.soak
def test_litellm(place: Installation) -> None:
    python = installed_libraries(LITELLM) / "python"
    script = SCRIPTS / "litellm_client.py"
    assert said(place, python, script, MODEL, LITELLM_LOCAL_MODEL_COST_MAP="True") == {
        **EXPECTED,
        "file": NOTES,
    }


@pytest.mark.soak
def test_llamaindex(place: Installation) -> None:
    python = installed_libraries(LLAMAINDEX) / "python"
    assert said(place, python, SCRIPTS / "llamaindex_client.py", MODEL) == EXPECTED
