"""The data catalogue read into values, strictly: what is wrong is named with its place.

The catalogue says about each stored thing what C01 asks for: category, purposes, retention,
region, key and sub-processors, with a description in both languages for each place and one in
English for each thing in it. It decides nothing; `coverage` compares it with what is there.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.policy.history import Text
from bailee.policy.reading import Problem, Table

LOG: Final = "log"
_WORDS: Final = ("category", "purpose", "retention", "region", "key", "sub_processor")


class Handling(NamedTuple):
    """What C01 asks about a stored thing, as words of the vocabulary."""

    category: str
    purposes: tuple[str, ...]
    retention: str
    region: str
    key: str
    sub_processors: tuple[str, ...]


class Entry(NamedTuple):
    """One stored thing."""

    family: str
    """As in `database`, `segment`, `log`."""
    store: str
    """As in `journals`, `header`."""
    name: str
    """As in a column's name."""
    description: str
    """What it is, in English."""
    handling: Handling


class Store(NamedTuple):
    """One place where things are stored."""

    family: str
    name: str
    description: Text
    handling: Handling
    """What holds unless an entry says otherwise."""
    entries: tuple[Entry, ...]


class Catalogue(NamedTuple):
    """Everything that is stored."""

    vocabulary: Mapping[str, Mapping[str, Text]]
    """By kind (`category`, `retention`, …) and word: what the word means."""
    stores: tuple[Store, ...]
    always: frozenset[str]
    """Log fields that every line has, whoever writes it."""

    def names(self, family: str, store: str | None = None) -> frozenset[str]:
        """The names catalogued in a family, or in one store of it."""
        return frozenset(
            entry.name
            for place in self.stores
            if place.family == family and store in (None, place.name)
            for entry in place.entries
        )

    def store_names(self, family: str) -> frozenset[str]:
        """The stores of a family."""
        return frozenset(place.name for place in self.stores if place.family == family)


@cache
def packaged_catalogue() -> Catalogue:
    """The catalogue that ships with Bailee."""
    folder = resources.files("bailee.custody.catalogue")
    return parse_catalogue(
        (folder / "catalogue.toml").read_text("utf-8"),
        (folder / "log_fields.toml").read_text("utf-8"),
    )


def parse_catalogue(catalogue: str, log_fields: str) -> Catalogue:
    """Read the two files.

    Raises:
        InvalidInput: naming everything that is wrong with them, with what is allowed.
        tomllib.TOMLDecodeError: if one is no TOML.
    """
    problems: list[Problem] = []
    head = Table(tomllib.loads(catalogue), "catalogue.toml", "", problems)
    words = head.table("vocabulary")
    vocabulary = {kind: _vocabulary(words.table(kind)) for kind in _WORDS}
    words.end()
    stores: list[Store] = []
    families = head.table("stores")
    for family in families.names():
        places = families.table(family)
        stores.extend(
            _store(family, name, places.table(name), vocabulary) for name in places.names()
        )
    head.end()
    log = Table(tomllib.loads(log_fields), "log_fields.toml", "", problems)
    stores.append(_log(log, vocabulary))
    if problems:
        lines = "\n".join(str(problem) for problem in problems)
        raise InvalidInput(f"the data catalogue is wrong; correct it:\n{lines}")
    return Catalogue(vocabulary, tuple(stores), frozenset(log.table("always").names()))


def _vocabulary(table: Table) -> dict[str, Text]:
    words: dict[str, Text] = {}
    for word in table.names():
        entry = table.table(word)
        words[word] = entry.both_languages()
        entry.end()
    return words


def _store(
    family: str, name: str, table: Table, vocabulary: Mapping[str, Mapping[str, Text]]
) -> Store:
    handling = _handling(table, vocabulary, None)
    description = table.both_languages()
    items = table.table("items")
    entries = tuple(
        _entry(family, name, item, items, vocabulary, handling) for item in items.names()
    )
    table.end()
    return Store(family, name, description, handling, entries)


def _log(table: Table, vocabulary: Mapping[str, Mapping[str, Text]]) -> Store:
    handling = _handling(table, vocabulary, None)
    description = table.both_languages()
    entries = [
        _entry(LOG, "lines", item, items, vocabulary, handling)
        for items in (table.table("always"), table.table("fields"))
        for item in items.names()
    ]
    table.end()
    return Store(LOG, "lines", description, handling, tuple(entries))


def _entry(
    family: str,
    store: str,
    name: str,
    items: Table,
    vocabulary: Mapping[str, Mapping[str, Text]],
    handling: Handling,
) -> Entry:
    if isinstance(items.raw(name), str):
        return Entry(family, store, name, items.text(name), handling)
    item = items.table(name)
    entry = Entry(family, store, name, item.text("is"), _handling(item, vocabulary, handling))
    item.end()
    return entry


def _handling(
    table: Table, vocabulary: Mapping[str, Mapping[str, Text]], otherwise: Handling | None
) -> Handling:
    """Read the words; those that are missing are `otherwise`'s, if there is one."""

    def word(key: str, kind: str, default: str | None) -> str:
        if default is not None and not table.has(key):
            return default
        value = table.text(key)
        if value not in vocabulary[kind]:
            table.problem(key, f"allowed: {', '.join(vocabulary[kind])}")
        return value

    def words(key: str, kind: str, default: tuple[str, ...] | None) -> tuple[str, ...]:
        if default is not None and not table.has(key):
            return default
        value = table.raw(key)
        if not isinstance(value, list) or any(each not in vocabulary[kind] for each in value):
            table.problem(key, f"a list is needed; allowed in it: {', '.join(vocabulary[kind])}")
            return ()
        return tuple(value)

    return Handling(
        word("category", "category", otherwise and otherwise.category),
        words("purposes", "purpose", otherwise and otherwise.purposes),
        word("retention", "retention", otherwise and otherwise.retention),
        word("region", "region", otherwise and otherwise.region),
        word("key", "key", otherwise and otherwise.key),
        words("sub_processors", "sub_processor", otherwise and otherwise.sub_processors),
    )
