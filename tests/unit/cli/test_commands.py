"""The commands as a person runs them: help, exit codes, JSON, and errors without a traceback."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.core
import typer.main

from bailee.cli.consent import said
from bailee.cli.main import app
from bailee.cli.options import seconds_of
from bailee.cli.output import cells, shown
from bailee.cli.status_files import announce_address
from bailee.cli.verify import public_keys
from bailee.kernel.errors import InvalidInput

RECEIPTS = Path(__file__).parents[2] / "vectors" / "receipt.json"


def run(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bailee", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    def below(
        group: typer.core.TyperGroup, path: str
    ) -> Iterator[tuple[str, typer.core.TyperCommand]]:
        for name, command in group.commands.items():
            if isinstance(command, typer.core.TyperGroup):
                yield from below(command, f"{path} {name}")
            elif isinstance(command, typer.core.TyperCommand):
                yield f"{path} {name}", command

    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return below(group, "bailee")


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=str)
def test_every_command_says_what_it_does_with_an_example(
    path: str, command: typer.core.TyperCommand
) -> None:
    assert command.help is not None
    assert f"Example: {path}" in command.help or f"$({path}" in command.help
    options = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    assert all(getattr(option, "help", None) for option in options)


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=str)
def test_help_flows(path: str, command: typer.core.TyperCommand) -> None:
    assert command.help is not None
    paragraphs = command.help.split("\n\n")
    assert not [part for part in paragraphs if "\n" in part], path


def test_a_group_is_described_by_its_own_words(tmp_path: Path) -> None:
    assert "Import dated records" in run(tmp_path, "import", "--help").stdout


def test_version_and_help_need_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, "version").stdout.strip()
    assert run(tmp_path, "--version").stdout == run(tmp_path, "version").stdout
    shown = run(tmp_path, "--help")
    assert shown.returncode == 0
    assert "bailee serve" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_wrong_use_and_wrong_settings_end_with_2(tmp_path: Path) -> None:
    assert run(tmp_path, "nonsense").returncode == 2
    refused = run(tmp_path, "config", BAILEE_SERVER__PROT="1")
    assert refused.returncode == 2
    assert "BAILEE_SERVER__PROT: server.prot: there is no such setting" in refused.stderr
    assert "did you mean port?" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_config_shows_origins_and_hides_secrets(tmp_path: Path) -> None:
    (tmp_path / "bailee.toml").write_text("[server]\nworkers = 3\n")
    shown = run(
        tmp_path,
        *("config", "--json", "--set", "region=eu-1"),
        BAILEE_DATABASE__URL="postgresql://u:hunter2@localhost/x",
    )
    rows = {row["setting"]: (row["value"], row["origin"]) for row in json.loads(shown.stdout)}
    assert rows["server.workers"] == (3, f"{tmp_path}/bailee.toml:2")
    assert rows["region"] == ("eu-1", "--set region")
    assert rows["database.url"] == ("postgresql://<secret>@localhost/x", "BAILEE_DATABASE__URL")
    assert rows["server.port"] == (8443, "default")
    assert "hunter2" not in shown.stdout + run(tmp_path, "config").stdout


def test_env_gives_what_a_shell_can_evaluate(tmp_path: Path) -> None:
    folder = tmp_path / "a data; folder's"
    (folder / "tls").mkdir(parents=True)
    (folder / "tls" / "bundle.pem").touch()
    (folder / "secrets").mkdir()
    (folder / "secrets" / "demo-api-key").write_text("sk-bailee-x\n")
    printed = run(tmp_path, "env", "--data", str(folder), "--set", "server.port=9000").stdout
    script = f'{printed}\nprintf "%s\\n" "$OPENAI_BASE_URL" "$OPENAI_API_KEY" "$SSL_CERT_FILE"'
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert shell.stdout.splitlines() == [
        "https://localhost:9000/v1",
        "sk-bailee-x",
        f"{folder}/tls/bundle.pem",
    ]
    (folder / "run").mkdir()
    announce_address(folder / "run", "https://localhost:9001")
    running = run(tmp_path, "env", "--data", str(folder), "--json").stdout
    assert json.loads(running)["OPENAI_BASE_URL"] == "https://localhost:9001/v1"
    unset = run(tmp_path, "env", "--unset").stdout
    environment = {"PATH": os.environ["PATH"], "SSL_CERT_FILE": "/mine", "HOME": "/home"}
    program = Path(sys.executable).with_name("bailee")
    again = f"{program} config --json > config.json"
    script = f"{printed}\n{printed}\n{again}\nenv\necho taken back\n{unset}\nenv"
    shell = subprocess.run(
        ["/bin/sh", "-c", f"set -e\n{script}"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=tmp_path,
    )
    assert json.loads((tmp_path / "config.json").read_text()), "commands work in such a shell"
    during, after = (
        dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
        for part in shell.stdout.split("taken back\n")
    )
    assert during["NODE_EXTRA_CA_CERTS"] == during["SSL_CERT_FILE"] == f"{folder}/tls/bundle.pem"
    assert after.keys() - {"PWD", "_"} == environment.keys()
    assert after["SSL_CERT_FILE"] == "/mine", "what was there before is back"


def test_env_before_the_first_start_says_what_to_do(tmp_path: Path) -> None:
    refused = run(tmp_path, "env")
    assert refused.returncode == 1
    assert "start `bailee serve` once" in refused.stderr
    assert refused.stdout == ""


def test_policy_explain_cites_clause_and_version(tmp_path: Path) -> None:
    shown = run(tmp_path, "policy", "explain", "/v1/chat/completions", "--json")
    said = json.loads(shown.stdout)
    assert said["allowed"] is True
    assert said["handlings"][0]["purpose"] == "abuse_monitoring"
    refused = run(tmp_path, "policy", "explain", "/v1/chat/completions", "--retention", "none")
    assert refused.returncode == 2
    assert "zero_data_retention" in refused.stderr


def test_policy_explain_ends_with_1_when_the_call_is_refused(tmp_path: Path) -> None:
    asked = ("policy", "explain", "/v1/files", "--retention", "zero_data_retention")
    for refused in (run(tmp_path, *asked), run(tmp_path, *asked, "--json")):
        assert refused.returncode == 1
        assert "C08" in refused.stdout
        assert "as it is packaged" in " ".join(refused.stderr.split()), "nothing runs there"


@pytest.mark.parametrize(
    "asked",
    [
        ("/v1/chat/completions", "--sharing", "--store"),
        ("/v1/files",),
        ("/v1/chat/completions", "--retention", "zero_data_retention"),
        ("/v1/nowhere",),
    ],
)
def test_policy_explain_is_in_one_language(tmp_path: Path, asked: tuple[str, ...]) -> None:
    english = run(tmp_path, "policy", "explain", *asked).stdout
    korean = run(tmp_path, "policy", "explain", *asked, "-l", "ko").stdout
    assert not re.search("[가-힣]", english)
    assert len(korean.splitlines()) == len(english.splitlines())
    names = r"`[^`]+`|[0-9T:.-]+Z|\bus\b|\bAPI\b|C[0-9]{2}"
    assert not re.search("[A-Za-z]", re.sub(names, "", korean)), korean


def test_policy_lint_names_what_is_wrong(tmp_path: Path) -> None:
    assert run(tmp_path, "policy", "lint").returncode == 0
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "x.toml").write_text("nonsense = 1\n")
    (tmp_path / "bailee.toml").write_text("[server]\nport = 1\n")
    broken = run(tmp_path, "policy", "lint", str(tmp_path))
    assert broken.returncode == 1
    assert "versions/x.toml" in broken.stderr
    assert "bailee.toml" not in broken.stderr, "what is no part of a policy is left alone"
    (tmp_path / "empty").mkdir()
    empty = run(tmp_path, "policy", "lint", str(tmp_path / "empty"))
    assert empty.stderr == "versions/: a version of the service `api` is needed\n"
    assert empty.stdout == "no versions: 1 problem\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("webhooks", "replay", "wh_0"), "--since"),
        (("roles", "recertify", "assign_0"), "--keep"),
        (("zero-retention", "list"), "--due"),
        (("zero-retention", "review", "zra_0", "--review-at", "soon"), "--review-at"),
        (("consent", "history", "--known-at", "2026-11-26T08:00:00"), "--known-at"),
        (("login", "--email", "ada@example.com"), "nothing was sent"),
        (("policy", "diff", "draft_0", "-l", "fr"), "write en or ko"),
        (("policy", "approve", "draft_0", "--digest", "b22ac3f"), "first 8 digits"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_sent(
    tmp_path: Path, command: tuple[str, ...], said: str
) -> None:
    refused = run(tmp_path, *command)
    assert refused.returncode == 2
    assert said in refused.stderr


@pytest.mark.parametrize(
    "text", ["1795680000", "2026-11-26T08:00:00Z", "2026-11-26T17:00:00+09:00"]
)
def test_an_instant_is_rfc_3339_or_unix_seconds(text: str) -> None:
    assert seconds_of(text, "since") == 1_795_680_000


def test_an_organisation_can_be_named_wherever_a_command_acts_in_one() -> None:
    alone = {"bailee agreements templates", "bailee zero-retention list"}
    groups = ("agreements", "consent", "people", "roles", "webhooks", "zero-retention")
    found = {
        path: {name for parameter in command.params for name in parameter.opts}
        for path, command in commands()
        if path.split()[1] in groups and path not in alone
    }
    assert all("--organisation" in options for options in found.values())


def test_tables_are_for_people() -> None:
    assert [shown(value) for value in (None, True, False, ["*"], [], 3)] == [
        *("–", "yes", "no", "*", "–", "3"),
    ]
    assert shown({"a_b": [1, 2]}) == "a b: 1, 2"
    assert cells({"created_at": 1_795_700_000, "points": 3}, ("created_at", "points")) == [
        "2026-11-26T13:33:20Z",
        3,
    ]
    assert cells({"until_at": 1_795_700_000.86}, ("until_at",)) == ["2026-11-26T13:33:20.860Z"]


def test_consent_is_said_with_since_when_by_whom_and_for_which_text() -> None:
    decided = {"valid_from": 1_795_700_000.86, "actor": "user_1", "text": "2026-11-25"}
    assert said({"stands": True, "decided_by": decided}) == (
        "stands since 2026-11-26T13:33:20.860Z, said by user_1, to text 2026-11-25"
    )
    assert said({"stands": False, "decided_by": None}) == "does not stand"


def test_a_second_serve_from_the_same_folder_is_refused(tmp_path: Path) -> None:
    from bailee.cli.installation import owned_data_folder

    with owned_data_folder(tmp_path / "data"):
        refused = run(tmp_path, "serve")
    assert refused.returncode == 1
    assert "another `bailee serve` runs from" in refused.stderr
    assert (tmp_path / "data" / "keyring").stat().st_mode & 0o777 == 0o700


def test_a_data_folder_whose_sockets_would_have_too_long_names_is_refused(tmp_path: Path) -> None:
    from bailee.cli.installation import LONGEST_SOCKET, SOCKET_NAME_MAX_BYTES, owned_data_folder
    from bailee.wiring.places import Places

    room = SOCKET_NAME_MAX_BYTES - len(f"{tmp_path}//{LONGEST_SOCKET}")
    folder = tmp_path / ("x" * room)
    assert Places(folder).adapters == folder / LONGEST_SOCKET
    with owned_data_folder(folder), socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / LONGEST_SOCKET))
    refused = run(tmp_path, "serve", "--data", f"{folder}y")
    assert refused.returncode == 2
    assert "a shorter one with --data" in " ".join(refused.stderr.split())
    assert not (tmp_path / f"{folder.name}y").exists()


def test_keys_are_needed_to_verify(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="--log-key"):
        public_keys(tmp_path)
