"""The half-hourly census: what is alive, and that nothing overdue exists.

Promises: one entry per half hour, counting by region and purpose what the log before it says is
alive, and calling overdue whatever log or keyring still have past its deadline although this
tick has destroyed what was due when it began (a clerk that was suspended in the middle of a tick
does not accuse itself of what its next tick would have entered); a function that
anybody can run over the log (`recount`) and, for operators, over bucket and keyring names
(`discrepancies`) and that must agree. Copies that nobody logged cannot be excluded, and the page
that shows the census says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from bailee.kernel.ids import EpochKeyName, Purpose, Region
from bailee.kernel.instants import Epoch, Instant, epoch_deadline, epoch_of
from bailee.lifecycle.epochs import BEFORE_DESTRUCTION
from bailee.ports.keeper import Keeper
from bailee.ports.ledger import Ledger, ReceiptRow
from bailee.transparency import entry


@dataclass(slots=True)
class Census:
    """Takes a census once in every half hour that the clerk is awake."""

    ledger: Ledger
    keeper: Keeper
    _last: Epoch | None = None

    async def step(self, fence: tuple[str, int] | None, now: Instant) -> None:
        """Take the census of `now`'s half hour unless it has been taken.

        `now` is when the tick began, before its destructions: what is due later is not late yet.
        """
        half_hour = epoch_of(now)
        if self._last == half_hour:
            return
        status = await self.keeper.status()
        held = {EpochKeyName(*name) for name in status.live_epochs}
        async with self.ledger.transaction(fence) as transaction:
            subject = f"census/{half_hour}"
            if await transaction.receipt(subject) is None:
                alive = {row.name for row in await transaction.epochs(BEFORE_DESTRUCTION)}
                late = {name for name in alive | held if epoch_deadline(name.epoch) <= now}
                for leaf in census_leaves(now, alive, late):
                    await transaction.append_entry(leaf)
                    await transaction.put_receipt(ReceiptRow(subject, leaf, b"{}"))
        self._last = half_hour


def census_leaves(now: Instant, alive: set[EpochKeyName], late: set[EpochKeyName]) -> list[bytes]:
    """The entries of a census: one for each region and purpose."""
    groups: dict[tuple[Region, Purpose], list[EpochKeyName]] = {}
    for name in alive | late:
        groups.setdefault((name.region, name.purpose), []).append(name)
    leaves = []
    for (region, purpose), names in sorted(groups.items(), key=lambda item: str(item[0])):
        epochs = sorted(name.epoch for name in names if name in alive)
        leaves.append(
            entry.census(
                now,
                region,
                purpose,
                live=len(epochs),
                oldest=epochs[0] if epochs else None,
                newest=epochs[-1] if epochs else None,
                earliest_deadline=epoch_deadline(epochs[0]) if epochs else None,
                overdue=sum(1 for name in names if name in late),
                held=0,
            )
        )
    return leaves


class Discrepancy(NamedTuple):
    """A place where two accounts of what exists do not agree."""

    what: str
    subject: str


def recount(leaves: Iterable[bytes]) -> tuple[set[EpochKeyName], set[EpochKeyName], list[str]]:
    """Read the log from its beginning.

    Gives the epochs that were opened and not destroyed, those that were destroyed, and every
    census whose numbers disagree with the entries before it or that admits to something overdue
    (as sentences).
    """
    opened: set[EpochKeyName] = set()
    destroyed: set[EpochKeyName] = set()
    complaints: list[str] = []
    for index, leaf in enumerate(leaves):
        fields = entry.parse(leaf)
        match fields["type"]:
            case "epoch_opened":
                opened.add(
                    EpochKeyName(
                        Region(fields["region"]), Purpose(fields["purpose"]), Epoch(fields["epoch"])
                    )
                )
            case "destroyed" if fields["subject"].startswith("epoch/"):
                destroyed.add(EpochKeyName.parse_subject(fields["subject"]))
            case "census":
                complaints += _check_census(index, fields, opened - destroyed)
    return opened - destroyed, destroyed, complaints


def _check_census(index: int, fields: dict[str, Any], alive: set[EpochKeyName]) -> list[str]:
    group = (fields["region"], fields["purpose"])
    counted = sum(1 for name in alive if (name.region, name.purpose.value) == group)
    complaints = []
    if fields["live"] != counted:
        complaints.append(
            f"entry {index}: the census counts {fields['live']} live epochs of "
            f"{'/'.join(group)}, the log before it {counted}"
        )
    if fields["overdue"]:
        complaints.append(f"entry {index}: the census admits {fields['overdue']} overdue")
    return complaints


def discrepancies(
    leaves: Iterable[bytes],
    bucket_keys: Iterable[str],
    keyring_epochs: Iterable[EpochKeyName],
    now: Instant,
) -> list[Discrepancy]:
    """Compare log, bucket and keyring names (guarantee G10). Empty when they agree and nothing
    overdue exists."""
    alive, destroyed, complaints = recount(leaves)
    found = [Discrepancy(complaint, "log") for complaint in complaints]
    held = set(keyring_epochs)
    found += [
        Discrepancy("alive by the log, absent from the keyring", name.subject)
        for name in alive - held
    ]
    found += [
        Discrepancy("in the keyring, not alive by the log", name.subject) for name in held - alive
    ]
    found += [
        Discrepancy("past its deadline and still in the keyring", name.subject)
        for name in held
        if epoch_deadline(name.epoch) <= now
    ]
    for key in bucket_keys:
        name = _segment_epoch(key)
        if name is not None and name in destroyed and epoch_deadline(name.epoch) <= now:
            found.append(Discrepancy("bytes of a destroyed epoch", key))
    return sorted(found)


def _segment_epoch(key: str) -> EpochKeyName | None:
    parts = key.split("/")
    if len(parts) < 4 or parts[0] != "segments":
        return None
    return EpochKeyName(Region(parts[1]), Purpose(parts[2]), Epoch(int(parts[3])))
