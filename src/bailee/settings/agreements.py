"""Who the operator is in agreements, and what seals documents: a part of `settings.structure`."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

Party = Annotated[str, Meta(max_length=400)]


class AgreementsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator as a party. Without its name and address nothing is counter-signed."""

    operator_name: Annotated[Party, Meta(description="The operator's legal name.")] = ""
    operator_address: Annotated[Party, Meta(description="Its address.")] = ""
    signatory_name: Annotated[
        Party,
        Meta(
            description="Who signs for the operator what nobody signs one by one (the data "
            "processing addendum). Without it no addendum can be submitted."
        ),
    ] = ""
    signatory_title: Annotated[Party, Meta(description="That person's title.")] = ""
    signing_certificate_file: Annotated[
        Path | None,
        Meta(
            description="Certificate chain (PEM) that seals signed documents, in place of the one "
            "made at first start."
        ),
    ] = None
    signing_private_key_file: Annotated[
        Path | None, Meta(description="Private key (PEM) of `signing_certificate_file`.")
    ] = None
