"""Clause C15 as pure checks: what a region consists of, and who and what belongs to it.

Promises: a region's content meets only parts and reviewers of that region; a part whose region
nobody has declared belongs to none. Deliberately knows no settings and no drivers: `settings` says
what a region has, `wiring` asks here before it starts, decisions ask for each call.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from bailee.kernel.errors import Forbidden, InvalidInput
from bailee.kernel.ids import Region

KEEPER: Final = "keeper"
JOURNALS: Final = "journals"
DATABASE: Final = "database"
OBJECTS: Final = "object store"
CLASSIFIER: Final = "classifier"
EMBEDDER: Final = "embedder"
STORES: Final = (KEEPER, JOURNALS, DATABASE, OBJECTS)
"""What every region must have of its own before it serves."""

MOVING_REFUSED: Final = (
    "A project stays in the region in which it was made, and so does its content. To go on in "
    "another region, make a new project there with keys of its own, copy through the API what you "
    "want to keep (GET /v1/files and /v1/files/{id}/content, /v1/conversations/{id}/items, "
    "/v1/responses/{id}, the output files of batches), then archive this project."
)


class Part(NamedTuple):
    """One part of an installation, and where it is."""

    name: str
    """As an operator calls it: one of the names above, or `backend NAME`."""
    region: Region | None
    """Where it keeps and processes; None: nobody has said."""


def belongs(part: Region | None, region: Region) -> bool:
    """Whether what is kept or processed there stays in the region."""
    return part == region


def require_complete(region: Region, parts: Iterable[Part]) -> None:
    """Return if a region has all its stores and no part that belongs elsewhere.

    Raises:
        InvalidInput: naming every part that is missing or of another region, all at once.
    """
    present = list(parts)
    named = {part.name for part in present}
    wrong = [f"it has no {name}" for name in STORES if name not in named]
    wrong += [
        f"its {part.name} is of {_called(part.region)}"
        for part in present
        if not belongs(part.region, region)
    ]
    if wrong:
        raise InvalidInput(
            f"the region `{region}` cannot serve: {'; '.join(wrong)}. Give it parts of its own"
        )


def require_reviewer(regions: frozenset[Region], region: Region) -> None:
    """Return if somebody who reviews for `regions` may be shown content of `region`.

    Raises:
        Forbidden: they may not; somebody of that region must.
    """
    if region not in regions:
        raise Forbidden(
            f"content of the region `{region}` is reviewed by people of that region alone"
        )


def _called(region: Region | None) -> str:
    return "no declared region" if region is None else f"`{region}`"
