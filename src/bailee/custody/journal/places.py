"""Where journals lie below the data folder: `journals/<region>/<epoch>/<journal>.journal`."""

from typing import Final, NamedTuple

from bailee.kernel.ids import JournalId, Region
from bailee.kernel.instants import Epoch

FOLDER: Final = "journals"
_SUFFIX: Final = ".journal"
_RECOVERING_SUFFIX: Final = ".recovering"


class JournalPlace(NamedTuple):
    """What a journal's path says."""

    region: Region
    epoch: Epoch
    journal: JournalId


def journal_path(region: Region, epoch: Epoch, journal: JournalId) -> str:
    """A journal's path."""
    return f"{epoch_folder(region, epoch)}/{journal:016x}{_SUFFIX}"


def epoch_folder(region: Region, epoch: Epoch) -> str:
    """The folder of one region's and epoch's journals, removed with the epoch."""
    return f"{FOLDER}/{region}/{epoch}"


def recovering_path(path: str) -> str:
    """Where a journal's copy is made during recovery."""
    return path.removesuffix(_SUFFIX) + _RECOVERING_SUFFIX


def parse_path(path: str) -> JournalPlace | None:
    """Read a journal's path; None if it is not one."""
    match path.split("/"):
        case [folder, region, epoch, name] if folder == FOLDER and name.endswith(_SUFFIX):
            try:
                place = JournalPlace(
                    Region(region),
                    Epoch(int(epoch)),
                    JournalId(int(name.removesuffix(_SUFFIX), 16)),
                )
            except ValueError:
                return None
            return place if journal_path(*place) == path else None
    return None
