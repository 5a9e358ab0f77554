"""The installation that is searched, and its two projects."""

from pathlib import Path
from typing import Final

from bailee.cli.canary.upstream import MODELS
from bailee.cli.house import House
from bailee.policy.model import RetentionMode
from bailee.settings import Settings
from bailee.wiring.operating import administration

GATEWAYS: Final = 2
IDLE_TIMEOUT_S: Final = 1.0
"""How long the upstream's silence lasts until a call times out."""

_SETTINGS: Final = """\
region = "us"

[server]
host = "127.0.0.1"
port = {port}
workers = GATEWAYS

[journal]
close_after_s = 1

[limits]
key_requests_per_minute = 0
key_tokens_per_minute = 0
project_requests_per_minute = 0
project_tokens_per_minute = 0

[model]
enabled = LOCAL_MODEL
file = "MODEL_FILE"
threads = 1

[[backends]]
name = "canary"
base_url = "http://127.0.0.1:UPSTREAM/v1"
models = { MODELS }
concurrency = 1024
idle_timeout_s = IDLE_TIMEOUT_S

[backends.terms]
region = "us"
retention_days = 0
trains = false
zero_retention = true
"""


def local_model() -> bool:
    """Whether the local model is here, so that its runner can be searched too."""
    return Settings().model.file.is_file()


def canary_house(root: Path, upstream_port: int) -> House:
    """Not started by this. All that its processes could call their own lies below `root`."""
    text = _SETTINGS
    for name, value in (
        ("UPSTREAM", str(upstream_port)),
        ("GATEWAYS", str(GATEWAYS)),
        ("IDLE_TIMEOUT_S", str(IDLE_TIMEOUT_S)),
        ("LOCAL_MODEL", str(local_model()).lower()),
        ("MODEL_FILE", str(Settings().model.file.absolute())),
        ("MODELS", ", ".join(f'{model} = "{model}"' for model in MODELS)),
    ):
        text = text.replace(name, value)
    folders = {name: root / name.lower() for name in ("data", "home", "tmp")}
    for folder in folders.values():
        folder.mkdir(mode=0o700)
    variables = {"HOME": str(folders["home"]), "TMPDIR": str(folders["tmp"])}
    return House(folders["data"], text, variables=variables)


async def make_key(house: House, organisation: str, mode: RetentionMode) -> str:
    """A project in a retention mode, and a key of it."""
    async with administration(house.settings) as installation:
        made = await installation.create_project(organisation=organisation, name="canary")
        project = str(made["id"])
        # Before there is a key: who knows the key then knows the mode.
        await installation.set_project(project, retention=mode.value)
        key = await installation.create_key(project=project, name="canary", expires_in_days=None)
    return str(key["key"])
