"""What an operator sees of records, half hours and the keyring: never content."""

from collections.abc import Mapping
from typing import Any, Final

from bailee.custody.reading import Reading
from bailee.custody.seal.part import ENDPOINTS
from bailee.kernel.errors import InvalidInput, NotFound
from bailee.kernel.ids import EpochKeyName, Purpose, RecordId, Region
from bailee.kernel.instants import (
    Epoch,
    epoch_deadline,
    epoch_of,
    epoch_start,
    from_rfc3339,
    to_rfc3339,
)
from bailee.policy.decide import API_SERVICE, decide
from bailee.policy.history import PolicyHistory
from bailee.policy.model import Facts
from bailee.ports.keeper import Keeper
from bailee.ports.ledger import Ledger

Row = Mapping[str, Any]
_UNLESS: Final = {
    Purpose.TRAINING: {
        "unless": "its owner has withdrawn since: that destroys the key, and a receipt says so"
    }
}
"""Whose a record is it does not say, nor so whether its project's key is left."""


async def inspect_record(reading: Reading, policies: PolicyHistory, record: str) -> Row:
    """What is held of a record; never content. Whose service's it is, the record does not say."""
    try:
        wanted = RecordId.parse(record)
    except ValueError as error:
        raise InvalidInput(str(error), field="record") from None
    stored = await reading.find_record(wanted)
    first = stored.parts[0]
    submitted_at = first.header.sealed_at
    purposes = [Purpose.from_code(wrap[0]) for wrap in first.sealed.wraps]
    decision = decide(
        policies,
        Facts(
            service=API_SERVICE,
            endpoint=ENDPOINTS[first.header.endpoint],
            region=first.journal.region,
            submitted_at=submitted_at,
            sharing_consent=Purpose.TRAINING in purposes,
        ),
    )
    clauses = {handling.purpose: list(handling.clauses) for handling in decision.handlings}
    governing = {
        service: version.id
        for service in policies.services
        if (version := policies.version_at(service, submitted_at)) is not None
    }
    return {
        "record": str(wanted),
        "arrived": to_rfc3339(stored.parts[0].header.sealed_at),
        "complete": stored.complete,
        "held_for": [
            {"purpose": purpose.value, "clauses": clauses.get(purpose, [])}
            | _UNLESS.get(purpose, {})
            for purpose in purposes
        ],
        "policy": " or ".join(
            version if len(governing) == 1 else f"{version} ({service})"
            for service, version in governing.items()
        ),
        "until": to_rfc3339(epoch_deadline(wanted.epoch)),
        "parts": len(stored.parts),
        "sealed_bytes": sum(len(part.sealed.ciphertext) for part in stored.parts),
        "lies_in": sorted(
            {part.journal.segment or "journal on this machine" for part in stored.parts}
        ),
    }


async def inspect_epoch(ledger: Ledger, region: Region, epoch: str) -> list[Row]:
    """One half hour's keys and what is sealed to them."""
    number = _parse_epoch(epoch)
    rows: list[Row] = []
    async with ledger.transaction() as transaction:
        for purpose in Purpose:
            found = await transaction.epoch(EpochKeyName(region, purpose, number))
            if found is None:
                continue
            segments = await transaction.segments(region, number, purpose)
            journals = await transaction.journals(region, number)
            rows.append(
                {
                    "epoch": number,
                    "begins": to_rfc3339(epoch_start(number)),
                    "purpose": purpose.value,
                    "state": found.state.value,
                    "deadline": to_rfc3339(epoch_deadline(number)),
                    "destroyed_at": found.destroyed_at and to_rfc3339(found.destroyed_at),
                    "journals": len(journals),
                    "segments": len(segments),
                    "bytes": sum(segment.size_bytes for segment in segments),
                }
            )
    if not rows:
        raise NotFound("no key was ever made for this half hour")
    return rows


async def inspect_keyring(keeper: Keeper) -> Row:
    """The keyring by name."""
    status = await keeper.status()
    epochs = sorted(epoch for _, _, epoch in status.live_epochs)
    return {
        "keeper": status.identity.hex(),
        "generation": status.generation,
        "live_epochs": len(epochs),
        "next_deadline": to_rfc3339(epoch_deadline(epochs[0])) if epochs else None,
        "live_scopes": status.live_scopes,
        "log_size_seen": status.log_size,
        "enforcement": status.enforcement,
        "clock": status.clock_doubt or "trusted",
    }


def _parse_epoch(text: str) -> Epoch:
    if text.isdigit():
        return Epoch(int(text))
    try:
        return epoch_of(from_rfc3339(text))
    except ValueError:
        raise InvalidInput(
            "an epoch is its number or an instant in it, as in 2026-11-23T07:30Z", field="epoch"
        ) from None
