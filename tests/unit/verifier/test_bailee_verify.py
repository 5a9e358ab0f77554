"""The single-file verifier, as somebody without Bailee would run it."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "verifier/bailee_verify.py"
VECTORS: dict[str, str] = json.loads((ROOT / "tests/vectors/receipt.json").read_text())


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bailee_verify", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


VERIFIER = load()


def run(folder: Path, receipt: str, *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "receipt.json").write_text(receipt)
    (folder / "request").write_text(VECTORS["request"])
    (folder / "answer").write_text(VECTORS["answer"])
    keys = ["--log-key", VECTORS["log_key"], "--keeper-key", VECTORS["keeper_key"]]
    # Isolated mode: neither the current folder nor PYTHONPATH can lend it anything of Bailee.
    command = [sys.executable, "-I", str(SCRIPT), "receipt.json", *keys, *more]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kind", ["response", "destruction"])
def test_verifies_and_says_what_is_not_proved(tmp_path: Path, kind: str) -> None:
    done = run(tmp_path, VECTORS[kind])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("VERIFIED\n")
    assert "does not prove" in done.stdout
    assert "unwitnessed" in done.stdout


def test_checks_that_it_is_about_my_exchange(tmp_path: Path) -> None:
    exchange = ["--receipt-key", VECTORS["receipt_key"], "--request", "request", "--answer"]
    done = run(tmp_path, VECTORS["response"], *exchange, "answer")
    assert done.returncode == 0
    assert "exactly this request" in done.stdout
    for kind, answer in (("response", "request"), ("response", "gone"), ("destruction", "answer")):
        done = run(tmp_path, VECTORS[kind], *exchange, answer)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("NOT VERIFIED")


@pytest.mark.parametrize("receipt", ["", "[]", "{}", "null", '{"type":{}}'])
def test_nonsense_is_not_verified(tmp_path: Path, receipt: str) -> None:
    done = run(tmp_path, receipt)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("NOT VERIFIED")


def test_what_is_wrong_is_said_in_words(tmp_path: Path) -> None:
    assert run(tmp_path, "{}").stderr == "NOT VERIFIED: the receipt has no field 'type'\n"


def test_is_one_short_file_that_needs_nothing_of_bailee() -> None:
    source = SCRIPT.read_text()
    assert len(source.splitlines()) <= 200
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}
