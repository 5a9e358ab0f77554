"""What a process records for one region and epoch: a session, its chains, and the open journal.

Journals follow one another; each begins the sessions and scopes that its parts use, so that every
journal can be read alone.
"""

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bailee.custody.journal import frames
from bailee.custody.journal.frames import JournalHeader
from bailee.custody.journal.writer import JournalWriter
from bailee.custody.recorder.keys import PublicKeys
from bailee.custody.seal.part import Owner
from bailee.custody.seal.session import PARTS_PER_SESSION, Chain, ScopeFrame, Session
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import EpochKeyName, JournalId, ScopeKeyName
from bailee.kernel.instants import Epoch, Instant
from bailee.ports.clock import Clock
from bailee.ports.files import Files
from bailee.ports.keeper import BootCertificate, EpochPublicKey, ScopePublicKey
from bailee.ports.ledger import JournalRow
from bailee.ports.offload import Offload
from bailee.ports.randomness import Randomness

if TYPE_CHECKING:
    from bailee.custody.recorder.recording import Recording

PSEUDONYM_BYTES = 16


@dataclass(slots=True, eq=False)
class OpenJournal:
    """A journal on its way from its first part to its row in the ledger."""

    writer: JournalWriter
    opened_at: Instant
    registered: bool = False
    opened: JournalRow | None = None
    closed: tuple[JournalRow, bytes] | None = None
    """Its closed row and log entry, once the close frame is on disk."""


@dataclass(slots=True, eq=False)
class Scope:
    """One tenant's project in a stream."""

    owner: Owner
    name: ScopeKeyName
    key: ScopePublicKey
    tenant_pseudonym: bytes
    project_pseudonym: bytes
    session: Session | None = None
    chain: Chain | None = None
    frame: ScopeFrame | None = None
    journal: OpenJournal | None = None
    """The journal in which the chain was last begun."""


@dataclass(slots=True)
class Tools:
    """What every stream of a recorder works with."""

    files: Files
    offload: Offload
    clock: Clock
    randomness: Randomness
    keys: PublicKeys
    max_journal_bytes: int
    max_waiting_bytes: int
    failed_at: Instant | None = None
    """When a journal last failed."""


@dataclass(slots=True, eq=False)
class Stream:
    """One region and epoch. `finished` collects journals that are to be closed."""

    epoch_key: EpochPublicKey
    certificate: BootCertificate
    tools: Tools
    epoch: Epoch = field(init=False)
    scopes: dict[tuple[bytes, bytes, int], Scope] = field(default_factory=dict)
    journal: OpenJournal | None = None
    finished: list[OpenJournal] = field(default_factory=list)
    recordings: "set[Recording]" = field(default_factory=set)
    _session: Session | None = None
    _frames: dict[int, ScopeFrame] = field(default_factory=dict)
    _session_parts: int = 0

    def __post_init__(self) -> None:
        self.epoch = self.epoch_key.epoch

    def add_scope(self, owner: Owner, name: ScopeKeyName, key: ScopePublicKey) -> Scope:
        """Know a project from now on."""
        scope = Scope(
            owner, name, key, self._pseudonym(owner.tenant), self._pseudonym(owner.project)
        )
        self.scopes[owner.tenant, owner.project, name.generation] = scope
        return scope

    def check_room(self) -> None:
        """Raise Unavailable when too much waits for the disk already."""
        journal = self.journal
        if journal is not None and journal.writer.waiting_bytes > self.tools.max_waiting_bytes:
            raise _journal_full()

    def writer(self, room_bytes: int) -> JournalWriter:
        """The journal that takes the next part. Raises Unavailable when it is full of what waits.

        `room_bytes` is how much may wait: less for prompts than for answers, which are owed.
        """
        journal = self.journal
        if journal is not None:
            writer = journal.writer
            if writer.failure is None and writer.size_bytes < self.tools.max_journal_bytes:
                if writer.waiting_bytes > room_bytes:
                    raise _journal_full()
                return writer
            if writer.failure is not None:
                self.tools.failed_at = self.tools.clock.now()
            self.finish_journal()
        tools = self.tools
        identifier = JournalId(int.from_bytes(tools.randomness.random_bytes(8), "big"))
        header = JournalHeader(identifier, self.epoch, self.epoch_key.region, self.certificate)
        writer = JournalWriter(tools.files, tools.offload, tools.keys.boot_key, header)
        self.journal = OpenJournal(writer, tools.clock.now())
        return writer

    def chain(self, scope: Scope, writer: JournalWriter) -> Chain:
        """The scope's chain for the next part, begun in `writer`'s journal if it was not."""
        self._session_parts += 1
        if (
            scope.session is self._session
            and scope.journal is self.journal
            and self._session_parts <= PARTS_PER_SESSION
            and scope.chain is not None
        ):
            return scope.chain
        return self._begin_chain(scope, writer)

    def _begin_chain(self, scope: Scope, writer: JournalWriter) -> Chain:
        session = self._session
        if session is None or self._session_parts > PARTS_PER_SESSION or session.exhausted:
            session = self._begin_session()
        if scope.session is not session or scope.chain is None:
            chain, frame = session.chain(scope.name, scope.key.x25519_key)
            if frame is not None:
                self._frames[frame.number] = frame
            frame = self._frames[chain.scope_number]
            scope.session, scope.chain, scope.frame = session, chain, frame
        if scope.frame is not None:
            purpose = session.epoch.purpose
            writer.add(frames.SESSION, frames.encode_session(session.frame, purpose))
            writer.add(frames.SCOPE, frames.encode_scope(scope.frame))
        scope.journal = self.journal
        return scope.chain

    def _begin_session(self) -> Session:
        self.end_session()
        key = self.epoch_key
        name = EpochKeyName(key.region, key.purpose, key.epoch)
        session = Session(name, key.mlkem_key, key.x25519_key, self.tools.randomness)
        self._session, self._session_parts = session, 1
        self._frames.clear()
        return session

    def end_session(self) -> None:
        """Overwrite the session's secrets; a late part begins a new one."""
        if self._session is not None:
            self._session.end()
            self._session = None
        for scope in self.scopes.values():
            scope.session = scope.chain = None

    def finish_journal(self) -> None:
        """Let the next part begin a new journal."""
        if self.journal is not None:
            self.finished.append(self.journal)
            self.journal = None

    def _pseudonym(self, subject: bytes) -> bytes:
        return hmac.digest(self.epoch_key.pseudonym_key, subject, "sha256")[:PSEUDONYM_BYTES]


def _journal_full() -> Unavailable:
    return Unavailable("journal full: the disk is slower than what arrives; retry later")
