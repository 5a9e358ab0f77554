"""Which parameters each clause may have, and of what type.

A number, an instant or a word that a clause states must stand in its text, in both languages, so
that the published text says what the code enforces. A choice or a switch changes what a text says
and cannot stand in it: those are read by decisions (`Rules`).
"""

import enum
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from bailee.kernel.instants import DAY_MS, RETENTION_MS, to_rfc3339
from bailee.policy.history import Coverage, Improvement, Parameter
from bailee.policy.model import Feature
from bailee.policy.reading import Table

CUSTODY_DAYS: Final = RETENTION_MS // DAY_MS
"""How many days after its start every epoch's key is destroyed: custody's own constant."""


class Whole(NamedTuple):
    """A whole number. The unit is the last word of its name."""

    lowest: int
    highest: int


class Moment(NamedTuple):
    """An instant."""


class Word(NamedTuple):
    """A short text of a stated form, the same in both languages."""

    form: str
    example: str


class Option(NamedTuple):
    """One of an enumeration's values; read by decisions, not stated in a text."""

    kind: type[enum.Enum]


class Switch(NamedTuple):
    """True or false; read by decisions, not stated in a text."""


Kind = Whole | Moment | Word | Option | Switch


def covers_feature(feature: Feature) -> str:
    """The switch that says whether agreements cover a feature (C16); absent: they do not."""
    return f"covers_{feature.value}"


_CUSTODY: Final = Whole(CUSTODY_DAYS, CUSTODY_DAYS)

PARAMETERS: Final[Mapping[str, Mapping[str, Kind]]] = {
    "C02": {"improvement": Option(Improvement), "improvement_days": _CUSTODY},
    "C04": {"opt_in_since": Moment()},
    "C05": {
        "abuse_monitoring_days": _CUSTODY,
        "earliest_hours": Whole(1, CUSTODY_DAYS * 24),
        "census_minutes": Whole(1, 24 * 60),
    },
    "C06": {"approvers": Whole(2, 10)},
    "C07": {"grant_hours": Whole(1, 8)},
    "C09": {"classify_input": Switch(), "classify_output": Switch()},
    "C10": {
        "stored_days": Whole(1, CUSTODY_DAYS),
        "expires_after_hours": Whole(1, 24),
        "expires_after_days": Whole(1, CUSTODY_DAYS),
    },
    "C13": {"notice_days": Whole(1, 365), "contractor_days": Whole(1, CUSTODY_DAYS)},
    "C14": {
        "minimum_tls": Word(r"1\.[23]", "1.2"),
        "preferred_tls": Word(r"1\.[23]", "1.3"),
    },
    "C15": {"default_region": Word(r"[a-z0-9-]{1,32}", "us")},
    "C16": {
        "covers": Option(Coverage),
        "covers_store": Switch(),
        **{covers_feature(feature): Switch() for feature in Feature},
    },
}
"""By clause; a clause that is absent has none."""

NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "C02": ("improvement", "improvement_days"),
    "C05": ("abuse_monitoring_days",),
    "C09": ("classify_input", "classify_output"),
    "C10": ("stored_days",),
    "C16": ("covers", "covers_store"),
}
"""What decisions read, and every version therefore has."""


def read_parameters(clause: str, table: Table) -> dict[str, Parameter]:
    """The clause's parameters, typed; problems go to the table."""
    known = PARAMETERS.get(clause, {})
    found: dict[str, Parameter] = {}
    for name in NEEDED.get(clause, ()):
        if not table.has(name):
            table.problem(name, f"{clause} needs this parameter: decisions read it")
    for name, kind in known.items():
        if table.has(name):
            found[name] = _read(kind, name, table)
    table.end()
    return found


def _read(kind: Kind, name: str, table: Table) -> Parameter:
    match kind:
        case Whole(lowest, highest):
            return table.integer(name, lowest, highest)
        case Moment():
            return to_rfc3339(table.instant(name)).replace(".000Z", "Z")
        case Word(form, example):
            value = table.text(name)
            if value and not re.fullmatch(form, value):
                table.problem(name, f"not of the form needed here, as in {example!r}")
            return value
        case Option(choices):
            return str(table.choice(name, choices).value)
        case Switch():
            return table.flag(name)


def stated(clause: str, parameters: Mapping[str, Parameter]) -> frozenset[str]:
    """Those of the parameters that the clause's text must state."""
    known = PARAMETERS.get(clause, {})
    return frozenset(name for name in parameters if not isinstance(known[name], Option | Switch))
