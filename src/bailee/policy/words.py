"""How differences, simulations and explanations are said to people, in both languages.

Words only (`words.toml`): what they are said about comes from `difference`, `simulation` and
`explain`.
"""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

from bailee.policy.history import Text

_MANY: Final = 6
"""More endpoints than this are counted, not named."""


@cache
def packaged_words() -> dict[str, Any]:
    """The words that ship with Bailee, by kind."""
    file = resources.files("bailee.policy") / "words.toml"
    return tomllib.loads(file.read_text("utf-8"))


def sentence(
    what: str,
    aspect: str,
    before: str,
    after: str,
    conditions: Sequence[tuple[str, Sequence[object]]],
    endpoints: Sequence[str],
    since: str,
) -> Text:
    """One effect, as a sentence in both languages."""
    return Text(
        *(
            packaged_words()["sentence"][what][language].format(
                since=since,
                endpoints=_endpoints(endpoints, language),
                whom=_whom(conditions, language),
                aspect=aspect_said(aspect, language),
                before=value_said(aspect, before, language),
                after=value_said(aspect, after, language),
            )
            for language in ("english", "korean")
        )
    )


def line_said(table: str, line: str, language: str, **values: str | None) -> str:
    """A line of `difference` or `explanation`, in one language."""
    said: str = packaged_words()[table][line][language].format(**values)
    return said


def value_said(aspect: str, value: str, language: str) -> str:
    """A value of an aspect, in one language."""
    words = packaged_words()
    named = words["value"].get(f"{aspect.split('.')[0]}.{value}") or words["value"].get(value)
    if named is not None:
        return str(named[language])
    number, _, unit = value.partition(" ")
    if unit in words["unit"]:
        return str(words["unit"][unit][language].format(number=number))
    return value


def aspect_said(aspect: str, language: str) -> str:
    """What of a decision a value is about, in one language."""
    return str(packaged_words()["aspect"][aspect][language])


def _endpoints(endpoints: Sequence[str], language: str) -> str:
    if len(endpoints) > _MANY:
        said: str = packaged_words()["endpoints"][language].format(
            number=len(endpoints), first=f"`{endpoints[0]}`"
        )
        return said
    return ", ".join(f"`{endpoint}`" for endpoint in endpoints)


def _whom(conditions: Sequence[tuple[str, Sequence[object]]], language: str) -> str:
    words = packaged_words()
    if not conditions:
        return str(words["everybody"][language])
    said = []
    for name, values in conditions:
        each = [
            words["fact"][name][str(value).lower() if value is not None else "absent"][language]
            for value in values
        ]
        said.append(words["or"][language].join(each))
    return ", ".join(said)
