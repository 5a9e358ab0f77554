"""Turns a tree of given values into `Settings`, collecting every problem with its place.

Values from the environment and from flags are text: numbers and booleans are read as such, lists
of names are separated by commas, tables and lists of tables are written as in TOML.
"""

import difflib
import tomllib
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Meta, Struct

from bailee.settings.origins import DEFAULT, Given, Origin, Problem
from bailee.settings.secret import SecretText
from bailee.settings.structure import Settings

Tree = dict[str, Any]
"""Names to `Given`, to trees, or to lists of trees."""


class Described(msgspec.Struct, frozen=True):
    """One field of a settings structure."""

    name: str
    kind: Any
    """The type, without what is said about it."""
    annotated: Any
    """The type as written."""
    description: str
    default: Any
    """The default value; msgspec.NODEFAULT if a value must be given."""


def described(structure: type[Struct]) -> list[Described]:
    """The fields of a settings structure, in the order in which they are written."""
    hints = get_type_hints(structure, include_extras=True)
    return [
        Described(
            name=field.name,
            kind=plain(hints[field.name]),
            annotated=hints[field.name],
            description=next(
                (m.description for m in metas(hints[field.name]) if m.description), ""
            ),
            default=field.default_factory()
            if field.default_factory is not NODEFAULT
            else field.default,
        )
        for field in msgspec.structs.fields(structure)
    ]


def plain(annotated: Any) -> Any:
    """`annotated` without its metadata."""
    return get_args(annotated)[0] if get_origin(annotated) is Annotated else annotated


def metas(annotated: Any) -> list[Meta]:
    """What is said about a type, those inside a union included."""
    if get_origin(annotated) is Annotated:
        inner, *given = get_args(annotated)
        return [item for item in given if isinstance(item, Meta)] + metas(inner)
    if get_origin(annotated) in (Union, UnionType):
        return [meta for arm in get_args(annotated) for meta in metas(arm)]
    return []


def without_none(kind: Any) -> Any:
    """`X | None` as X."""
    if get_origin(kind) in (Union, UnionType):
        arms = [arm for arm in get_args(kind) if arm is not type(None)]
        return arms[0] if len(arms) == 1 else kind
    return kind


def is_structure(kind: Any) -> bool:
    """Whether `kind` is a settings structure."""
    return isinstance(kind, type) and issubclass(kind, Struct)


def allowed(annotated: Any) -> str:
    """What values the type takes, in words."""
    said = metas(annotated)
    for meta in said:
        if meta.extra and "allowed" in meta.extra:
            return str(meta.extra["allowed"])
    kind = plain(without_none(plain(annotated)))
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(kind))
    words = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
    text = words.get(kind, "text")
    if get_origin(kind) is tuple:
        text = "a list of names"
    bounds = [
        f"{word} {value:,}"
        for name, word in (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))
        for value in [next((getattr(m, name) for m in said if getattr(m, name) is not None), None)]
        if value is not None
    ]
    return " and ".join([f"{text}, {bounds[0]}", *bounds[1:]]) if bounds else text


def build(
    tree: Tree, problems: list[Problem], *, folder: Path, file: Path | None
) -> tuple[Settings | None, dict[str, Origin]]:
    """The settings of `tree`, or None with `problems` filled; and each value's origin."""
    builder = _Builder(problems, folder, file.absolute().parent if file else folder)
    settings = builder.structure(Settings, tree, "")
    return settings, builder.origins


