"""Every setting: its type, default, unit, what is allowed, and one line on what it does.

This module is the only list of settings. The reading of files and variables (`settings.reading`),
the checks that span settings (`settings.rules`) and `docs/reference/settings.md` follow from it.
Nothing here reads anything.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from bailee.settings.agreements import AgreementsSettings
from bailee.settings.fine_tuning import DeclaredTerms, FineTuningSettings, RaySettings
from bailee.settings.secret import SecretText
from bailee.settings.sign_in import SignInSettings
from bailee.settings.words import Digest, HostName, HttpAddress, Name, RegionName

SMOLLM2_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class ServerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the API listens, and with which certificate."""

    host: Annotated[str, Meta(min_length=1, description="Address that gateways listen on.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port of the API, TLS only.")] = 8443
    client_certificate_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="A second TCP port of the API that asks clients for a certificate; "
            "0: there is none.",
        ),
    ] = 0
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Gateway workers: processes that answer. When the only one dies, "
            "connections are refused for the seconds until it is there again; of two or more, the "
            "others go on.",
        ),
    ] = 1
    http2: Annotated[
        bool,
        Meta(description="Speak HTTP/2 as well, at the cost of some throughput (Granian serves)."),
    ] = False
    extra_names: Annotated[
        tuple[str, ...],
        Meta(description="More host names or addresses for the certificate made here."),
    ] = ()
    certificate_file: Annotated[
        Path | None,
        Meta(description="Certificate chain (PEM) to use in place of the local authority's."),
    ] = None
    private_key_file: Annotated[
        Path | None, Meta(description="Private key (PEM) of `certificate_file`.")
    ] = None
    drain_timeout_s: Annotated[
        float, Meta(ge=0, le=3600, description="How long stopping waits for answers in flight.")
    ] = 30.0


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """PostgreSQL."""

    url: Annotated[
        SecretText,
        Meta(
            description="External server, `postgresql://…?sslmode=verify-full`; "
            "empty: one is run in the data folder.",
        ),
    ] = field(default_factory=SecretText)
    connections: Annotated[
        int, Meta(ge=1, le=100, description="Connections that each process keeps, at most.")
    ] = 5
    connect_timeout_s: Annotated[
        float, Meta(gt=0, le=300, description="How long connecting may take.")
    ] = 5.0


class ObjectsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Object storage for segments, for what projects keep, and for the log's static files."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^$|^(s3|gs|az)://[^/\s]+\S*$",
            extra={"allowed": "s3://bucket/prefix, gs://…, az://… or nothing"},
            description="Bucket and prefix; empty: a folder in the data folder.",
        ),
    ] = ""
    endpoint_url: Annotated[
        str,
        Meta(
            pattern=r"^$|^https?://[^\s/]+\S*$",
            extra={"allowed": "an http:// or https:// address"},
            description="Address of an S3-compatible service; empty: the provider's own.",
        ),
    ] = ""
    region: Annotated[str, Meta(description="The provider's name of the bucket's region.")] = ""
    access_key_id: Annotated[
        SecretText, Meta(description="Access key; empty: what the machine's own role gives.")
    ] = field(default_factory=SecretText)
    secret_access_key: Annotated[
        SecretText, Meta(description="Secret that belongs to `access_key_id`.")
    ] = field(default_factory=SecretText)


class JournalSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Journals: the files that make parts durable."""

    close_after_s: Annotated[
        int,
        Meta(ge=1, le=60, description="How long a journal stays open; receipts exist after it."),
    ] = 60
    size_bytes: Annotated[
        int,
        Meta(ge=1 << 20, le=1 << 32, description="Size at which a journal is closed earlier."),
    ] = 256 << 20
    segment_size_bytes: Annotated[
        int, Meta(ge=1 << 20, le=1 << 32, description="Size that packed segments aim at.")
    ] = 128 << 20


class LimitsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one request may use, and what a key and a project may use in a minute."""

    body_size_bytes: Annotated[
        int, Meta(ge=1024, le=1 << 30, description="Largest request body.")
    ] = 32 << 20
    stream_duration_s: Annotated[
        float, Meta(gt=0, le=86400, description="Longest streamed answer.")
    ] = 3600.0
    key_requests_per_minute: Annotated[
        int, Meta(ge=0, description="Requests of one key; 0: no limit.")
    ] = 6000
    key_tokens_per_minute: Annotated[
        int, Meta(ge=0, description="Tokens of one key; 0: no limit.")
    ] = 2_000_000
    project_requests_per_minute: Annotated[
        int, Meta(ge=0, description="Requests of one project; 0: no limit.")
    ] = 30_000
    project_tokens_per_minute: Annotated[
        int, Meta(ge=0, description="Tokens of one project; 0: no limit.")
    ] = 10_000_000


class BatchesSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Answering the lines of batches."""

    concurrency: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Lines answered at once, over all batches, by one `bailee worker`.",
        ),
    ] = 8


class SnapshotSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateways' copy in memory of keys, projects and agreements."""

    grace_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="How long it serves while the database is away."),
    ] = 60.0


class WebhooksSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Messages to the addresses that organisations register."""

    allow_private_addresses: Annotated[
        bool,
        Meta(
            description="Send to private and loopback addresses too: whoever registers a webhook "
            "then makes this machine call what lies in its network."
        ),
    ] = False
    authorities_file: Annotated[
        Path | None,
        Meta(description="Certificate authorities (PEM) to trust in place of the system's."),
    ] = None
    timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="How long one attempt may take, all in all.")
    ] = 15.0
    disable_after_days: Annotated[
        int,
        Meta(ge=1, le=90, description="How long nothing may arrive before one is disabled."),
    ] = 5


class LoggingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The processes' own log lines, which never hold content."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severe level that is written."),
    ] = "info"


class TransparencySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The transparency log."""

    origin: Annotated[
        str,
        Meta(
            pattern=r"^$|^[^\s+]{1,200}$",
            extra={"allowed": "up to 200 characters without space or +"},
            description="Name of the log in its checkpoints, fixed at first start; "
            "empty: one is made.",
        ),
    ] = ""


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One link in both languages."""

    english: Annotated[
        str,
        Meta(
            pattern=r"^$|^(https://|mailto:)\S+$",
            extra={"allowed": "an https:// or mailto: address"},
            description="Address for readers of English.",
        ),
    ] = ""
    korean: Annotated[
        str,
        Meta(
            pattern=r"^$|^(https://|mailto:)\S+$",
            extra={"allowed": "an https:// or mailto: address"},
            description="Address for readers of Korean.",
        ),
    ] = ""


class LinksSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where readers are sent. What is unset is named by `bailee doctor` and left out of pages."""

    sales: Annotated[Link, Meta(description="Whom to ask about agreements.")] = Link()
    forms: Annotated[Link, Meta(description="Where agreements are requested.")] = Link()
    certifications: Annotated[Link, Meta(description="Independent attestations.")] = Link()
    consumer_questions: Annotated[
        Link, Meta(description="Questions about services that this policy does not govern.")
    ] = Link()


class ModelRunnerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The embedded local model."""

    enabled: Annotated[bool, Meta(description="Whether the local model runs.")] = True
    name: Annotated[Name, Meta(description="Model name that requests use.")] = (
        "smollm2-135m-instruct"
    )
    file: Annotated[Path, Meta(description="Weights, a GGUF file.")] = Path(
        "build/models/SmolLM2-135M-Instruct.Q4_1.gguf"
    )
    sha256: Annotated[Digest, Meta(description="Digest that the weights must have.")] = (
        SMOLLM2_SHA256
    )
    context_tokens: Annotated[
        int, Meta(ge=256, le=1 << 20, description="Context length of one request.")
    ] = 2048
    parallel: Annotated[int, Meta(ge=1, le=64, description="Requests answered at once.")] = 2
    threads: Annotated[
        int, Meta(ge=0, le=256, description="Processor threads; 0: one for each core.")
    ] = 0
    adapters: Annotated[
        int, Meta(ge=1, le=256, description="Fine-tuned models that are loaded at once.")
    ] = 4
    adapter_idle_s: Annotated[
        float,
        Meta(gt=0, le=86400, description="How long an idle fine-tuned model stays loaded."),
    ] = 300.0


class EmbeddingsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The embedded embedding model."""

    enabled: Annotated[bool, Meta(description="Whether it is served.")] = True
    name: Annotated[Name, Meta(description="Model name that requests use.")] = (
        "multilingual-e5-small"
    )
    threads: Annotated[
        int,
        Meta(
            ge=0,
            le=256,
            description="Texts embedded at once, those of the moderation classifier among them; "
            "0: one for each core.",
        ),
    ] = 0


class ModerationSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The embedded moderation classifier."""

    enabled: Annotated[bool, Meta(description="Whether it is served.")] = True
    name: Annotated[Name, Meta(description="Model name that requests use.")] = "bailee-moderation"
    aliases: Annotated[
        tuple[str, ...],
        Meta(
            description="More names that it answers for, where no backend does. "
            "A request that names no model means `omni-moderation-latest`.",
        ),
    ] = ("omni-moderation-latest",)


class BackendSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One OpenAI-compatible upstream."""

    name: Annotated[Name, Meta(description="How other settings and logs call it.")]
    base_url: Annotated[
        HttpAddress, Meta(description="Address below which `/chat/completions` lies.")
    ]
    models: Annotated[
        dict[str, str],
        Meta(description="Names that requests use, each with the upstream's own name."),
    ] = field(default_factory=dict)
    responses: Annotated[
        bool,
        Meta(
            description="Whether it answers `/responses` itself; otherwise requests for Responses "
            "are translated to chat completions."
        ),
    ] = False
    cache_salt: Annotated[
        bool,
        Meta(
            description="Whether it knows vLLM's `cache_salt`: each project then gets a salt of "
            "its own, so that nobody learns from its prefix cache what others have asked."
        ),
    ] = False
    moderation_models: Annotated[
        dict[str, str],
        Meta(description="The same for `/moderations`."),
    ] = field(default_factory=dict)
    adapters_folder: Annotated[
        Path | None,
        Meta(
            description="Folder in memory (tmpfs) that it reads too, of a vLLM that loads "
            "fine-tuned models while it runs; unset: it has none."
        ),
    ] = None
    adapters: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Fine-tuned models loaded there at once, at most its `--max-cpu-loras`.",
        ),
    ] = 4
    credential: Annotated[
        Name | None,
        Meta(
            description="Name of the secret in the keyring that is sent as its key "
            "(`bailee backends set-credential`); unset: none is sent.",
            extra={"private": True},
        ),
    ] = None
    concurrency: Annotated[
        int, Meta(ge=1, le=100_000, description="Requests in flight at once, per gateway.")
    ] = 64
    queue: Annotated[
        int, Meta(ge=0, le=100_000, description="Requests that may wait for a place.")
    ] = 256
    connect_timeout_s: Annotated[
        float, Meta(gt=0, le=300, description="How long connecting may take.")
    ] = 5.0
    idle_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="Longest silence in an answer.")
    ] = 60.0
    total_timeout_s: Annotated[
        float, Meta(gt=0, le=86400, description="Longest time for one answer.")
    ] = 600.0
    terms: Annotated[DeclaredTerms, Meta(description="What its operator has promised.")] = (
        DeclaredTerms()
    )


class ModelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which backends answer for one model name."""

    backends: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="Backends in the order in which they are tried."),
    ]


class PriceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one model costs; shown to administrators as costs."""

    input_usd: Annotated[
        float, Meta(ge=0, description="US dollars for a million tokens that are read.")
    ] = 0.0
    output_usd: Annotated[
        float, Meta(ge=0, description="US dollars for a million tokens that are written.")
    ] = 0.0


class RegionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A region beside others. The home region's table has `hosts` alone: the other sections of the
    file are its parts. Every other region says here where its own are: none is ever inherited."""

    hosts: Annotated[
        tuple[HostName, ...],
        Meta(
            min_length=1,
            description="Host names, with a port where it matters, under which clients reach it; "
            "the first is named to whoever asks another region.",
        ),
    ]
    data_folder: Annotated[
        Path | None, Meta(description="Its data folder: keyring, journals, database, objects.")
    ] = None
    server: Annotated[ServerSettings | None, Meta(description="Its own listening.")] = None
    database: Annotated[DatabaseSettings | None, Meta(description="Its own PostgreSQL.")] = None
    objects: Annotated[ObjectsSettings | None, Meta(description="Its own object storage.")] = None
    transparency: Annotated[
        TransparencySettings | None, Meta(description="Its own transparency log.")
    ] = None
    ray: Annotated[RaySettings | None, Meta(description="Its own Ray cluster.")] = None
    backends: Annotated[
        tuple[BackendSettings, ...], Meta(description="Its own upstreams, as `[[backends]]`.")
    ] = ()
    models: Annotated[
        dict[str, ModelSettings], Meta(description="Its own fallback order, as `[models]`.")
    ] = field(default_factory=dict)
    fine_tuning: Annotated[
        dict[str, FineTuningSettings],
        Meta(description="Where its models are fine-tuned, as `[fine_tuning]`."),
    ] = field(default_factory=dict)


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of an installation, parsed and checked."""

    data_folder: Annotated[
        Path, Meta(description="Folder of everything that the installation keeps.")
    ] = Path("data")
    region: Annotated[
        RegionName, Meta(description="Region whose content this installation holds.")
    ] = "us"
    regions: Annotated[
        dict[str, RegionSettings],
        Meta(description="All regions, one `[regions.NAME]` table for each; none: there is one."),
    ] = field(default_factory=dict)
    server: Annotated[ServerSettings, Meta(description="Listening.")] = ServerSettings()
    database: Annotated[DatabaseSettings, Meta(description="PostgreSQL.")] = field(
        default_factory=DatabaseSettings
    )
    objects: Annotated[ObjectsSettings, Meta(description="Object storage.")] = field(
        default_factory=ObjectsSettings
    )
    journal: Annotated[JournalSettings, Meta(description="Journals.")] = JournalSettings()
    limits: Annotated[LimitsSettings, Meta(description="Limits.")] = LimitsSettings()
    batches: Annotated[BatchesSettings, Meta(description="Batches.")] = BatchesSettings()
    snapshot: Annotated[SnapshotSettings, Meta(description="Snapshot.")] = SnapshotSettings()
    webhooks: Annotated[WebhooksSettings, Meta(description="Webhooks.")] = WebhooksSettings()
    logging: Annotated[LoggingSettings, Meta(description="Log lines.")] = LoggingSettings()
    transparency: Annotated[TransparencySettings, Meta(description="Transparency log.")] = (
        TransparencySettings()
    )
    links: Annotated[LinksSettings, Meta(description="Links.")] = LinksSettings()
    sign_in: Annotated[SignInSettings, Meta(description="Signing in.")] = SignInSettings()
    model: Annotated[ModelRunnerSettings, Meta(description="Local model.")] = ModelRunnerSettings()
    embeddings: Annotated[EmbeddingsSettings, Meta(description="Local embeddings.")] = (
        EmbeddingsSettings()
    )
    moderation: Annotated[ModerationSettings, Meta(description="Local moderation.")] = (
        ModerationSettings()
    )
    agreements: Annotated[AgreementsSettings, Meta(description="Agreements.")] = (
        AgreementsSettings()
    )
    ray: Annotated[RaySettings, Meta(description="Ray cluster.")] = RaySettings()
    backends: Annotated[
        tuple[BackendSettings, ...], Meta(description="Upstreams, one `[[backends]]` table each.")
    ] = ()
    models: Annotated[
        dict[str, ModelSettings],
        Meta(description='Fallback order, one `[models."name"]` table for each model.'),
    ] = field(default_factory=dict)
    prices: Annotated[
        dict[str, PriceSettings],
        Meta(description='Prices, one `[prices."name"]` table for each model that has one.'),
    ] = field(default_factory=dict)
    fine_tuning: Annotated[
        dict[str, FineTuningSettings],
        Meta(
            description='Where models are fine-tuned, one `[fine_tuning."name"]` table for each; '
            "the local model is, on this machine, if no table says otherwise."
        ),
    ] = field(default_factory=dict)
