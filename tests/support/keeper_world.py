"""A keeper with everything around it in memory: a log, a worker, and parts that it sealed."""

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec.structs import replace

from bailee.custody.journal.root import BootKey
from bailee.custody.keeper.keyring import Keyring
from bailee.custody.keeper.keys import pseudonym
from bailee.custody.keeper.service import KeeperService
from bailee.custody.keeper.signatures import as_logged
from bailee.custody.seal.part import (
    FLAG_FINAL,
    KIND_ANSWER,
    KIND_PROMPT,
    NO_HASH,
    Owner,
    PartHeader,
    SealedPart,
    leaf_hash,
    part_hash,
    record_hash,
)
from bailee.custody.seal.session import Session, seal_part
from bailee.custody.unseal import OwnerLease, StoredPart
from bailee.drivers.keys_file import FileRootSlots
from bailee.drivers.memory import Disk, Faults, InlineOffload, ManualClock, MemoryFiles
from bailee.drivers.memory import SeededRandomness as Seeded
from bailee.kernel.encoding import fields
from bailee.kernel.ids import (
    EpochKeyName,
    JournalId,
    ProjectId,
    Purpose,
    RecordId,
    Region,
    ScopeKeyName,
    TenantId,
)
from bailee.kernel.instants import Epoch, Instant, epoch_of
from bailee.kernel.redacted import Secret
from bailee.ports.keeper import OpeningProof, OpenPart
from bailee.transparency import entry, tree
from bailee.transparency.checkpoint import sign_checkpoint
from bailee.transparency.note import Signer

NOW = Instant(1_763_884_800_000)
REGION = Region("us")
ABUSE = Purpose.ABUSE_MONITORING
TENANT = TenantId(b"T" * 16)
PROJECT = ProjectId(b"P" * 16)
OTHER_TENANT = TenantId(b"t" * 16)
OTHER_PROJECT = ProjectId(b"p" * 16)
OWNER = Owner(TENANT, PROJECT, REGION)
CREDENTIAL = b"sk-bailee-00112233445566aa-" + b"A" * 43
ADMIN_KEY = b"sk-admin-00112233445566cc-" + b"C" * 43
OTHER_ADMIN_KEY = b"sk-admin-00112233445566dd-" + b"D" * 43
OTHER_CREDENTIAL = b"sk-bailee-00112233445566bb-" + b"B" * 43
LOG = Signer("example.com/log", b"L" * 32)
SCOPE = ScopeKeyName(REGION, ABUSE, PROJECT)
OTHER_SCOPE = ScopeKeyName(REGION, ABUSE, OTHER_PROJECT)


def epoch_name(at: Instant = NOW, purpose: Purpose = ABUSE) -> EpochKeyName:
    return EpochKeyName(REGION, purpose, epoch_of(at))


def new_keyring(disk: Disk, seed: int = 0, faults: Faults | None = None) -> Keyring:
    files = MemoryFiles(disk, faults)
    return Keyring(files, FileRootSlots(files), Seeded(seed))


class SealedRecord(NamedTuple):
    """A record of one prompt and one answer in a closed and logged journal."""

    stored: list[StoredPart]
    proofs: list[OpeningProof]
    contents: list[bytes]


