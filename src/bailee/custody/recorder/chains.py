"""One purpose's session of a stream, and the chains of the projects that seal in it.

Promises that every journal in which a chain is used begins the session and the scope before, so
that each journal can be read alone.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bailee.custody.journal import frames
from bailee.custody.journal.writer import JournalWriter
from bailee.custody.seal.part import Owner
from bailee.custody.seal.session import PARTS_PER_SESSION, Chain, ScopeFrame, Session
from bailee.kernel.ids import EpochKeyName, ScopeKeyName
from bailee.ports.keeper import EpochPublicKey, ScopePublicKey
from bailee.ports.randomness import Randomness

if TYPE_CHECKING:
    from bailee.custody.recorder.stream import OpenJournal


@dataclass(slots=True, eq=False)
class Scope:
    """One tenant's project in a stream, for one purpose."""

    owner: Owner
    name: ScopeKeyName
    key: ScopePublicKey
    tenant_pseudonym: bytes
    project_pseudonym: bytes
    session: Session | None = None
    chain: Chain | None = None
    frame: ScopeFrame | None = None
    journal: "OpenJournal | None" = None
    """The journal in which the chain was last begun."""


@dataclass(slots=True, eq=False)
class Chains:
    """What seals for one purpose in one region and epoch."""

    epoch_key: EpochPublicKey
    randomness: Randomness
    scopes: dict[tuple[bytes, bytes, int], Scope] = field(default_factory=dict)
    """By tenant, project and generation."""
    _session: Session | None = None
    _frames: dict[int, ScopeFrame] = field(default_factory=dict)
    _session_parts: int = 0

    def chain(self, scope: Scope, journal: "OpenJournal | None", writer: JournalWriter) -> Chain:
        """The scope's chain for the next part, begun in `writer`'s `journal` if it was not."""
        self._session_parts += 1
        if (
            scope.session is self._session
            and scope.journal is journal
            and self._session_parts <= PARTS_PER_SESSION
            and scope.chain is not None
        ):
            return scope.chain
        chain = self._begin(scope, writer)
        scope.journal = journal
        return chain

    def _begin(self, scope: Scope, writer: JournalWriter) -> Chain:
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
        return scope.chain

    def _begin_session(self) -> Session:
        self.end_session()
        key = self.epoch_key
        name = EpochKeyName(key.region, key.purpose, key.epoch)
        session = Session(name, key.mlkem_key, key.x25519_key, self.randomness)
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
