"""Where jobs are trained and where what comes out answers, as settings say and terms allow."""

from pathlib import Path

import pytest
from tests.support.keeper_world import OWNER

from bailee.application_state.fine_tuning import AdapterDetails
from bailee.custody.seal.part import Owner
from bailee.drivers.adapters_vllm.runner import VllmAdapterBackend
from bailee.drivers.memory import ManualClock
from bailee.drivers.trainer_local import LocalTrainer
from bailee.drivers.trainer_openai import ProviderTrainer
from bailee.drivers.trainer_ray import RayTrainer
from bailee.governance.tenancy.errors import Refusal
from bailee.kernel.errors import InvalidInput, NotFound, UnknownKey
from bailee.kernel.instants import Instant
from bailee.policy.decide import Decider
from bailee.policy.load import packaged_policy
from bailee.policy.model import RetentionMode
from bailee.ports.trainer import TrainingFailure
from bailee.serving.caller import Caller
from bailee.serving.errors import Because, CallRefused
from bailee.serving.routing import Planner
from bailee.settings import Settings, load
from bailee.wiring.adapter_homes import AdapterHomes
from bailee.wiring.backends import open_adapters, open_backends
from bailee.wiring.places import Places
from bailee.wiring.training import CLUSTER, Trainable, TrainingPlaces

NOW = Instant(1_795_419_000_000)
GOOD = 'region = "us", retention_days = 30, trains = false'
SETTINGS = """
[[backends]]
name = "provider"
base_url = "https://llm.example/v1"
models = {{ big = "vendor/big" }}
credential = "provider-key"
terms = {{ {terms} }}
[[backends]]
name = "vllm"
base_url = "http://127.0.0.1:1/v1"
models = {{ tuned-there = "x" }}
adapters_folder = "/dev/shm/none"
terms = {{ {terms} }}
[ray]
address = "https://ray.example"
public_key_file = "cluster.pub"
terms = {{ {terms} }}
[fine_tuning.big]
at = "upstream"
backend = "provider"
[fine_tuning.tuned-there]
at = "ray"
adapters = "vllm"
weights = "/models/x.gguf"
weights_sha256 = "{digest}"
"""


def settings_of(folder: Path, terms: str = GOOD) -> Settings:
    (folder / "bailee.toml").write_text(SETTINGS.format(terms=terms, digest="0" * 64))
    (folder / "cluster.pub").write_bytes(b"")
    file = folder / "bailee.toml"
    return load(file=file, environment={}, flags={}, folder=folder).settings


def caller(mode: RetentionMode = RetentionMode.DEFAULT) -> Caller:
    return Caller(b"", OWNER.tenant, OWNER.project, OWNER.region, 0, retention_mode=mode)


def trainable_of(settings: Settings) -> Trainable:
    planner = Planner({}, Decider(packaged_policy()), salt_of=lambda _: "")
    return Trainable(settings, planner, ManualClock(NOW))


def places_of(settings: Settings) -> TrainingPlaces:
    async def standing(owner: Owner, key_id: bytes) -> Caller:
        assert owner == OWNER
        return caller()

    async def reveal(name: str) -> bytes:
        return b"secret"

    return TrainingPlaces(settings, trainable_of(settings), standing, reveal)


async def test_each_model_is_trained_where_settings_say(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    places = places_of(settings)
    local = await places.choose(OWNER, settings.model.name)
    assert isinstance(local.trainer, LocalTrainer)
    assert local.backend == ""
    upstream = await places.choose(OWNER, "big")
    assert isinstance(upstream.trainer, ProviderTrainer)
    assert upstream.trainer.specification.model == "vendor/big"
    assert upstream.backend == "provider"
    cluster = await places.choose(OWNER, "tuned-there")
    assert isinstance(cluster.trainer, RayTrainer)
    assert isinstance(await places.find(cluster.backend), RayTrainer)
    assert cluster.backend == CLUSTER
    with pytest.raises(TrainingFailure, match="'big'"):
        await places.choose(OWNER, "another")
    with pytest.raises(NotFound, match="configure it again"):
        await places.find("gone")


@pytest.mark.parametrize(
    ("terms", "clause"),
    [
        ('region = "us", retention_days = 30', "C02"),
        ('region = "kr", retention_days = 30, trains = false', "C15"),
        ('region = "us", retention_days = 31, trains = false', "C05"),
        ("trains = false, retention_days = 0", "C15"),
    ],
)
@pytest.mark.parametrize("model", ["big", "tuned-there"])
async def test_content_goes_nowhere_on_terms_that_would_break_a_clause(
    tmp_path: Path, terms: str, clause: str, model: str
) -> None:
    settings = settings_of(tmp_path, terms)
    with pytest.raises(CallRefused) as refused:
        trainable_of(settings)(caller(), model)
    assert refused.value.because is Because.BACKEND_TERMS
    assert clause in str(refused.value)
    with pytest.raises(TrainingFailure, match=clause) as failed:
        await places_of(settings).choose(OWNER, model)
    assert not failed.value.retry_safe


def test_who_keeps_less_here_asks_for_less_there(tmp_path: Path) -> None:
    trainable = trainable_of(settings_of(tmp_path))
    trainable(caller(), "big")
    with pytest.raises(CallRefused):
        trainable(caller(RetentionMode.MODIFIED_ABUSE_MONITORING), "big")
    with pytest.raises(InvalidInput):
        trainable(caller(), "vendor/big")


async def test_a_project_that_may_not_call_is_not_trained_for(tmp_path: Path) -> None:
    places = places_of(settings_of(tmp_path))

    async def suspended(owner: Owner, key_id: bytes) -> Caller:
        raise CallRefused(Because.SUSPENDED, f"The project is {Refusal.SUSPENDED.value}.")

    async def nothing(name: str) -> bytes:
        raise UnknownKey(name)

    places.standing = suspended
    with pytest.raises(TrainingFailure, match="suspended"):
        await places.choose(OWNER, "big")
    other = places_of(places.settings)
    other.reveal = nothing
    with pytest.raises(TrainingFailure, match="set-credential provider-key"):
        await other.choose(OWNER, "big")


async def test_each_adapter_answers_where_it_is(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    places = Places(tmp_path)

    async def reveal(name: str) -> bytes:
        return b"secret"

    async def read() -> bytes:
        raise AssertionError

    backends = open_backends(settings, places, reveal)
    homes = AdapterHomes(settings, backends, open_adapters(places))
    remote = AdapterDetails("ft:big:1", "big", "ftjob", "provider", "ft:theirs")
    route = homes.route(remote, read)
    assert (route.name, route.upstream_model) == ("provider", "ft:theirs")
    assert route.backend is backends["provider"]
    assert not route.terms.trains
    loaded = homes.route(AdapterDetails("ft:tuned-there:1", "tuned-there", "ftjob"), read)
    assert loaded.name == "vllm"
    assert isinstance(loaded.backend, VllmAdapterBackend)
    local = homes.route(AdapterDetails("ft:x:1", settings.model.name, "ftjob"), read)
    assert local.name == "embedded"
    with pytest.raises(NotFound):
        homes.route(AdapterDetails("ft:big:1", "big", "ftjob", "gone", "ft:theirs"), read)
