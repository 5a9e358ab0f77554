"""Where models are fine-tuned: the settings of `[fine_tuning]`, as in `settings.structure`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from bailee.settings.words import Name


class FineTuningSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one model is fine-tuned."""

    at: Annotated[
        Literal["local", "upstream"],
        Meta(
            description="`local`: the local model, on this machine; `upstream`: by a backend that "
            "speaks OpenAI's fine-tuning API and whose terms are those that a call needs."
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
    poll_s: Annotated[
        float, Meta(gt=0, le=3600, description="How often a job elsewhere is asked about.")
    ] = 15.0
