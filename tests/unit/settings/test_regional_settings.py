"""Several regions in one file, each with parts of its own; what is missing is named at once."""

from pathlib import Path

import pytest

from bailee.cli.certificates import certificate_names
from bailee.settings import Settings, WrongSettings, load

COMPLETE = """
[server]
port = 9443
[regions.us]
hosts = ["us.example"]
[regions.eu]
hosts = ["eu.example"]
data_folder = "eu"
[regions.eu.server]
port = 9444
[[regions.eu.backends]]
name = "near"
base_url = "https://near.example/v1"
models = { big = "big" }
terms = { region = "eu" }
"""


def read(folder: Path, text: str, region: str = "us") -> Settings:
    file = folder / "bailee.toml"
    file.write_text(text)
    return load(file=file, flags={"region": region}, folder=folder).settings


def wrong(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(WrongSettings) as refused:
        read(folder, text)
    return {problem.setting: problem.message for problem in refused.value.problems}


def test_each_region_has_its_own_parts(tmp_path: Path) -> None:
    us, eu = read(tmp_path, COMPLETE), read(tmp_path, COMPLETE, "eu")
    assert (us.region, us.data_folder, us.server.port, us.backends) == (
        *("us", tmp_path / "data", 9443, ()),
    )
    assert (eu.region, eu.data_folder, eu.server.port) == ("eu", tmp_path / "eu", 9444)
    assert [backend.name for backend in eu.backends] == ["near"]
    assert {name: table.hosts for name, table in eu.regions.items()} == {
        "us": ("us.example",),
        "eu": ("eu.example",),
    }


def test_the_hosts_of_a_region_are_in_its_certificate(tmp_path: Path) -> None:
    ports = COMPLETE.replace("eu.example", "eu.example:9444").replace("us.example", "localhost")
    listening = ports.replace("port = 9444", 'port = 9444\nhost = "0.0.0.0"\nextra_names = ["eu"]')
    assert certificate_names(read(tmp_path, COMPLETE)) == ("us.example",)
    assert certificate_names(read(tmp_path, listening, "eu")) == ("eu.example", "eu")
    assert certificate_names(read(tmp_path, listening)) == ()


def test_nothing_that_holds_content_is_inherited(tmp_path: Path) -> None:
    text = """
[database]
url = "postgresql://localhost/us"
[objects]
url = "s3://us-bucket"
[ray]
address = "https://ray.example"
[[backends]]
name = "home"
base_url = "https://home.example/v1"
models = { big = "big" }
terms = { region = "us" }
[models.big]
backends = ["home"]
"""
    own = """
[regions.eu.database]
url = "postgresql://localhost/eu"
[regions.eu.objects]
url = "s3://eu-bucket"
"""
    eu = read(tmp_path, text + COMPLETE + own, "eu")
    assert eu.database.url.reveal().endswith("/eu")
    assert eu.objects.url == "s3://eu-bucket"
    assert (eu.ray.address, eu.models) == ("", {})
    assert [backend.name for backend in eu.backends] == ["near"]


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    text = """
[database]
url = "postgresql://localhost/us"
[objects]
url = "s3://us-bucket"
[model]
enabled = false
[[backends]]
name = "home"
base_url = "https://home.example/v1"
terms = { region = "us" }
[regions.us]
hosts = ["us.example"]
[regions.eu]
hosts = ["eu.example"]
[regions.eu.transparency]
origin = "eu.example/log"
"""
    found = wrong(tmp_path, text)
    assert found.keys() == {
        'regions."eu".data_folder',
        'regions."eu".server.port',
        'regions."eu".database.url',
        'regions."eu".objects.url',
        'regions."eu".backends',
    }
    assert all("the region eu has no" in message for message in found.values())


@pytest.mark.parametrize(
    ("more", "setting"),
    [
        ('[regions.fr]\nhosts = ["fr.example"]', 'regions."fr"'),
        ("[[regions.eu.backends]]\nname = 'far'\nbase_url = 'https://far.example/v1'\n"
         "terms = { region = 'us' }", 'regions."eu".backends[1].terms.region'),
        ("[regions.eu.ray]\naddress = 'https://ray.example'\nterms = { region = 'us' }",
         'regions."eu".ray.terms.region'),
        ("[regions.eu.objects]\nendpoint_url = 'http://far.example'",
         'regions."eu".objects.endpoint_url'),
    ],
)  # fmt: skip
def test_what_belongs_elsewhere_is_refused(tmp_path: Path, more: str, setting: str) -> None:
    assert setting in wrong(tmp_path, COMPLETE + more)


@pytest.mark.parametrize(
    ("change", "setting"),
    [
        (("9444", "9443"), 'regions."eu".server.port'),
        (('"eu"\n', '"data/eu"\n'), 'regions."eu".data_folder'),
        (("eu.example", "us.example"), 'regions."eu".hosts'),
        (("[regions.us]\nhosts", "[regions.fr]\nhosts"), "region"),
    ],
)
def test_regions_share_nothing(tmp_path: Path, change: tuple[str, str], setting: str) -> None:
    assert setting in wrong(tmp_path, COMPLETE.replace(*change))


def test_a_classifier_of_another_region_is_refused_where_there_is_one_region(
    tmp_path: Path,
) -> None:
    text = """
[[backends]]
name = "judge"
base_url = "https://judge.example/v1"
moderation_models = { judge = "judge" }
terms = { region = "eu" }
"""
    assert "must be in the region, us" in wrong(tmp_path, text)["backends[0].terms.region"]
    read(tmp_path, text.replace('"eu"', '"us"'))
