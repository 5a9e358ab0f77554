"""One thing that is kept until it is deleted, as its row has it."""

import enum
from typing import Final, NamedTuple

from bailee.custody.seal.part import Owner
from bailee.kernel.ids import ObjectId, ObjectKeyName, ProjectId, Region, TenantId
from bailee.kernel.instants import Instant


class Kind(enum.Enum):
    """What a thing is. The value is stored."""

    FILE = "file"
    UPLOAD = "upload"
    UPLOAD_PART = "upload_part"
    CHAT_COMPLETION = "chat_completion"
    RESPONSE = "response"
    CONVERSATION = "conversation"
    ITEMS = "items"
    BATCH = "batch"
    FINE_TUNING_JOB = "fine_tuning_job"
    FINE_TUNING_EVENTS = "fine_tuning_events"
    ADAPTER = "adapter"
    TRAINING_STATE = "training_state"


PREFIXES: Final = {
    Kind.FILE: "file-",
    Kind.UPLOAD: "upload_",
    Kind.UPLOAD_PART: "part_",
    Kind.CHAT_COMPLETION: "chatcmpl-",
    Kind.RESPONSE: "resp_",
    Kind.CONVERSATION: "conv_",
    Kind.ITEMS: "items_",
    Kind.BATCH: "batch_",
    Kind.FINE_TUNING_JOB: "ftjob-",
    Kind.FINE_TUNING_EVENTS: "ftevents-",
    Kind.ADAPTER: "adapter-",
    Kind.TRAINING_STATE: "ftstate-",
}
"""What a public identifier begins with."""


class State(enum.Enum):
    """How far a thing has come. The order is that of its life."""

    PENDING = "pending"
    """Its content is being written; nobody can ask for it."""
    KEPT = "kept"
    DELETING = "deleting"
    """Its owner, or its deadline, has ended it; its secret may live for a moment longer."""
    DESTROYED = "destroyed"


class HeldObject(NamedTuple):
    """A thing."""

    object: ObjectId
    tenant: TenantId
    project: ProjectId
    region: Region
    kind: Kind
    public_id: str
    parent: ObjectId | None
    position: int
    """Order of arrival; 0 before it was added."""
    state: State
    label: str
    """A word of a fixed list that its noun defines: a file's purpose, a batch's status. In clear,
    so never content."""
    created_at: Instant
    expires_at: Instant | None
    deleted_at: Instant | None
    size_bytes: int
    """Of the content, in clear."""
    digest: bytes | None
    """SHA-256 of the content as stored; None: it has no content beside its details."""
    key_block: bytes
    details: bytes
    """Sealed."""
    work_grant: bytes | None = None
    """What work in the background may open (`ports.keeper.WorkGrant`, MessagePack)."""

    @property
    def name(self) -> ObjectKeyName:
        """What its secret is called."""
        return ObjectKeyName(self.region, self.project, self.object)

    @property
    def owner(self) -> Owner:
        """Whose it is."""
        return Owner(self.tenant, self.project, self.region)

    @property
    def blob(self) -> str:
        """The key of its content in the object store."""
        return f"held/{self.region}/{self.object.hex()}"


class Page(NamedTuple):
    """A part of a list."""

    objects: list[HeldObject]
    has_more: bool
