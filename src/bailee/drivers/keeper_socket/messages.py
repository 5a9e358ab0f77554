"""What crosses the keeper's socket."""

import asyncio
from typing import Final

import msgspec
from msgspec import Struct

from bailee.kernel import errors
from bailee.kernel.ids import EpochKeyName, ObjectKeyName, ProjectId, Region, ScopeKeyName
from bailee.kernel.instants import Instant
from bailee.ports.keeper import OpenPart, SealedKey, TrainingScope, WorkGrant

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
_LENGTH_BYTES: Final = 4


class Greeting(Struct, frozen=True, forbid_unknown_fields=True):
    """The first frame of a client."""

    role: str
    token: bytes


class Status(Struct, frozen=True, tag="status"):
    """`Keeper.status`; each struct below has its method's arguments, in order."""


class EpochPublicKeyOf(Struct, frozen=True, tag="epoch_public_key"):
    name: EpochKeyName


class ScopePublicKeyOf(Struct, frozen=True, tag="scope_public_key"):
    name: ScopeKeyName


class CertifyBootKey(Struct, frozen=True, tag="certify_boot_key"):
    worker: str
    region: Region
    public_key: bytes


class CreateScope(Struct, frozen=True, tag="create_scope"):
    name: ScopeKeyName


class RegisterCredential(Struct, frozen=True, tag="register_credential"):
    credential: bytes
    tenant: bytes
    project: ProjectId
    expires_at: Instant | None
    authority: bytes = b""


class RegisterAdministrator(Struct, frozen=True, tag="register_administrator"):
    credential: bytes
    tenant: bytes
    expires_at: Instant | None
    authority: bytes = b""


class RevokeCredential(Struct, frozen=True, tag="revoke_credential"):
    credential_id: bytes
    authority: bytes = b""


class StoreSecret(Struct, frozen=True, tag="store_secret"):
    name: str
    value: bytes


class RevealSecret(Struct, frozen=True, tag="reveal_secret"):
    name: str


class Open(Struct, frozen=True, tag="open_part"):
    request: OpenPart


class CreateObjects(Struct, frozen=True, tag="create_objects"):
    names: list[ObjectKeyName]
    generation: int
    deadline: Instant | None


class OpenObjects(Struct, frozen=True, tag="open_objects"):
    credential: bytes
    sealed: list[SealedKey]


class GrantWork(Struct, frozen=True, tag="grant_work"):
    credential: bytes
    names: list[ObjectKeyName]
    work: str
    not_after: Instant


class OpenGranted(Struct, frozen=True, tag="open_granted"):
    grant: WorkGrant
    sealed: list[SealedKey]


class DestroyOwnObjects(Struct, frozen=True, tag="destroy_own_objects"):
    credential: bytes
    names: list[ObjectKeyName]


class DestroyObjects(Struct, frozen=True, tag="destroy_objects"):
    names: list[ObjectKeyName]


class ObjectsDue(Struct, frozen=True, tag="objects_due"):
    until: Instant


class DestroyEpochs(Struct, frozen=True, tag="destroy_epochs"):
    names: list[EpochKeyName]


class DestroyTraining(Struct, frozen=True, tag="destroy_training"):
    scopes: list[TrainingScope]


class StatementsLogged(Struct, frozen=True, tag="statements_logged"):
    subjects: list[str]


class PendingStatements(Struct, frozen=True, tag="pending_statements"):
    pass


class AcceptClock(Struct, frozen=True, tag="accept_clock"):
    now: Instant


class DestroyScopes(Struct, frozen=True, tag="destroy_scopes"):
    names: list[ScopeKeyName]


Ask = (
    Status
    | EpochPublicKeyOf
    | ScopePublicKeyOf
    | CertifyBootKey
    | CreateScope
    | RegisterCredential
    | RegisterAdministrator
    | RevokeCredential
    | StoreSecret
    | RevealSecret
    | Open
    | CreateObjects
    | OpenObjects
    | GrantWork
    | OpenGranted
    | DestroyOwnObjects
    | DestroyObjects
    | ObjectsDue
    | DestroyEpochs
    | DestroyTraining
    | StatementsLogged
    | PendingStatements
    | AcceptClock
    | DestroyScopes
)


class Call(Struct, frozen=True, forbid_unknown_fields=True):
    """A question, numbered by the client."""

    number: int
    ask: Ask


class Answer(Struct, frozen=True, tag="answer"):
    """The result of the call with this number, as MessagePack of the method's return type."""

    number: int
    result: msgspec.Raw


class Failure(Struct, frozen=True, tag="failure"):
    """The error of the call with this number. `kind` is a class of `kernel.errors`."""

    number: int
    kind: str
    message: str
    field: str | None = None
    retry_after_s: float = 0.0


class Welcome(Struct, frozen=True, tag="welcome"):
    """The reply to a greeting that was accepted; a Failure with number 0 otherwise."""


Reply = Answer | Failure | Welcome

_PLAIN: Final = {
    kind.__name__: kind
    for kind in (
        errors.NotFound,
        errors.Forbidden,
        errors.Conflict,
        errors.Unavailable,
        errors.UnknownKey,
        errors.DestroyedKey,
        errors.TamperedContent,
    )
}


def _plain(value: object) -> bytes:
    if isinstance(value, bytes):
        # Content and Secret are bytes that print as nothing; on the wire they are bytes.
        return bytes(value)
    raise TypeError(f"{type(value).__name__} does not cross the keeper's socket")


encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
decode_greeting = msgspec.msgpack.Decoder(Greeting).decode
decode_call = msgspec.msgpack.Decoder(Call).decode
decode_reply: Final = msgspec.msgpack.Decoder(Reply)


def failure_of(number: int, error: errors.BaileeError) -> Failure:
    """An error as it crosses the socket."""
    message = str(error)
    kind = type(error).__name__
    if isinstance(error, errors.InvalidInput):
        return Failure(number, kind, message, field=error.field)
    if isinstance(error, errors.NotYet):
        return Failure(number, kind, message, retry_after_s=error.retry_after_s)
    return Failure(number, kind, message)


def error_of(failure: Failure) -> errors.BaileeError:
    """The error that crossed the socket; Unavailable for a kind that is not known here."""
    if failure.kind == errors.InvalidInput.__name__:
        return errors.InvalidInput(failure.message, field=failure.field)
    if failure.kind == errors.NotYet.__name__:
        return errors.NotYet(failure.message, retry_after_s=failure.retry_after_s)
    return _PLAIN.get(failure.kind, errors.Unavailable)(failure.message)


def framed(message: bytes) -> bytes:
    """A message behind its length. Raises InvalidInput when it is too long to be sent."""
    if len(message) > MAX_FRAME_BYTES:
        raise errors.InvalidInput("this is too large for the keeper; send less at a time")
    return len(message).to_bytes(_LENGTH_BYTES, "big") + message


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next message.

    Raises:
        asyncio.IncompleteReadError: the other side is gone.
        ValueError: the frame is longer than the limit; nothing after it can be understood.
    """
    length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
    if length > MAX_FRAME_BYTES:
        raise ValueError("a frame on the keeper's socket is longer than 16 MB")
    return await reader.readexactly(length)
