"""Receipts: the proof of a destruction, and the proof that a record is in the log.

Promises: a destruction's receipt is made as soon as a checkpoint covers its entry, kept in the
ledger and published among the log's static files; only then is the keeper told that it need not
repeat its statement. A record's receipt is made on request, from the close of its journal until
its segment is removed. Building and checking the documents is `transparency.receipt`.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from bailee.kernel.errors import NotYet
from bailee.kernel.ids import EpochKeyName
from bailee.lifecycle.log_reader import LogReader
from bailee.ports.keeper import BootCertificate, DestructionStatement, Keeper
from bailee.ports.ledger import EpochState, Ledger, ReceiptRow
from bailee.ports.objects import Objects
from bailee.ports.outbox import Outbox
from bailee.transparency.entry import WorkerCertificate
from bailee.transparency.proof import LogProof
from bailee.transparency.receipt import destruction_receipt, response_receipt
from bailee.transparency.tree import leaf_hash

BATCH: Final = 256
RECEIPTS_PREFIX: Final = "log/receipts/"
RETRY_AFTER_S: Final = 5.0


def receipt_key(subject: str) -> str:
    """Where the receipt of a destruction is published."""
    return f"{RECEIPTS_PREFIX}{subject}.json"


async def prove_entry(outbox: Outbox, log: LogReader, leaf: bytes) -> LogProof | None:
    """Where an entry stands in the log; None while no checkpoint covers it."""
    index = await outbox.index_of(leaf_hash(leaf))
    if index is None:
        return None
    published = await log.checkpoint()
    size = published.checkpoint.size
    if index >= size:
        return None
    return LogProof(index, tuple(await log.inclusion(index, size)), published.note)


class LoggedEntry(NamedTuple):
    """An entry, its place in the log, and that an earlier log is the beginning of this one."""

    leaf: bytes
    proof: LogProof
    consistency: list[bytes]


async def prove_logged(
    outbox: Outbox, log: LogReader, entry_hash: bytes, old_size: int
) -> LoggedEntry:
    """Find an entry by its leaf hash. Raises NotYet while no checkpoint covers it."""
    index = await outbox.index_of(entry_hash)
    published = None if index is None else await log.checkpoint()
    if index is None or published is None or index >= published.checkpoint.size:
        raise NotYet(
            "the log does not cover this record yet; ask again in a few seconds",
            retry_after_s=RETRY_AFTER_S,
        )
    size = published.checkpoint.size
    path = tuple(await log.inclusion(index, size))
    return LoggedEntry(
        await log.entry(index),
        LogProof(index, path, published.note),
        await log.consistency(old_size, size),
    )


@dataclass(slots=True)
class DestructionReceipts:
    """Finishes destructions: destroyed, removed, and now provably so."""

    ledger: Ledger
    keeper: Keeper
    objects: Objects
    outbox: Outbox
    log: LogReader

    async def step(self, fence: tuple[str, int] | None) -> None:
        """Make every receipt that the log's latest checkpoint allows.

        Publishing and telling the keeper can be repeated, so the row, which ends the repetition,
        is written last.
        """
        async with self.ledger.transaction() as transaction:
            waiting = await transaction.receipts_without_document(BATCH)
        finished: list[str] = []
        for row in waiting:
            document = await self._document(row)
            if document is None:
                continue
            await self.objects.put(receipt_key(row.subject), document)
            async with self.ledger.transaction(fence) as transaction:
                await transaction.put_receipt(row._replace(document=document))
            finished.append(row.subject)
        if finished:
            await self.keeper.statements_logged(finished)
        await self._close_epochs(fence)
        await self._settle_statements()

    async def _document(self, row: ReceiptRow) -> bytes | None:
        stated = row.statement
        if stated is None:
            async with self.ledger.transaction() as transaction:
                epoch = await transaction.epoch(EpochKeyName.parse_subject(row.subject))
            stated = None if epoch is None else epoch.statement
        proof = await prove_entry(self.outbox, self.log, row.leaf)
        if stated is None or proof is None:
            return None
        statement = msgspec.json.decode(stated, type=DestructionStatement)
        return destruction_receipt(
            entry=row.leaf,
            statement=statement.document,
            signature=statement.signature,
            proof=proof,
        )

    async def _close_epochs(self, fence: tuple[str, int] | None) -> None:
        async with self.ledger.transaction(fence) as transaction:
            for row in await transaction.epochs(frozenset({EpochState.REMOVED})):
                receipt = await transaction.receipt(row.name.subject)
                if receipt is not None and receipt.document is not None:
                    await transaction.move_epoch(
                        row._replace(state=EpochState.RECEIPTED), EpochState.REMOVED
                    )

    async def _settle_statements(self) -> None:
        """Tell the keeper again what a crash kept from it."""
        logged = []
        for statement in await self.keeper.pending_statements():
            subject = msgspec.json.decode(statement.document)["subject"]
            async with self.ledger.transaction() as transaction:
                receipt = await transaction.receipt(subject)
            if receipt is not None and receipt.document is not None:
                logged.append(subject)
        if logged:
            await self.keeper.statements_logged(logged)


class FinalPart(NamedTuple):
    """What a response receipt needs of a record's final part, wherever it lies."""

    header: bytes
    ciphertext_hash: bytes
    position: int
    path: list[bytes]
    root_signature: bytes
    certificate: BootCertificate
    entry_hash: bytes
    """RFC 6962 leaf hash of the journal's `journal_closed` entry."""


async def record_receipt(part: FinalPart, outbox: Outbox, log: LogReader) -> bytes:
    """A response receipt. Raises NotYet while no checkpoint covers the journal's entry."""
    logged = await prove_logged(outbox, log, part.entry_hash, 0)
    certificate = part.certificate
    return response_receipt(
        header=part.header,
        ciphertext_hash=part.ciphertext_hash,
        index=part.position,
        path=part.path,
        root_signature=part.root_signature,
        certificate=WorkerCertificate(
            certificate.worker,
            certificate.region,
            certificate.public_key,
            certificate.not_before,
            certificate.not_after,
            certificate.signature,
        ),
        entry=logged.leaf,
        proof=logged.proof,
    )
