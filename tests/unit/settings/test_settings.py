"""Settings: sources from weak to strong, refusals with their place, secrets that do not print."""

import copy
import pickle
from pathlib import Path

import pytest

from bailee.kernel.errors import InvalidInput
from bailee.settings import Loaded, SecretText, WrongSettings, find_file, load

BACKEND = """
[[backends]]
name = "hosted"
base_url = "https://llm.example/v1"
models = {"gpt-4o" = "upstream-name"}
"""


def from_text(folder: Path, text: str, **sources: dict[str, str]) -> Loaded:
    file = folder / "bailee.toml"
    file.write_text(text)
    return load(file=file, folder=folder, **sources)


def problems(folder: Path, text: str = "", **sources: dict[str, str]) -> list[str]:
    with pytest.raises(WrongSettings) as caught:
        from_text(folder, text, **sources)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_defaults_need_no_source(tmp_path: Path) -> None:
    loaded = load(folder=tmp_path)
    assert loaded.settings.server.port == 8443
    assert loaded.settings.data_folder == tmp_path / "data"
    assert loaded.origins["server.port"].kind == "default"


def test_flags_beat_the_environment_and_that_beats_the_file(tmp_path: Path) -> None:
    text = "[server]\nport = 1001\nworkers = 2\nhost = '127.0.0.3'\n"
    loaded = from_text(
        tmp_path,
        text,
        environment={"BAILEE_SERVER__PORT": "1002", "BAILEE_SERVER__WORKERS": "3", "PATH": "x"},
        flags={"server.port": "1003"},
    )
    server = loaded.settings.server
    assert (server.port, server.workers, server.host) == (1003, 3, "127.0.0.3")
    assert loaded.origins["server.port"].place == "--set server.port"
    assert loaded.origins["server.workers"].place == "BAILEE_SERVER__WORKERS"
    assert loaded.origins["server.host"].place == f"{tmp_path}/bailee.toml:4"


