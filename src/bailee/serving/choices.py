"""What may stand at a place of a body, where its type names a few words."""

import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec import inspect

_STEP: Final = re.compile(r"\[[^\]]*\]|[^.\[\]]+")


def choices_at(kind: Any, place: str) -> tuple[str, ...]:
    """The words that `kind` allows at a place, as in `items[0].role`; none where it names none."""
    types = [inspect.type_info(kind)]
    for step in _STEP.findall(place):
        types = [found for one in _plain(types) for found in _within(one, step)]
    words: dict[str, None] = {}
    for one in _plain(types):
        if isinstance(one, inspect.EnumType):
            words |= dict.fromkeys(str(member.value) for member in one.cls)
        elif isinstance(one, inspect.LiteralType):
            words |= dict.fromkeys(str(value) for value in one.values)
    return tuple(words)


def _plain(types: list[inspect.Type]) -> Iterator[inspect.Type]:
    """Types without what is wrapped around them."""
    for one in types:
        if isinstance(one, inspect.UnionType):
            yield from _plain(list(one.types))
        elif isinstance(one, inspect.Metadata):
            yield from _plain([one.type])
        else:
            yield one


def _within(one: inspect.Type, step: str) -> Iterator[inspect.Type]:
    if step.startswith("["):
        if isinstance(one, inspect.ListType | inspect.VarTupleType):
            yield one.item_type
        elif isinstance(one, inspect.DictType):
            yield one.value_type
    elif isinstance(one, inspect.StructType):
        yield from (field.type for field in one.fields if field.encode_name == step)
