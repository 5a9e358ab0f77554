"""Clients as their authors ship them, against a whole installation: chat, streams, tools.

Each is a process of its own among its own libraries, with what `bailee env` prints and nothing
about Bailee beside it. Only the model is replaced.
"""

import json
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
EXPECTED: Final = {"whole": "Hi", "streamed": "Hi", "tool": "It is fog in Busan"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with DocumentedModel().running() as model:
        served = backend(MODEL, model.url, {MODEL: MODEL})
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
    assert said(place, node(), folder / "client.mjs", MODEL) == EXPECTED


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

    def ask(*words: str) -> str:
        key = client_environment(place)["OPENAI_API_KEY"]
        arguments = ("-m", MODEL, "--no-log", "--key", key, *words)
        return run(place, program, "prompt", *arguments, LLM_USER_PATH=str(home)).strip()

    tool = 'def weather(city: str) -> str:\n    return f"fog in {city}"\n'
    found = {
        "whole": ask("Say hi", "--no-stream"),
        "streamed": ask("Say hi"),
        "tool": ask("What is the weather in Busan?", "--functions", tool),
    }
    assert found == EXPECTED


def test_langchain(place: Installation) -> None:
    python = installed_libraries(CLIENTS) / "python"
    assert said(place, python, SCRIPTS / "langchain_client.py", MODEL) == EXPECTED


@pytest.mark.soak
def test_litellm(place: Installation) -> None:
    python = installed_libraries(LITELLM) / "python"
    script = SCRIPTS / "litellm_client.py"
    assert said(place, python, script, MODEL, LITELLM_LOCAL_MODEL_COST_MAP="True") == EXPECTED


@pytest.mark.soak
def test_llamaindex(place: Installation) -> None:
    python = installed_libraries(LLAMAINDEX) / "python"
    assert said(place, python, SCRIPTS / "llamaindex_client.py", MODEL) == EXPECTED