def test_relative_paths_belong_to_the_file_that_says_them(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    loaded = from_text(tmp_path / "etc", "data_folder = 'd'\n[model]\nfile = '/weights.gguf'\n")
    assert loaded.settings.data_folder == tmp_path / "etc" / "d"
    assert loaded.settings.model.file == Path("/weights.gguf")
    flagged = load(folder=tmp_path, flags={"data_folder": "d"})
    assert flagged.settings.data_folder == tmp_path / "d"


def test_every_problem_is_named_at_once_with_its_place(tmp_path: Path) -> None:
    text = (
        '[server]\nprot = 1\nport = "x"\n[[backends]]\nname = "a"\n[backends.terms]\ntrains = 2\n'
    )
    assert problems(
        tmp_path,
        text,
        environment={"BAILEE_SEVER__PORT": "1"},
        flags={"journal.close_after_s": "61"},
    ) == [
        "BAILEE_SEVER__PORT: sever: there is no such setting; did you mean server?",
        "bailee.toml:2: server.prot: there is no such setting; did you mean port?",
        "bailee.toml:3: server.port: must be a whole number, at least 1 and at most 65,535, "
        "not 'x'",
        "--set journal.close_after_s: journal.close_after_s: must be a whole number, "
        "at least 1 and at most 60, not '61'",
        "bailee.toml:5: backends[0].base_url: this is needed and has no default",
        "bailee.toml:7: backends[0].terms.trains: must be true or false, not 2",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server = 1\n", "server: this is a table"),
        ("backends = 3\n", "backends: this is a list of tables: write [[backends]]"),
        ("[region]\nx = 1\n", "region: must be 1 to 32 of a-z, 0-9 and -, not a table"),
        ("models = 1\n", "models: this is a table of names"),
        ("[logging]\nlevel = 'loud'\n", "one of debug, info, warning, error, not 'loud'"),
    ],
)
def test_a_wrong_shape_is_said(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert said in problem


def test_backends_and_fallback_order(tmp_path: Path) -> None:
    text = BACKEND + '[backends.terms]\nregion = "us"\n[models."gpt-4o"]\nbackends = ["hosted"]\n'
    loaded = from_text(tmp_path, text)
    (backend,) = loaded.settings.backends
    assert backend.models == {"gpt-4o": "upstream-name"}
    assert backend.terms.region == "us"
    assert backend.terms.trains, "what is not declared counts as the worst"
    assert loaded.settings.models["gpt-4o"].backends == ("hosted",)


def test_tables_can_come_from_the_environment(tmp_path: Path) -> None:
    value = '[{name = "a", base_url = "https://a.example/v1"}]'
    loaded = load(folder=tmp_path, environment={"BAILEE_BACKENDS": value})
    assert [backend.name for backend in loaded.settings.backends] == ["a"]
    names = load(folder=tmp_path, environment={"BAILEE_SERVER__EXTRA_NAMES": "a.example, b"})
    assert names.settings.server.extra_names == ("a.example", "b")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.9", "[::1]"])
def test_a_plain_upstream_on_this_machine_is_accepted(tmp_path: Path, host: str) -> None:
    loaded = from_text(tmp_path, BACKEND.replace("https://llm.example", f"http://{host}:8000"))
    assert loaded.settings.backends[0].base_url.startswith("http://")


@pytest.mark.parametrize("host", ["llm.example", "10.0.0.1", "localhost.example", "[2001:db8::1]"])
def test_a_plain_upstream_elsewhere_is_refused(tmp_path: Path, host: str) -> None:
    (problem,) = problems(tmp_path, BACKEND.replace("https://llm.example", f"http://{host}"))
    assert problem.startswith("bailee.toml:4: backends[0].base_url: is plain HTTP")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@db.example/x",
        "postgresql://u@db.example/x?sslmode=disable",
        "postgresql://u@db.example/x?sslmode=require",
        "postgresql:///x?host=db.example",
        "mysql://db.example/x",
        "postgresql://[/x",
    ],
)
def test_a_database_without_verified_tls_is_refused(tmp_path: Path, url: str) -> None:
    (problem,) = problems(tmp_path, environment={"BAILEE_DATABASE__URL": url})
    assert problem.startswith("BAILEE_DATABASE__URL: database.url: ")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@db.example/x?sslmode=verify-full",
        "postgresql://u@127.0.0.1/x",
        "postgresql:///x?host=/run/postgresql",
    ],
)
def test_a_database_here_or_with_verified_tls_is_accepted(tmp_path: Path, url: str) -> None:
    loaded = load(folder=tmp_path, environment={"BAILEE_DATABASE__URL": url})
    assert loaded.settings.database.url.reveal() == url


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BACKEND + BACKEND, "2 backends are called hosted"),
        (BACKEND.replace('"hosted"', '"embedded"'), "embedded is a local model"),
        (BACKEND.replace('"hosted"', '"embedded-text"'), "embedded-text is a local model"),
        (BACKEND + 'moderation_models = {"gpt-4o" = "x"}\n', "gpt-4o is among models too"),
        ('[embeddings]\nname = "bailee-moderation"\n', "the name of two local models"),
        (BACKEND + '[models."gpt-4o"]\nbackends = ["hostd"]\n', "there is no backend hostd"),
        (BACKEND + '[models."gpt-5"]\nbackends = ["hosted"]\n', "hosted has no model gpt-5"),
        (BACKEND.replace("llm.example", "key@llm.example"), "must have no credentials"),
        ("[server]\ncertificate_file = 'x.pem'\n", "together with server.private_key_file"),
        ("[server]\nclient_certificate_port = 8443\n", "another port than server.port"),
        (
            "[server]\nhttp2 = true\nclient_certificate_port = 8444\n",
            "Granian does not tell which certificate",
        ),
        (
            "[objects]\nurl = 's3://b'\nendpoint_url = 'http://10.0.0.1'\n",
            "plain HTTP to another machine",
        ),
        (
            '[fine_tuning.x]\nat = "upstream"\nbackend = "y"',
            "must name a backend; there are none",
        ),
        (
            BACKEND + '[fine_tuning.x]\nat = "upstream"\nbackend = "hosted"',
            "has no model x; add it to its models",
        ),
        ("[fine_tuning.x]\nat = 'local'", "where the local model alone can be trained"),
        (
            '[fine_tuning.smollm2-135m-instruct]\nat = "ray"\nweights = "/w"\n'
            f'weights_sha256 = "{"0" * 64}"',
            "set ray.address and ray.public_key_file too",
        ),
        ('[ray]\naddress = "http://ray.example"', "plain HTTP to another machine"),
        (
            BACKEND + '[fine_tuning.smollm2-135m-instruct]\nadapters = "hosted"',
            "must name a backend with an adapters_folder",
        ),
    ],
)
def test_rules_that_span_settings(tmp_path: Path, text: str, said: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert said in problem


def test_secrets_do_not_print(tmp_path: Path) -> None:
    url = "postgresql://user:hunter2@127.0.0.1:5432/x?password=hunter3"
    loaded = load(folder=tmp_path, environment={"BAILEE_DATABASE__URL": url})
    secret = loaded.settings.database.url
    assert "hunter" not in f"{loaded.settings!r} {secret} {secret!r} {secret:>30}"
    assert secret.shown() == "postgresql://<secret>@127.0.0.1:5432/x?<secret>"
    assert SecretText("sk-hunter2").shown() == "<secret>"
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="pickled"):
        copy.copy(secret)


def test_a_refusal_does_not_quote_what_may_be_a_secret(tmp_path: Path) -> None:
    text = BACKEND + 'credential = "sk-HUNTER2"\n' + "[database]\nurl = ['hunter2']\n"
    for problem in problems(tmp_path, text):
        assert "hunter2" not in problem.lower()


def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"not TOML.*line 2"):
        from_text(tmp_path, "region = 'us'\nport 3\n")
    with pytest.raises(InvalidInput, match="--config"):
        load(file=tmp_path / "absent.toml", folder=tmp_path)


def test_which_file_counts(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert find_file(None, {}, tmp_path, data) is None
    (data / "bailee.toml").touch()
    assert find_file(None, {}, tmp_path, data) == data / "bailee.toml"
    (tmp_path / "bailee.toml").touch()
    assert find_file(None, {}, tmp_path, data) == tmp_path / "bailee.toml"
    assert find_file(None, {"BAILEE_CONFIG": "/e.toml"}, tmp_path, data) == Path("/e.toml")
    assert find_file(Path("/f.toml"), {"BAILEE_CONFIG": "/e"}, tmp_path, data) == Path("/f.toml")
