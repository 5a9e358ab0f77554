"""Identifiers: who and what a record belongs to, and how they are written.

Organisations (tenants) and projects are 16 random bytes; people see them as `org_…` and `proj_…`
followed by 32 hexadecimal digits. A record's identifier says where the record lies: its epoch, its
journal and its first frame, so that no index per record is needed.
"""

import enum
import struct
from typing import Final, NamedTuple, NewType, Self

from bailee.kernel.encoding import fields
from bailee.kernel.instants import Epoch

Region = NewType("Region", str)
"""A place where content is stored and processed, as in `us`; 1 to 32 of a-z, 0-9 and `-`."""
TenantId = NewType("TenantId", bytes)
"""16 bytes that name an organisation."""
ProjectId = NewType("ProjectId", bytes)
"""16 bytes that name a project."""
JournalId = NewType("JournalId", int)
"""An unsigned 64-bit random number that names a journal."""
SessionId = NewType("SessionId", bytes)
"""16 random bytes that name a sealing session."""


ObjectId = NewType("ObjectId", bytes)
"""16 random bytes that name an object secret: of one thing that is kept until it is deleted."""


class Purpose(enum.Enum):
    """Why content is held. Keys differ by purpose. The value is stable: it is stored."""

    ABUSE_MONITORING = "abuse_monitoring"
    APPLICATION_STATE = "application_state"
    TRAINING = "training"
    LEGAL_HOLD = "legal_hold"
    SAFETY_SHARING = "safety_sharing"

    @property
    def code(self) -> int:
        """The one-byte number that stands for the purpose in stored formats."""
        return _PURPOSE_CODES[self]

    @classmethod
    def from_code(cls, code: int) -> "Purpose":
        """The purpose of a stored one-byte number; ValueError if none has it."""
        for purpose, known in _PURPOSE_CODES.items():
            if known == code:
                return purpose
        raise ValueError(f"no purpose has the code {code}")


_PURPOSE_CODES: Final = {
    Purpose.ABUSE_MONITORING: 1,
    Purpose.APPLICATION_STATE: 2,
    Purpose.TRAINING: 3,
    Purpose.LEGAL_HOLD: 4,
    Purpose.SAFETY_SHARING: 5,
}


class EpochKeyName(NamedTuple):
    """Names an epoch key pair."""

    region: Region
    purpose: Purpose
    epoch: Epoch

    def encoded(self) -> bytes:
        """Bytes for key derivation and signatures."""
        return fields(
            "bailee/1/epoch",
            self.region.encode(),
            bytes((self.purpose.code,)),
            self.epoch.to_bytes(4, "big"),
        )

    @property
    def subject(self) -> str:
        """How statements, entries and receipts name it: `epoch/us/abuse_monitoring/994000`."""
        return f"epoch/{self.region}/{self.purpose.value}/{self.epoch}"

    @classmethod
    def parse_subject(cls, subject: str) -> Self:
        """The reverse of `subject`; ValueError if it names no epoch."""
        kind, region, purpose, epoch = subject.split("/")
        if kind != "epoch":
            raise ValueError(f"a {kind} is not an epoch")
        return cls(Region(region), Purpose(purpose), Epoch(int(epoch)))


class ScopeKeyName(NamedTuple):
    """Names a scope key pair: one project's, for one purpose, in one of its generations."""

    region: Region
    purpose: Purpose
    project: ProjectId
    generation: int = 0

    def encoded(self) -> bytes:
        """Bytes for key derivation and signatures."""
        return fields(
            "bailee/1/scope",
            self.region.encode(),
            bytes((self.purpose.code,)),
            self.project,
            self.generation.to_bytes(4, "big"),
        )


class ObjectKeyName(NamedTuple):
    """Names the secret of one thing that a project keeps until it is deleted."""

    region: Region
    project: ProjectId
    object: ObjectId

    def encoded(self) -> bytes:
        """Bytes for key derivation and signatures."""
        return fields("bailee/1/object", self.region.encode(), self.project, self.object)

    @property
    def subject(self) -> str:
        """How statements, entries and receipts name it: `object/us/` and 32 hexadecimal digits.

        The project is left out: the log names nobody.
        """
        return f"object/{self.region}/{self.object.hex()}"


_RECORD: Final = struct.Struct(">IQI")
_RECORD_PREFIX: Final = "rec_"


class RecordId(NamedTuple):
    """Names a record by where its first frame lies: epoch, journal, index of the frame."""

    epoch: Epoch
    journal: JournalId
    frame: int

    def packed(self) -> bytes:
        """16 bytes: epoch (4), journal (8), frame (4), big-endian."""
        return _RECORD.pack(self.epoch, self.journal, self.frame)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """The reverse of `packed`; ValueError if the length is wrong."""
        if len(packed) != _RECORD.size:
            raise ValueError(f"a packed record id has 16 bytes, not {len(packed)}")
        epoch, journal, frame = _RECORD.unpack(packed)
        return cls(Epoch(epoch), JournalId(journal), frame)

    def __str__(self) -> str:
        return _RECORD_PREFIX + self.packed().hex()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `rec_` and 32 hexadecimal digits; ValueError otherwise."""
        return cls.unpack(_from_hex(text, _RECORD_PREFIX, "a record id"))


def tenant_text(tenant: TenantId) -> str:
    """Write an organisation's identifier as people see it."""
    return f"org_{tenant.hex()}"


def project_text(project: ProjectId) -> str:
    """Write a project's identifier as people see it."""
    return f"proj_{project.hex()}"


def parse_tenant(text: str) -> TenantId:
    """Read `org_` and 32 hexadecimal digits; ValueError otherwise."""
    return TenantId(_from_hex(text, "org_", "an organisation id"))


def parse_project(text: str) -> ProjectId:
    """Read `proj_` and 32 hexadecimal digits; ValueError otherwise."""
    return ProjectId(_from_hex(text, "proj_", "a project id"))


def key_text(public_id: str) -> str:
    """Write the public identifier of an API key or admin key as people see it in the API."""
    return f"key_{public_id}"


def parse_key(text: str) -> str:
    """Read `key_` and 16 hexadecimal digits, or the digits alone; ValueError otherwise."""
    digits = text.removeprefix("key_")
    if len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
        raise ValueError("a key id is key_ and 16 hexadecimal digits")
    return digits


def handle_text(prefix: str, identifier: bytes) -> str:
    """Write any other 16-byte identifier: its prefix, as in `user_`, and 32 hexadecimal digits."""
    return f"{prefix}{identifier.hex()}"


def parse_handle(prefix: str, text: str) -> bytes:
    """Read what `handle_text` writes; ValueError otherwise."""
    return _from_hex(text, prefix, "an id")


def _from_hex(text: str, prefix: str, what: str) -> bytes:
    digits = text.removeprefix(prefix)
    if digits == text or len(digits) != 32 or digits != digits.lower():
        raise ValueError(f"{what} is {prefix} and 32 hexadecimal digits")
    return bytes.fromhex(digits)
