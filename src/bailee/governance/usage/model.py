"""What is counted, and how counts are asked for."""

import enum
from collections.abc import Mapping
from typing import Final, NamedTuple

from bailee.kernel.ids import ProjectId, TenantId

MINUTES_PER_HOUR: Final = 60
MINUTES_PER_DAY: Final = 1440


class Kind(enum.Enum):
    """What kind of call it was. The value is stable: it is stored."""

    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    MODERATIONS = "moderations"


KINDS: Final[Mapping[str, Kind]] = {
    "/v1/chat/completions": Kind.COMPLETIONS,
    "/v1/completions": Kind.COMPLETIONS,
    "/v1/responses": Kind.COMPLETIONS,
    "/v1/embeddings": Kind.EMBEDDINGS,
    "/v1/moderations": Kind.MODERATIONS,
}
"""The kinds of the endpoints that are counted."""


class UsageKey(NamedTuple):
    """What a call is counted under."""

    tenant: TenantId
    project: ProjectId
    key_id: bytes
    """The API key's public identifier, 8 bytes."""
    endpoint: str
    model: str
    """The name that the model is served under."""


def counted_model(name: str) -> str:
    """What a model is counted as: of a fine-tuned one (`ft:…`) without the suffix.

    The suffix is its owner's own words, and counts outlive them.
    """
    parts = name.split(":")
    if parts[0] != "ft" or len(parts) < 5:
        return name
    return ":".join((*parts[:3], "", parts[-1]))


class Wanted(NamedTuple):
    """Which counts are asked for, and how they are put together."""

    start_minute: int
    """Since the POSIX epoch, inclusive."""
    end_minute: int
    """Exclusive."""
    width_minutes: int
    kind: Kind | None = None
    """None: all of them."""
    projects: tuple[ProjectId, ...] = ()
    public_ids: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    by_project: bool = False
    by_key: bool = False
    by_model: bool = False


class Total(NamedTuple):
    """What was used in one bucket by one group."""

    start_minute: int
    """Of the bucket, a multiple of its width."""
    project: ProjectId | None
    public_id: str | None
    model: str | None
    requests: int
    input_tokens: int
    output_tokens: int


class Price(NamedTuple):
    """What a model costs, in US dollars for a million tokens."""

    input_usd: float = 0.0
    output_usd: float = 0.0
