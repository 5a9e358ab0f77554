"""The installation under tour: two gateways and a mock upstream, on a clock of its own."""

from pathlib import Path
from typing import Final

from bailee.cli.house import House
from bailee.kernel.errors import InvalidInput
from bailee.settings import ModelRunnerSettings

MOCK_MODEL: Final = "tour"

_SETTINGS: Final = """\
region = "us"

[server]
host = "127.0.0.1"
port = {port}
workers = 2

[embeddings]
enabled = false
[moderation]
enabled = false
[model]
enabled = WITH_MODEL

[[backends]]
name = "mock"
base_url = "http://127.0.0.1:UPSTREAM/v1"
models = { tour = "mock" }

[backends.terms]
region = "us"
retention_days = 0
trains = false
"""


def tour_house(data: Path, upstream_port: int, *, with_model: bool) -> House:
    """Not started by this. Raises InvalidInput: the model's weights are not there."""
    text = _SETTINGS.replace("UPSTREAM", str(upstream_port))
    text = text.replace("WITH_MODEL", str(with_model).lower())
    return House(data, text, flags={"model.file": str(_weights())} if with_model else {})


def _weights() -> Path:
    weights = ModelRunnerSettings().file.absolute()
    if not weights.is_file():
        raise InvalidInput(f"{weights} is not there; `make model` fetches it")
    return weights
