"""Installations for `bailee bench`: real ones, made for a measurement and thrown away.

The gateway that is measured is `serve`'s own, behind a plain listener on loopback that nothing
else can open; `sealed` leaves out the disk's sync alone, `plain` is the same road under zero
retention, with sealing left out.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from bailee.api.listener import Listener
from bailee.drivers.files_local import LocalFiles
from bailee.policy.model import RetentionMode
from bailee.ports.files import AppendFile
from bailee.schema.roles import ADMINISTRATOR, GATEWAY
from bailee.settings import BackendSettings, DeclaredTerms, LimitsSettings, Settings
from bailee.wiring.database import database_url
from bailee.wiring.entrances import NOT_FOR_GATEWAYS
from bailee.wiring.gateway_process import GatewayNeeds, serve_gateway
from bailee.wiring.giving_up import give_up
from bailee.wiring.operating import administration
from bailee.wiring.places import Places
from bailee.wiring.processes import start_logging
from bailee.wiring.secrets import PEPPER, WEBHOOK_KEY, read_secret, token_name
from bailee.wiring.trust import read_trust

MODEL: Final = "mock"
Mode = Literal["durable", "sealed"]


class BenchKeys(NamedTuple):
    """API keys of the two projects that are measured with."""

    held: str
    zero_retention: str


class UnsyncedFile:
    """A file whose sync does nothing."""

    def __init__(self, file: AppendFile) -> None:
        self.append = file.append
        self.truncate = file.truncate
        self.close = file.close
        self._file = file

    @property
    def size_bytes(self) -> int:
        """How long the file is."""
        return self._file.size_bytes

    def sync(self) -> None:
        """Leave it to the operating system."""


class UnsyncedFiles(LocalFiles):
    """Files whose sync does nothing: what sealing costs without the disk."""

    def append_to(  # type: ignore[override]
        self, path: str, *, create: bool
    ) -> AppendFile:
        """Open as `LocalFiles` does, and never sync."""
        return UnsyncedFile(super().append_to(path, create=create))


def bench_settings(data: Path, upstream_port: int, *, region: str = "us") -> Settings:
    """Everything on, limits far above what a measurement reaches, the mock as only backend."""
    far = 1_000_000_000
    return Settings(
        data_folder=data,
        region=region,
        model=msgspec.structs.replace(Settings().model, enabled=False),
        embeddings=msgspec.structs.replace(Settings().embeddings, enabled=False),
        moderation=msgspec.structs.replace(Settings().moderation, enabled=False),
        limits=LimitsSettings(
            key_requests_per_minute=far,
            key_tokens_per_minute=far,
            project_requests_per_minute=far,
            project_tokens_per_minute=far,
        ),
        backends=(
            BackendSettings(
                name=MODEL,
                base_url=f"http://127.0.0.1:{upstream_port}/v1",
                models={MODEL: MODEL},
                concurrency=512,
                queue=4096,
                terms=DeclaredTerms(
                    region=region, retention_days=0, trains=False, zero_retention=True
                ),
            ),
        ),
    )


async def make_keys(settings: Settings) -> BenchKeys:
    """A project whose content is held, and one under zero retention, each with a key."""
    async with administration(settings) as installation:
        held = await installation.create_project(organisation="Bench", name="held")
        zero = await installation.create_project(organisation="Bench", name="zero retention")
        mode = RetentionMode.ZERO_DATA_RETENTION.value
        await installation.set_project(str(zero["id"]), retention=mode)
        keys = [
            await installation.create_key(
                project=str(project["id"]), name="bench", expires_in_days=1
            )
            for project in (held, zero)
        ]
    return BenchKeys(str(keys[0]["key"]), str(keys[1]["key"]))


def run_bench_gateway(settings: Settings, port: int, mode: Mode, ready: Callable[[], None]) -> None:
    """One worker on a plain loopback port, until it is told to stop."""
    start_logging(settings, "gateway-bench")
    places = Places(settings.data_folder.absolute())
    needs = GatewayNeeds(
        read_trust(places),
        read_secret(places.secrets, token_name("gateway"), {}),
        read_secret(places.secrets, PEPPER, {}),
        read_secret(places.secrets, WEBHOOK_KEY, {}),
        database_url(settings, places, GATEWAY),
        database_url(settings, places, ADMINISTRATOR),
    )
    give_up(places, NOT_FOR_GATEWAYS)
    serve_gateway(
        settings,
        places,
        0,
        needs,
        ready,
        listener=Listener.plain_for_benchmark(port),
        files=UnsyncedFiles(places.data) if mode == "sealed" else None,
    )
