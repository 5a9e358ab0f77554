"""Several regions in one settings file, each with a complete set of parts of its own.

The file's sections describe the *home* region, whose table below `[regions]` names its hosts alone.
Every other region's table says where its parts are: what holds or processes content is never
inherited from the home, so that forgetting one cannot send content there. `region` says whose
settings a process gets.
"""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Final

import msgspec

from bailee.kernel.ids import Region
from bailee.kernel.regions import region_mark
from bailee.settings.fine_tuning import RaySettings
from bailee.settings.structure import (
    DatabaseSettings,
    ObjectsSettings,
    RegionSettings,
    ServerSettings,
    Settings,
    TransparencySettings,
)

_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
_NO_HOME: Final = (
    "no region here lacks a data_folder: leave the parts out of the table of the home region, "
    "which the other sections describe"
)


def home_of(settings: Settings) -> str:
    """The region that the file's sections describe."""
    for name, table in settings.regions.items():
        if _is_home(table):
            return name
    return settings.region


def settings_of(settings: Settings, region: str) -> Settings:
    """The settings of one of the regions; the file's own for the home region.

    `broken_regions` has found nothing.
    """
    table = settings.regions.get(region)
    if table is None or _is_home(table):
        return msgspec.structs.replace(settings, region=region)
    return msgspec.structs.replace(
        settings,
        region=region,
        data_folder=table.data_folder or Path(),
        server=table.server or ServerSettings(),
        database=table.database or DatabaseSettings(),
        objects=table.objects or ObjectsSettings(),
        transparency=table.transparency or TransparencySettings(),
        ray=table.ray or RaySettings(),
        backends=table.backends,
        models=table.models,
        fine_tuning=table.fine_tuning,
    )


def broken_regions(settings: Settings) -> Iterator[tuple[str, str]]:
    """What is missing of regions, of another region, or shared by two: setting and sentence."""
    yield from _classifiers(settings)
    if not settings.regions:
        return
    if settings.region not in settings.regions:
        known = ", ".join(settings.regions)
        yield ("region", f"must be one of {known}: each region has a table below [regions]")
    homes = [name for name, table in settings.regions.items() if _is_home(table)]
    if not homes:
        yield ("regions", _NO_HOME)
    yield from _missing(settings, homes)
    for name in settings.regions:
        yield from _elsewhere(settings_of(settings, name))
    yield from _shared(settings)
    for name in settings.regions:
        if _NAME.fullmatch(name) is None:
            yield (f'regions."{name}"', "a region's name has 1 to 32 of a-z, 0-9 and -")


def _is_home(table: RegionSettings) -> bool:
    return table == RegionSettings(hosts=table.hosts)


def _missing(settings: Settings, homes: list[str]) -> Iterator[tuple[str, str]]:
    for name in homes[1:]:
        yield (
            f'regions."{name}"',
            f"the region {name} has no parts of its own: give it a data_folder, a server.port, a "
            f"database and objects where {homes[0]} has them elsewhere, and who answers there",
        )
    for name, table in settings.regions.items():
        if name in homes[1:]:
            continue
        own = settings_of(settings, name)
        place = "" if _is_home(table) else f'regions."{name}".'
        if place:
            yield from _missing_parts(settings, name, table)
        if not own.model.enabled and all(one.terms.region != name for one in own.backends):
            yield (
                f"{place}backends",
                f"the region {name} has nobody who answers: no backend is declared to process in "
                f"{name}, and the local model is off",
            )


def _missing_parts(
    settings: Settings, name: str, table: RegionSettings
) -> Iterator[tuple[str, str]]:
    place, whose = f'regions."{name}"', f"the region {name} has no"
    if table.data_folder is None:
        yield (f"{place}.data_folder", f"{whose} place for its keyring and journals")
    if table.server is None:
        yield (f"{place}.server.port", f"{whose} port to listen on")
    if settings.database.url.reveal() and (
        table.database is None or not table.database.url.reveal()
    ):
        yield (f"{place}.database.url", f"{whose} database of its own, as the home region has")
    if settings.objects.url and (table.objects is None or not table.objects.url):
        yield (f"{place}.objects.url", f"{whose} object store of its own, as the home region has")


def _elsewhere(own: Settings) -> Iterator[tuple[str, str]]:
    place = "" if home_of(own) == own.region else f'regions."{own.region}".'
    for index, backend in enumerate(own.backends):
        if backend.terms.region not in (None, own.region):
            yield (
                f"{place}backends[{index}].terms.region",
                f"{backend.name} processes in {backend.terms.region}: list it there, not among "
                f"the backends of {own.region}",
            )
    if own.ray.address and own.ray.terms.region not in (None, own.region):
        yield (
            f"{place}ray.terms.region",
            f"the cluster processes in {own.ray.terms.region}, not in {own.region}",
        )


def _classifiers(settings: Settings) -> Iterator[tuple[str, str]]:
    """Where there are several regions, every backend is looked at."""
    if settings.regions:
        return
    for index, backend in enumerate(settings.backends):
        if backend.moderation_models and backend.terms.region not in (None, settings.region):
            yield (
                f"backends[{index}].terms.region",
                f"{backend.name} classifies in {backend.terms.region}: a classifier must be in "
                f"the region, {settings.region}",
            )


def _shared(settings: Settings) -> Iterator[tuple[str, str]]:
    home = home_of(settings)
    everyone = [
        settings_of(settings, name)
        for name, table in settings.regions.items()
        if name == home or (table.data_folder is not None and table.server is not None)
    ]
    for one, other in combinations(everyone, 2):
        place = f'regions."{other.region}"'
        both = f"{one.region} and {other.region}"
        if _nested(str(one.data_folder.absolute()), str(other.data_folder.absolute())):
            yield (f"{place}.data_folder", f"{both} must have folders of which none holds another")
        ports = {one.server.port, one.server.client_certificate_port} - {0}
        if one.server.host == other.server.host and ports & {
            other.server.port,
            other.server.client_certificate_port,
        }:
            yield (f"{place}.server.port", f"{both} must listen on different ports")
        if one.database.url.reveal() and one.database.url.reveal() == other.database.url.reveal():
            yield (f"{place}.database.url", f"{both} must have different databases")
        if one.objects.url and _bucket(one.objects.url) == _bucket(other.objects.url):
            yield (f"{place}.objects.url", f"{both} must have different buckets")
        if set(settings.regions[one.region].hosts) & set(settings.regions[other.region].hosts):
            yield (f"{place}.hosts", f"{both} must have different host names")
        if region_mark(Region(one.region)) == region_mark(Region(other.region)):
            yield (place, f"{both} cannot be told apart in keys: name one of them otherwise")


def _nested(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _bucket(url: str) -> str:
    return "/".join(url.split("/")[:3])
