"""The policy history of a process: what ships with Bailee and what this installation published.

Promises: a process never decides by a history that lacks a version which it has read; a version
that it cannot read, for instance because an older Bailee finds a newer one's, is an error of the
reading, so that a gateway worker grows stale and stops answering instead of deciding without it.
Versions are only ever added.
"""

from collections.abc import Callable, Iterable
from typing import Final

from bailee.governance.policy_drafts import repository
from bailee.governance.policy_drafts.model import Published
from bailee.policy.history import PolicyHistory
from bailee.policy.load import packaged_files, packaged_policy
from bailee.policy.parse import parse
from bailee.ports.database import Database, DatabaseTransaction

Listen = Callable[[PolicyHistory], None]


class PolicyInForce:
    """One process's policy history, and who is told when it grows."""

    def __init__(self, *listeners: Listen) -> None:
        self._listeners: Final = list(listeners)
        self._known: tuple[str, ...] = ()
        self._policies = packaged_policy()

    def __call__(self) -> PolicyHistory:
        """The history as it was last read."""
        return self._policies

    def tell(self, listener: Listen) -> None:
        """Tell somebody of every change from now on, in the moment in which it is made."""
        self._listeners.append(listener)

    async def read(self, transaction: DatabaseTransaction) -> None:
        """Take in what was published. Raises PolicyProblems for what cannot be read."""
        rows = await repository.published(transaction)
        known = tuple(row.version for row in rows)
        if known == self._known:
            return
        policies = history_with(rows)
        self._policies, self._known = policies, known
        for listener in self._listeners:
            listener(policies)

    async def present(self, database: Database) -> PolicyHistory:
        """The history as it is now. Raises Unavailable while the database is away."""
        async with database.transaction(None) as transaction:
            await self.read(transaction)
        return self._policies


def files_with(rows: Iterable[Published]) -> dict[str, str]:
    """The policy folder: texts by path."""
    files = packaged_files()
    for row in rows:
        files.update(row.files)
    return files


def history_with(rows: Iterable[Published]) -> PolicyHistory:
    """The history. Raises PolicyProblems."""
    known = list(rows)
    return parse(files_with(known)) if known else packaged_policy()
