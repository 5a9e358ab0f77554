"""Where models are fine-tuned, and on which terms: a part of `settings.structure`."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from bailee.settings.words import Digest, Name, RegionName


class DeclaredTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a backend's operator has promised. What is not declared counts as the worst."""

    region: Annotated[
        RegionName | None, Meta(description="Where it processes; unset: anywhere.")
    ] = None
    retention_days: Annotated[
        Annotated[int, Meta(ge=0, le=36500)] | None,
        Meta(description="How long it keeps content; unset: for ever."),
    ] = None
    trains: Annotated[bool, Meta(description="Whether it learns from content.")] = True
    business_associate: Annotated[
        bool, Meta(description="Whether a business associate agreement covers it.")
    ] = False
    zero_retention: Annotated[bool, Meta(description="Whether it keeps nothing at all.")] = False


class FineTuningSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one model is fine-tuned."""

    at: Annotated[
        Literal["local", "upstream", "ray"],
        Meta(
            description="`local`: the local model, on this machine; `upstream`: by a backend that "
            "speaks OpenAI's fine-tuning API; `ray`: on a Ray cluster. What is elsewhere needs the "
            "terms that a call needs."
        ),
    ] = "local"
    backend: Annotated[
        Name | None,
        Meta(description="For `upstream`: the backend, one that has this model among its models."),
    ] = None
    adapters: Annotated[
        Name | None,
        Meta(
            description="The backend that answers with what was trained here, one with an "
            "`adapters_folder` and this model; unset: the local model's runner does."
        ),
    ] = None
    weights: Annotated[
        str, Meta(description="For `ray`: the model's weights, a GGUF file's path on every node.")
    ] = ""
    weights_sha256: Annotated[
        Digest | None, Meta(description="For `ray`: the digest that they must have.")
    ] = None
    context_tokens: Annotated[
        int, Meta(ge=256, le=1 << 20, description="For `ray`: longer examples are cut.")
    ] = 2048
    poll_s: Annotated[
        float, Meta(gt=0, le=3600, description="How often a job elsewhere is asked about.")
    ] = 15.0


class RaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Ray cluster that trains models."""

    address: Annotated[
        str,
        Meta(
            pattern=r"^$|^https?://[^\s/]+$",
            extra={"allowed": "an http:// or https:// address without a path"},
            description="Its dashboard; empty: there is no cluster.",
        ),
    ] = ""
    credential: Annotated[
        Name | None,
        Meta(
            description="Name of the secret in the keyring that is sent as its token; unset: none "
            "is sent.",
            extra={"private": True},
        ),
    ] = None
    public_key_file: Annotated[
        Path | None,
        Meta(description="The key that tasks are sealed to (`bailee ray make-key`)."),
    ] = None
    command: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="What carries a task on a node."),
    ] = ("bailee", "ray", "job", "--key", "/etc/bailee/cluster.key")
    cpus: Annotated[float, Meta(gt=0, le=1024, description="Processors reserved for a job.")] = 1.0
    terms: Annotated[DeclaredTerms, Meta(description="What its operator has promised.")] = (
        DeclaredTerms()
    )
