"""What a process records for one region and epoch: its purposes' chains, and the open journal.

Journals follow one another. Records are known by the pseudonyms of monitoring's epoch alone.
"""

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bailee.custody.journal.frames import JournalHeader
from bailee.custody.journal.writer import JournalWriter
from bailee.custody.recorder.chains import Chains, Scope
from bailee.custody.recorder.keys import PublicKeys
from bailee.custody.seal.part import Owner
from bailee.kernel.errors import Unavailable
from bailee.kernel.ids import JournalId, ScopeKeyName
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
    chains: Chains = field(init=False)
    """For monitoring; its scopes are the projects that are recorded."""
    training: Chains | None = None
    """Once a project shares."""
    journal: OpenJournal | None = None
    finished: list[OpenJournal] = field(default_factory=list)
    recordings: "set[Recording]" = field(default_factory=set)

    def __post_init__(self) -> None:
        self.epoch = self.epoch_key.epoch
        self.chains = Chains(self.epoch_key, self.tools.randomness)

    def add_scope(
        self, chains: Chains, owner: Owner, name: ScopeKeyName, key: ScopePublicKey
    ) -> Scope:
        """Know a project from now on, for the purpose of `chains`."""
        scope = Scope(
            owner, name, key, self._pseudonym(owner.tenant), self._pseudonym(owner.project)
        )
        chains.scopes[owner.tenant, owner.project, name.generation] = scope
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

    def end_session(self) -> None:
        """Overwrite the sessions' secrets; a late part begins a new one."""
        self.chains.end_session()
        if self.training is not None:
            self.training.end_session()

    def finish_journal(self) -> None:
        """Let the next part begin a new journal."""
        if self.journal is not None:
            self.finished.append(self.journal)
            self.journal = None

    def _pseudonym(self, subject: bytes) -> bytes:
        return hmac.digest(self.epoch_key.pseudonym_key, subject, "sha256")[:PSEUDONYM_BYTES]


def _journal_full() -> Unavailable:
    return Unavailable("journal full: the disk is slower than what arrives; retry later")
