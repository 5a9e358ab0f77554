"""Which version of a text is in force, and publishing a newer one.

The oldest text that an installation has of a kind is in force from the beginning; a newer one that
comes with a newer Bailee, once a privacy officer has published it. Executed agreements of older
versions then stay in force until the notice ends, which the clerk tells each organisation
(`execution`), or until they are executed anew.
"""

from typing import NamedTuple

from bailee.governance.agreements import repository
from bailee.governance.agreements.model import Agreement, Kind, State
from bailee.governance.agreements.templates import Library, Template
from bailee.kernel.errors import Conflict
from bailee.kernel.instants import Instant
from bailee.policy.access.matrix import require
from bailee.policy.access.model import Actor
from bailee.ports.clock import Clock
from bailee.ports.database import Database, DatabaseTransaction


class Offered(NamedTuple):
    """A text that can be agreed to now."""

    template: Template
    published_at: Instant | None
    """None: in force from the beginning."""


class Outstanding(NamedTuple):
    """An executed agreement that is to be executed anew."""

    agreement: Agreement
    in_force_until: Instant


async def offered(transaction: DatabaseTransaction, library: Library, kind: Kind) -> Offered:
    """What is in force of a kind.

    Raises Conflict if what was published is no longer what this installation has.
    """
    published = [one for one in await repository.publications(transaction) if one.kind is kind]
    if not published:
        return Offered(library.versions(kind)[0], None)
    newest = published[-1]
    template = library.one(kind, newest.version)
    if template.digest != newest.text_digest:
        raise Conflict(
            f"The text of {kind.value} {newest.version} is not the one that was published. Put the"
            " right Bailee back."
        )
    return Offered(template, newest.published_at)


def outstanding_of(row: Agreement, now: Offered) -> Outstanding | None:
    """Until when an executed agreement is in force, if a newer text was published after it."""
    if (
        now.published_at is None
        or row.state is not State.EXECUTED
        or row.kind is not now.template.kind
        or row.version >= now.template.version
    ):
        return None
    return Outstanding(row, Instant(now.published_at + now.template.newer_text_notice_ms))


class Versions:
    """Publishing, and who must execute anew; in the role `administrator`."""

    def __init__(self, database: Database, clock: Clock, actor: Actor, library: Library) -> None:
        self._database = database
        self._clock = clock
        self._actor = actor
        self._library = library

    async def publish(self, kind: Kind, version: str) -> list[Outstanding]:
        """Put a newer text in force; gives who is to execute it anew, and until when.

        Raises:
            Forbidden: the actor may not publish.
            NotFound: this installation has no such text.
            Conflict: it is not newer than what is in force.
        """
        now = self._clock.now()
        require(self._actor, "agreement.publish", None, now)
        template = self._library.one(kind, version)
        async with self._database.transaction(None) as transaction:
            current = await offered(transaction, self._library, kind)
            if template.version <= current.template.version:
                raise Conflict(
                    f"Version {current.template.version} is in force; only a newer one can be"
                    " published."
                )
            await repository.publish(
                transaction,
                repository.Publication(kind, version, template.digest, now),
                self._actor.identifier,
            )
        return await self.outstanding(kind)

    async def outstanding(self, kind: Kind) -> list[Outstanding]:
        """Everybody's executed agreements of versions older than the one in force.

        Raises Forbidden.
        """
        require(self._actor, "agreement.review", None, self._clock.now())
        async with self._database.platform_reading() as reading:
            current = await offered(reading, self._library, kind)
            executed = await repository.in_state(reading, {State.EXECUTED})
        found = (outstanding_of(row, current) for row in executed)
        return [one for one in found if one is not None]