class _Builder:
    def __init__(self, problems: list[Problem], folder: Path, file_folder: Path) -> None:
        self.problems = problems
        self.origins: dict[str, Origin] = {}
        self._folder = folder
        self._file_folder = file_folder

    def structure(self, kind: type[Struct], tree: Any, name: str) -> Any:
        fields = described(kind)
        if isinstance(tree, Given):
            tree = self._parsed_table(tree)
        if not isinstance(tree, dict):
            self._problem(tree, name, "this is a table: write its settings below it")
            return None
        known = [field.name for field in fields]
        for key in tree:
            if key not in known:
                self._problem(tree[key], _dotted(name, key), _unknown(key, known))
        before = len(self.problems)
        values = {}
        for field in fields:
            dotted = _dotted(name, field.name)
            if field.name in tree:
                values[field.name] = self.value(field, tree[field.name], dotted)
            elif is_structure(field.kind):
                values[field.name] = self.structure(field.kind, {}, dotted)
            elif field.default is NODEFAULT:
                self._problem(tree, dotted, "this is needed and has no default")
            else:
                values[field.name] = self._default(field, dotted)
        return kind(**values) if len(self.problems) == before else None

    def value(self, field: Described, given: Any, name: str) -> Any:
        kind = without_none(field.kind)
        if is_structure(kind):
            return self.structure(kind, given, name)
        if get_origin(kind) is tuple and is_structure(get_args(kind)[0]):
            return self._tables(get_args(kind)[0], given, name)
        if get_origin(kind) is dict:
            return self._mapping(get_args(kind)[1], given, name)
        return self._leaf(field.annotated, given, name)

    def _default(self, field: Described, name: str) -> Any:
        self.origins[name] = DEFAULT
        value = field.default
        return self._folder / value if isinstance(value, Path) else value

    def _tables(self, kind: type[Struct], given: Any, name: str) -> Any:
        if isinstance(given, Given):
            given = _with_origin(_parsed(given), given.origin)
        if isinstance(given, Given) and given.value == []:
            given = []
        if not isinstance(given, list):
            self._problem(given, name, f"this is a list of tables: write [[{name}]] for each")
            return ()
        if not given:
            self.origins[name] = DEFAULT
        return tuple(
            self.structure(kind, tree, f"{name}[{index}]") for index, tree in enumerate(given)
        )

    def _mapping(self, kind: Any, given: Any, name: str) -> Any:
        if isinstance(given, Given):
            given = self._parsed_table(given)
        if not isinstance(given, dict):
            self._problem(given, name, "this is a table of names and values")
            return {}
        if is_structure(plain(kind)):
            return {
                key: self.structure(plain(kind), tree, f'{name}."{key}"')
                for key, tree in given.items()
            }
        return {key: self._leaf(kind, value, f'{name}."{key}"') for key, value in given.items()}

    def _leaf(self, annotated: Any, given: Any, name: str) -> Any:
        if not isinstance(given, Given):
            self._problem(given, name, f"must be {allowed(annotated)}, not a table")
            return None
        self.origins[name] = given.origin
        kind = without_none(plain(annotated))
        is_text = given.origin.kind != "file" and isinstance(given.value, str)
        value = given.value
        if is_text and get_origin(kind) is tuple:
            value = [part.strip() for part in str(value).split(",") if part.strip()]
        if is_text and value == "" and _takes_none(annotated):
            value = None
        try:
            converted = msgspec.convert(value, annotated, strict=not is_text, dec_hook=_from_text)
        except msgspec.ValidationError:
            shown = "what is given" if _is_private(annotated, given.value) else repr(given.value)
            self._problem(given, name, f"must be {allowed(annotated)}, not {shown}")
            return None
        if isinstance(converted, Path):
            base = self._file_folder if given.origin.kind == "file" else self._folder
            return base / converted.expanduser()
        return converted

    def _parsed_table(self, given: Given) -> Any:
        parsed = _parsed(given)
        return _with_origin(parsed, given.origin) if isinstance(parsed, dict) else given

    def _problem(self, given: Any, name: str, message: str) -> None:
        origin = _origin(given)
        self.problems.append(Problem(str(origin) if origin else "settings", name, message))


def _dotted(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _unknown(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return f"there is no such setting; did you mean {close[0]}?"
    return f"there is no such setting; there are {', '.join(known)}"


def _origin(given: Any) -> Origin | None:
    if isinstance(given, Given):
        return given.origin
    inner = given.values() if isinstance(given, dict) else given if isinstance(given, list) else ()
    return next((origin for item in inner if (origin := _origin(item))), None)


def _parsed(given: Given) -> Any:
    """Text from outside the file, read as a TOML value; anything else as it is."""
    if given.origin.kind == "file" or not isinstance(given.value, str):
        return given.value
    try:
        return tomllib.loads(f"value = {given.value}")["value"]
    except tomllib.TOMLDecodeError:
        return given


def _with_origin(value: Any, origin: Origin) -> Any:
    if isinstance(value, dict):
        return {key: _with_origin(item, origin) for key, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return [_with_origin(item, origin) for item in value]
    return value if isinstance(value, Given) else Given(value, origin)


def _is_private(annotated: Any, value: Any) -> bool:
    """Whether a value may hold a secret, by its type or because it looks like an address."""
    return (
        without_none(plain(annotated)) is SecretText
        or any(meta.extra and meta.extra.get("private") for meta in metas(annotated))
        or (isinstance(value, str) and "@" in value)
    )


def _takes_none(annotated: Any) -> bool:
    return without_none(plain(annotated)) is not plain(annotated)


def _from_text(kind: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise TypeError("text is needed")
    if kind in (Path, SecretText):
        return kind(value)
    raise NotImplementedError(kind)
