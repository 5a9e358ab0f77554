"""An installation's region: what it is among, and that every part of it is the region's own.

A data folder, a database and an object store are marked with their region once, at first start, and
never serve another afterwards (docs/decisions/0043-a-region-is-a-whole-installation.md).
"""

from collections.abc import Iterator, Mapping

from bailee.drivers.postgres.home_region import mark_database
from bailee.kernel.ids import Region
from bailee.policy.residency import (
    CLASSIFIER,
    DATABASE,
    EMBEDDER,
    JOURNALS,
    KEEPER,
    OBJECTS,
    Part,
    require_complete,
)
from bailee.serving.residency import Residency
from bailee.settings import Settings
from bailee.wiring.backends import embedded_terms
from bailee.wiring.database import database_url
from bailee.wiring.places import Places
from bailee.wiring.stores import objects_of
from bailee.wiring.trust import Trust, region_of


def hosts_of(settings: Settings) -> Mapping[Region, tuple[str, ...]]:
    """Every region's hosts; empty where there is one region alone."""
    return {Region(name): table.hosts for name, table in settings.regions.items()}


def residency_of(settings: Settings) -> Residency:
    """How requests that belong elsewhere are sent there."""
    return Residency(Region(settings.region), hosts_of(settings))


async def check_region(settings: Settings, places: Places, trust: Trust) -> None:
    """Return if every part is there and of this region. The database has its schema.

    Raises:
        InvalidInput: naming every part that is missing or another region's.
        Conflict: the data folder or the database was another's before there were marks.
        Unavailable: a store is away.
    """
    region = region_of(settings, trust)
    database = await mark_database(database_url(settings, places, None), region)
    objects = await objects_of(settings, places).mark()
    kept = Region(trust.region or region)
    stores = [Part(KEEPER, kept), Part(JOURNALS, kept)]
    stores += [Part(DATABASE, database), Part(OBJECTS, objects)]
    require_complete(region, [*stores, *_processors(settings)])


def _processors(settings: Settings) -> Iterator[Part]:
    """What must be in the region to be configured at all: classifiers and embedders.

    Whether a backend may have a call is decided for each (`policy.decide.backend_refusals`).
    """
    here = embedded_terms(settings.region).region
    if settings.embeddings.enabled:
        yield Part(EMBEDDER, here)
    if settings.moderation.enabled:
        yield Part(CLASSIFIER, here)
    for backend in settings.backends:
        declared = backend.terms.region
        if backend.moderation_models and declared is not None:
            yield Part(f"{CLASSIFIER} {backend.name}", Region(declared))
