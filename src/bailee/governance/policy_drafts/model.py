"""Drafts, and the versions that come of them."""

import enum
from typing import Final, NamedTuple

from bailee.kernel.instants import Instant
from bailee.policy.drafting import DraftTexts
from bailee.policy.parse import ENDPOINTS, VERSIONS
from bailee.policy.reading import Problem

DRAFT: Final = "draft_"
"""What a draft's identifier begins with."""


class State(enum.Enum):
    """How far a draft has come. The value is stored."""

    DRAFT = "draft"
    IN_APPROVAL = "in_approval"
    APPROVED = "approved"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"


class Approval(NamedTuple):
    """A person's word for a draft as it reads."""

    actor: str
    approved_at: Instant


class Draft(NamedTuple):
    """A draft as it reads now."""

    draft: bytes
    """16 random bytes."""
    version: str
    """The id that its text gives; may be empty while the text cannot be read."""
    service: str
    texts: DraftTexts
    state: State
    author: str
    created_at: Instant
    written_at: Instant
    digest: bytes | None
    """As `policy.show.digest`; None while it cannot be read."""
    effective: Instant | None
    approvals: tuple[Approval, ...] = ()


class Reviewed(NamedTuple):
    """A draft, with everything that is wrong with it at this instant."""

    draft: Draft
    problems: list[Problem]


class Published(NamedTuple):
    """A version that this installation published."""

    version: str
    service: str
    effective: Instant
    endpoint_table: int
    texts: DraftTexts
    digest: bytes
    draft: bytes
    published_by: str
    published_at: Instant
    announced_at: Instant | None
    """When every organisation had been told; None: that is not finished."""

    @property
    def files(self) -> dict[str, str]:
        """Its part of the policy folder."""
        files = {f"{VERSIONS}{self.version}.toml": self.texts.version}
        if self.texts.endpoints is not None:
            files[f"{ENDPOINTS}{self.endpoint_table}.toml"] = self.texts.endpoints
        return files
