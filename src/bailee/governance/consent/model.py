"""Statements about consent, and what stands by them.

A statement says that something stands, or does not, for an organisation or for one project, from
an instant on. The ledger holds statements bitemporally: `valid_from` to `valid_until` is when it
held, `recorded_at` to `superseded_at` is when we knew it. A row is never changed but for being
superseded, by rows that say more.

A project's own statements beat its organisation's from the first one on, whichever way they go.
"""

import enum
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from bailee.kernel.ids import ProjectId, TenantId
from bailee.kernel.instants import Instant
from bailee.policy.model import RetentionMode
from bailee.ports.acknowledgement import LEASE_MS

NOTICE_MS: Final = LEASE_MS + 500
"""How long after it was made a statement takes effect. By then no gateway worker acts on what it
knew before, so that all of them begin, or cease, at the very same instant: a worker's facts are at
most a lease old, and half a second is left for the commit."""


class Kind(enum.Enum):
    """What is stated. The value is stable: it is stored."""

    SHARING = "sharing"
    """Content may serve to improve the service: needed since 2023-03-01."""
    OPT_OUT = "opt_out"
    """It may not: the choice of the regime before."""

    __hash__ = object.__hash__


class Statement(NamedTuple):
    """One row of the ledger."""

    statement: bytes
    """16 random bytes."""
    tenant: TenantId
    project: ProjectId | None
    """None: the whole organisation."""
    kind: Kind
    stands: bool
    """Given (True) or withdrawn."""
    valid_from: Instant
    valid_until: Instant | None
    recorded_at: Instant
    superseded_at: Instant | None
    text: str | None
    """The version that was agreed to, of what was given."""
    text_digest: bytes | None
    actor: str
    """Who said so, as the audit log names them."""

    def known(self, at: Instant) -> bool:
        """Whether the ledger said so at an instant."""
        superseded_at = self.superseded_at
        return self.recorded_at <= at and (superseded_at is None or at < superseded_at)

    def covers(self, at: Instant) -> bool:
        """Whether it is about an instant."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


class Subject(NamedTuple):
    """A project, as far as consent looks at it."""

    project: ProjectId
    name: str
    retention_mode: RetentionMode
    """The effective one."""
    protected_health: bool

    @property
    def refusal(self) -> str | None:
        """Why it cannot share, if it cannot."""
        if self.protected_health:
            return "a business associate agreement governs it"
        if self.retention_mode is RetentionMode.ZERO_DATA_RETENTION:
            return "zero data retention holds for it"
        if self.retention_mode is RetentionMode.MODIFIED_ABUSE_MONITORING:
            return "modified abuse monitoring holds for it"
        return None


def stood(
    rows: Iterable[Statement], kind: Kind, project: ProjectId | None, at: Instant, known: Instant
) -> Statement | None:
    """The statement that decided at `at`, by what was known at `known`; None: nobody had said.

    `rows`: the organisation's ledger. Whether it stood is the statement's `stands`.
    """
    said = [row for row in rows if row.kind is kind and row.known(known) and row.covers(at)]
    own = [row for row in said if project is not None and row.project == project]
    decided = own or [row for row in said if row.project is None]
    return decided[0] if decided else None


def spoken(
    rows: Iterable[Statement], kind: Kind, at: Instant, known: Instant
) -> dict[ProjectId, Statement]:
    """By project: its own statement that decided at `at`, by what was known at `known`.

    Projects that had said nothing by themselves are left out. `rows`: the organisation's ledger.
    """
    return {
        row.project: row
        for row in rows
        if row.project is not None and row.kind is kind and row.known(known) and row.covers(at)
    }


def transitions(rows: Iterable[Statement]) -> list[Instant]:
    """The instants at which one scope's statements of a kind begin and cease to stand, in turns.

    `rows`: what is known now of one scope and kind, in the order of `valid_from`. A scope whose
    first statement is a withdrawal begins with an instant twice, so that the first one always says
    since when the scope speaks for itself.
    """
    found: list[Instant] = []
    for row in rows:
        if not found and not row.stands:
            found += [row.valid_from, row.valid_from]
        elif row.stands == (len(found) % 2 == 0):
            found.append(row.valid_from)
    return found


def ended(effective: Sequence[int], done: Instant) -> tuple[Instant, bool] | None:
    """When sharing ended last, and whether anything was shared since `done`; None: it stands, or
    nothing ended since.

    `effective`: a project's transitions; `done`: up to which of them destruction is finished.
    """
    if len(effective) % 2 or not effective or effective[-1] <= done:
        return None
    pairs = zip(effective[::2], effective[1::2], strict=True)
    shared = any(begin < end and end > done for begin, end in pairs)
    return Instant(effective[-1]), shared