@dataclass
class World:
    """One installation. `restart` is a new keeper process on the same disk."""

    disk: Disk = field(default_factory=Disk)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))
    seed: int = 1
    trust_clock: bool = True
    leaves: list[bytes] = field(default_factory=list)
    keeper: KeeperService = field(init=False)

    def __post_init__(self) -> None:
        self.restart_later()

    def restart_later(self, faults: Faults | None = None) -> None:
        self.seed += 1
        files = MemoryFiles(self.disk, faults)
        slots = FileRootSlots(files)
        randomness = Seeded(self.seed)
        self.keeper = KeeperService(
            Keyring(files, slots, randomness),
            slots,
            self.clock,
            randomness,
            InlineOffload(),
            LOG.verifier,
            enforcement="none",
            trust_clock=self.trust_clock,
        )

    async def restart(self, faults: Faults | None = None) -> None:
        self.restart_later(faults)
        await self.keeper.start()

    async def begin(self) -> "World":
        """Start the keeper, with two projects that have scopes and credentials."""
        await self.keeper.start()
        for scope, tenant, credential in (
            (SCOPE, TENANT, CREDENTIAL),
            (OTHER_SCOPE, OTHER_TENANT, OTHER_CREDENTIAL),
        ):
            await self.keeper.create_scope(scope)
            await self.keeper.register_credential(credential, tenant, scope.project, None)
        return self

    def log(self, leaf: bytes) -> int:
        self.leaves.append(leaf)
        return len(self.leaves) - 1

    def checkpoint(self) -> bytes:
        return sign_checkpoint(len(self.leaves), self.log_root(), LOG)

    def log_root(self) -> bytes:
        return tree.root_of(tree.leaf_hash(leaf) for leaf in self.leaves)

    async def prove(self, proof: OpeningProof) -> OpeningProof:
        """The proof brought up to the log as it stands and to what the keeper accepted."""
        known = (await self.keeper.status()).log_size
        hashes = [tree.leaf_hash(leaf) for leaf in self.leaves]
        read = tree.reader_of(hashes)
        size = len(hashes)
        return replace(
            proof,
            log_path=tree.inclusion_proof(proof.log_index, size, read),
            checkpoint=self.checkpoint(),
            consistency=tree.consistency_proof(known, size, read) if known else [],
        )

    async def seal_record(
        self,
        contents: tuple[bytes, ...] = (b"a prompt", b"an answer"),
        *,
        owner: Owner = OWNER,
        scope: ScopeKeyName = SCOPE,
        purpose: Purpose = ABUSE,
        journal: int = 7,
        before: int = 0,
    ) -> SealedRecord:
        """Seal, journal and log a record; `before` other leaves stand before it."""
        now = self.clock.now()
        name = EpochKeyName(owner.region, purpose, epoch_of(now))
        public = await self.keeper.epoch_public_key(name)
        randomness = Seeded(1000 + journal)
        session = Session(name, public.mlkem_key, public.x25519_key, randomness)
        scope_public = await self.keeper.scope_public_key(scope)
        chain, frame = session.chain(scope, scope_public.x25519_key)
        assert frame is not None
        record = RecordId(name.epoch, JournalId(journal), before)
        previous = NO_HASH
        leaves = [hashlib.sha256(bytes((number,))).digest() for number in range(before)]
        parts: list[SealedPart] = []
        for number, content in enumerate(contents):
            last = number == len(contents) - 1
            header = PartHeader(
                kind=KIND_ANSWER if number else KIND_PROMPT,
                flags=FLAG_FINAL if last else 0,
                endpoint=1,
                status=200 if number else 0,
                part=number,
                record=record,
                sealed_at=now,
                tenant_pseudonym=pseudonym(public.pseudonym_key, owner.tenant),
                project_pseudonym=pseudonym(public.pseudonym_key, owner.project),
                generation=scope.generation,
                previous=previous,
                receipt_commitment=b"C" * 32 if last else NO_HASH,
                key_commitment=b"",
                content_bytes=0,
            )
            content_key = randomness.random_bytes(32)
            part, _ = seal_part(
                record, number, header.start(), content, content_key, owner, (chain,)
            )
            previous = chained(part)
            leaves.append(leaf_hash(header.receipt_commitment, previous))
            parts.append(part)
        proofs = await self._close(owner.region, name.epoch, journal, leaves, before)
        session_body = session.frame.session + bytes((purpose.code,)) + session.frame.encapsulation
        scope_body = (
            frame.session
            + frame.number.to_bytes(4, "big")
            + frame.generation.to_bytes(4, "big")
            + frame.encapsulation
        )
        stored = [StoredPart(part, session_body, scope_body) for part in parts]
        return SealedRecord(stored, proofs, list(contents))

    async def _close(
        self, region: Region, epoch: Epoch, journal: int, leaves: list[bytes], first: int
    ) -> list[OpeningProof]:
        boot = BootKey(Seeded(journal))
        certificate = await self.keeper.certify_boot_key("worker", region, boot.public_key)
        root, count = tree.root_of(leaves), len(leaves)
        signature = sign_root(boot, region, epoch, journal, count, root)
        leaf = entry.journal_closed(
            self.clock.now(),
            region,
            epoch,
            JournalId(journal),
            parts=count,
            root=root,
            certificate_digest=as_logged(certificate).digest,
            recovered=False,
        )
        index = self.log(leaf)
        read = tree.reader_of(leaves)
        return [
            OpeningProof(
                journal=JournalId(journal),
                frame=position,
                count=count,
                path=tree.inclusion_proof(position, count, read),
                root=root,
                root_signature=signature,
                certificate=certificate,
                log_leaf=leaf,
                log_index=index,
                log_path=[],
                checkpoint=b"",
                consistency=[],
            )
            for position in range(first, count)
        ]

    async def request(
        self, record: SealedRecord, number: int = 0, credential: bytes = CREDENTIAL
    ) -> OpenPart:
        """A request that the keeper has every reason to grant."""
        stored = record.stored[number]
        return OpenPart(
            credential=credential,
            purpose=Purpose.from_code(stored.part.wraps[0][0]),
            header=stored.part.header,
            ciphertext_hash=hashlib.sha256(stored.part.ciphertext).digest(),
            wrap=stored.part.wraps[0],
            session=stored.session,
            scope=stored.scope,
            proof=await self.prove(record.proofs[number]),
        )


def chained(part: SealedPart) -> bytes:
    """S of a part."""
    header_hash = hashlib.sha256(part.header).digest()
    ciphertext_hash = hashlib.sha256(part.ciphertext).digest()
    previous = PartHeader.decode(part.header).previous
    return record_hash(previous, part_hash(header_hash, ciphertext_hash))


def sign_root(
    boot: BootKey, region: Region, epoch: Epoch, journal: int, count: int, root: bytes
) -> bytes:
    message = fields(
        "bailee/1/journal-root",
        region.encode(),
        epoch.to_bytes(4, "big"),
        journal.to_bytes(8, "big"),
        count.to_bytes(4, "big"),
        root,
    )
    return boot._key.sign(message)


def lease(credential: bytes = CREDENTIAL, owner: Owner = OWNER) -> OwnerLease:
    return OwnerLease(Secret(credential), owner, ABUSE)
