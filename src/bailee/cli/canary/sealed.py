"""What is sealed: counted without a key, from the clear columns and frames alone."""

import asyncio
from typing import Final

from bailee.cli.canary.sinks import as_owner
from bailee.cli.house import House
from bailee.cli.tour.inside import open_inside
from bailee.custody.catalogue.entries import packaged_catalogue
from bailee.custody.journal.places import FOLDER
from bailee.custody.journal.reader import scan
from bailee.drivers.files_local import LocalFiles
from bailee.drivers.system import SystemClock
from bailee.kernel.errors import BaileeError
from bailee.kernel.ids import RecordId
from bailee.wiring.places import Places

_PATIENCE_S: Final = 30.0
_LOOK_S: Final = 0.2
_LOCK: Final = ".lock"
"""The one file of the object folder that is no object."""
_CONTENT: Final = "api_data"
"""The category of the catalogue."""


async def sealed_anywhere(house: House) -> list[str]:
    """Where sealed parts, objects and rows with an object's key are: one place for each."""
    objects = Places(house.data).objects
    stored = [
        f"objects/{name}"
        for name in (
            str(path.relative_to(objects)) for path in objects.rglob("*") if path.is_file()
        )
        if name != _LOCK and is_content(name)
    ]
    async with as_owner(house) as connection:
        rows = await connection.fetchval("SELECT count(*) FROM held_objects")
    parts = [f"a journal, record {RecordId.unpack(one)}" for one in _in_journals(house)]
    return parts + stored + ["a row of held_objects"] * int(rows)


def is_content(name: str) -> bool:
    """Whether an object is API data, as the catalogue has it. What it does not name is."""
    (bucket,) = (store for store in packaged_catalogue().stores if store.family == "objects")
    handled = [one.handling for one in bucket.entries if name.startswith(one.name)]
    return not handled or any(one.category == _CONTENT for one in handled)


async def count_found(house: House, wanted: set[RecordId]) -> int:
    """How many of these records lie in journals or segments, once all are seen or time is up."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + _PATIENCE_S
    seen: set[RecordId] = set()
    while not wanted <= seen and clock.monotonic_s() < deadline_s:
        seen |= {RecordId.unpack(packed) for packed in _in_journals(house)}
        if not wanted <= seen:
            seen |= await _in_segments(house, {record.epoch for record in wanted - seen})
        if not wanted <= seen:
            await asyncio.sleep(_LOOK_S)
    return len(wanted & seen)


def _in_journals(house: House) -> list[bytes]:
    files = LocalFiles(house.data)
    found: list[bytes] = []
    for path in files.list(FOLDER):
        try:
            journal = scan(files, path)
        except FileNotFoundError:
            continue  # packed since it was listed
        if journal is not None:
            found += [part.record for part in journal.parts]
    return found


async def _in_segments(house: House, epochs: set[int]) -> set[RecordId]:
    try:
        async with open_inside(house.settings) as inside:
            return {
                stored.record
                for epoch in epochs
                for stored in await inside.records_in(epoch)  # type: ignore[arg-type]
            }
    except BaileeError:
        return set()  # being restarted, or packed anew: it is asked again
