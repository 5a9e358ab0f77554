"""The reasons that decisions give, as bilingual templates (`reasons.toml`).

Reasons ship with the code that gives them, unlike the policy, which an operator may replace. A
template names every parameter that it uses; `fill` refuses nothing at run time because `parse`
checked the file once.
"""

import string
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.policy.model import Reason


class ReasonText(NamedTuple):
    """One reason before its parameters are filled in."""

    clause: str
    english: str
    korean: str
    parameters: frozenset[str]
    """The same in both languages."""


@cache
def packaged_reasons() -> Mapping[str, ReasonText]:
    """The reasons that ship with Bailee, by name."""
    file = resources.files("bailee.policy") / "reasons.toml"
    return parse_reasons(file.read_text("utf-8"))


def parse_reasons(toml: str) -> dict[str, ReasonText]:
    """Read reasons: a table per name with `clause`, `english`, `korean`.

    Raises:
        InvalidInput: naming the reason whose keys, languages or parameters do not fit.
    """
    reasons: dict[str, ReasonText] = {}
    for name, table in tomllib.loads(toml).items():
        if not isinstance(table, dict) or set(table) != {"clause", "english", "korean"}:
            raise InvalidInput(f"reason {name}: write clause, english and korean", field=name)
        english, korean = (
            template_parameters(table["english"]),
            template_parameters(table["korean"]),
        )
        if english != korean:
            raise InvalidInput(
                f"reason {name}: use the same parameters in both languages", field=name
            )
        reasons[name] = ReasonText(table["clause"], table["english"], table["korean"], english)
    return reasons


def template_parameters(template: str) -> frozenset[str]:
    """The names between braces. ValueError if the template has a brace that is not a name's."""
    names: set[str] = set()
    for _, name, specification, conversion in string.Formatter().parse(template):
        if name is None:
            continue
        if specification or conversion or not name.isidentifier():
            raise ValueError(f"{{{name}}}: write a parameter's name alone between the braces")
        names.add(name)
    return frozenset(names)


def fill(text: ReasonText, version: str, values: Mapping[str, object]) -> Reason:
    """The reason with its parameters, cited from `version`."""
    return Reason(
        text.clause, version, text.english.format_map(values), text.korean.format_map(values)
    )
