"""`bailee verify` on the published vectors: what is verified, and what is not."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bailee.cli.main import app

VECTOR = json.loads((Path(__file__).parents[2] / "vectors" / "receipt.json").read_text())
KEYS = ("--log-key", VECTOR["log_key"], "--keeper-key", VECTOR["keeper_key"])


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("response", "destruction", "request", "answer"):
        (tmp_path / name).write_text(VECTOR[name])
    return tmp_path


def verify(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["verify", *KEYS, *map(str, arguments)])
    return result.exit_code, result.output


def test_receipts_are_verified_and_say_what_they_do_not_prove(files: Path) -> None:
    code, said = verify(files / "response", files / "destruction")
    assert code == 0
    assert said.count(": verified") == 2
    assert said.count("It does not prove that ") == 2
    assert "nobody copied plaintext" in said


def test_an_exchange_is_recognised_and_another_is_not(files: Path) -> None:
    exchange = ("--receipt-key", VECTOR["receipt_key"], "--answer", files / "answer")
    code, said = verify(files / "response", *exchange, "--request", files / "request")
    assert (code, "it is about exactly this request and answer" in said) == (0, True)
    (files / "request").write_text("something else")
    code, said = verify(files / "response", *exchange, "--request", files / "request")
    assert (code, "NOT VERIFIED" in said) == (1, True)


@pytest.mark.parametrize("name", ["response", "destruction"])
def test_an_altered_receipt_is_not_verified(files: Path, name: str) -> None:
    altered = VECTOR[name].replace("20", "21", 1)
    assert altered != VECTOR[name]
    (files / name).write_text(altered)
    code, said = verify("--json", files / name)
    assert code == 1
    (result,) = json.loads(said)
    assert result["verified"] is False
    assert result["says"] != []


def test_the_installations_own_keys_are_the_default(files: Path) -> None:
    trust = {"log_key": VECTOR["log_key"], "keeper_key": VECTOR["keeper_key"]}
    (files / "trust").mkdir()
    (files / "trust" / "trust.json").write_text(json.dumps(trust))
    arguments = ["verify", "--data", str(files), str(files / "response")]
    assert CliRunner().invoke(app, arguments).exit_code == 0
