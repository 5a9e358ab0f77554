"""An owner reads a record of their own, with the API key itself.

The key is verified twice: by the gateway's snapshot to find the caller, and by the keeper, which
alone can open and takes tenant and project from the key. A record of somebody else is not told
apart from one that never was.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from bailee.custody.reading import Reading, StoredPart, StoredRecord
from bailee.custody.seal.part import ENDPOINTS, FLAG_BROKEN, KIND_PROMPT
from bailee.custody.unseal import OwnerLease, open_for_owner
from bailee.custody.unseal import StoredPart as SealedContent
from bailee.kernel.errors import DestroyedKey, Forbidden, NotFound, UnknownKey
from bailee.kernel.ids import EpochKeyName, Purpose, RecordId
from bailee.kernel.instants import Instant
from bailee.kernel.redacted import Content, Secret
from bailee.ports.keeper import BootCertificate, Keeper, OpeningProof
from bailee.serving.caller import Caller


class ReadRecord(NamedTuple):
    """A record, opened."""

    record: RecordId
    endpoint: str
    sealed_at: Instant
    """Of the prompt."""
    status: int
    """Of the answer; 0 while there is none."""
    complete: bool
    broken: bool
    request: Content
    answer: Content


class LoggedJournal(NamedTuple):
    """A `journal_closed` entry and its place in the log."""

    leaf: bytes
    position: int
    path: list[bytes]
    checkpoint: bytes
    consistency: list[bytes]
    """From the tree size that was asked for to the checkpoint's."""


ProveJournal = Callable[[bytes, int], Awaitable[LoggedJournal]]
"""Finds an entry by its leaf hash and proves it, consistent with an earlier tree size.

Raises NotYet while no checkpoint covers it.
"""


@dataclass(slots=True)
class OwnerReads:
    """Opens records for their owners."""

    reading: Reading
    keeper: Keeper
    prove_journal: ProveJournal
    purpose: Purpose = Purpose.ABUSE_MONITORING

    async def read(self, caller: Caller, credential: Secret, record: RecordId) -> ReadRecord:
        """The record's request and answer.

        Raises:
            NotFound: there is no such record, it is another's, or its bytes are gone.
            DestroyedKey: its deadline has passed.
            NotYet: its journal is open, or not in the log yet.
            TamperedContent, Unavailable: as the keeper and the stores say.
        """
        stored = await self.reading.find_record(record)
        self._require_same_region(caller, stored)
        lease = OwnerLease(credential, caller.owner, self.purpose)
        request, answer = bytearray(), bytearray()
        for part in stored.parts:
            content = await self._open(lease, part)
            (request if part.header.kind == KIND_PROMPT else answer).extend(content)
        last = stored.parts[-1].header
        return ReadRecord(
            record,
            ENDPOINTS[last.endpoint],
            stored.parts[0].header.sealed_at,
            last.status,
            stored.complete,
            bool(last.flags & FLAG_BROKEN),
            Content(request),
            Content(answer),
        )

    async def find_own(self, caller: Caller, record: RecordId) -> StoredRecord:
        """A record as stored, if the caller's project owns it; nothing is opened.

        The project is told by its pseudonym, whose key dies with the epoch (docs/formats/part.md).

        Raises:
            NotFound: there is no such record, it is another's, or its epoch's key is gone.
            NotYet, TamperedContent, Unavailable: as the keeper and the stores say.
        """
        stored = await self.reading.find_record(record)
        self._require_same_region(caller, stored)
        name = EpochKeyName(caller.region, self.purpose, record.epoch)
        try:
            key = await self.keeper.epoch_public_key(name)
        except (DestroyedKey, UnknownKey):
            raise NotFound("there is no such record") from None
        stated = stored.parts[0].header.project_pseudonym
        own = hmac.digest(key.pseudonym_key, caller.project, "sha256")[: len(stated)]
        if not hmac.compare_digest(stated, own):
            raise NotFound("there is no such record")
        return stored

    async def _open(self, lease: OwnerLease, part: StoredPart) -> Content:
        async def prove(log_size: int) -> OpeningProof:
            journal = part.journal
            logged = await self.prove_journal(journal.leaf_hash, log_size)
            return OpeningProof(
                journal=journal.journal,
                frame=part.position,
                count=journal.parts,
                path=part.path,
                root=journal.root,
                root_signature=journal.signature,
                certificate=msgspec.msgpack.decode(journal.certificate, type=BootCertificate),
                log_leaf=logged.leaf,
                log_index=logged.position,
                log_path=logged.path,
                checkpoint=logged.checkpoint,
                consistency=logged.consistency,
            )

        sealed = SealedContent(part.sealed, part.session, part.scope)
        try:
            return await open_for_owner(self.keeper, lease, sealed, prove)
        except Forbidden:
            raise NotFound("there is no such record") from None

    def _require_same_region(self, caller: Caller, stored: StoredRecord) -> None:
        if stored.parts[0].journal.region != caller.region:
            raise NotFound("there is no such record")
