"""Reads settings from their sources and merges them, from weak to strong.

A source gives a tree of `Given` values; `settings.building` turns the merged tree into `Settings`.
Relative paths in the file are relative to the file's folder, all others to `folder`.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bailee.kernel.errors import InvalidInput
from bailee.settings.building import Tree, build
from bailee.settings.origins import Given, Origin, Problem, WrongSettings
from bailee.settings.regional import settings_of
from bailee.settings.rules import broken_rules
from bailee.settings.structure import Settings
from bailee.settings.toml_lines import line_numbers, line_of

FILE_NAME: Final = "bailee.toml"
PREFIX: Final = "BAILEE_"
FILE_VARIABLE: Final = "BAILEE_CONFIG"
"""Names the settings file; the one variable with the prefix that is not a setting."""


class Loaded(NamedTuple):
    """Settings, and the origin of each by its dotted name (`server.port`, `backends[0].name`)."""

    settings: Settings
    origins: dict[str, Origin]
    file: Path | None


def load(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
    folder: Path,
) -> Loaded:
    """Read and check the settings, all regions'; `region` says whose are given.

    `flags` are dotted names with their text, as in `{"server.port": "9443"}`. `folder` is what
    relative paths outside the file are relative to.

    Raises:
        WrongSettings: if anything is unknown, of a wrong type, out of range or against a rule.
        InvalidInput: if the file cannot be read.
    """
    problems: list[Problem] = []
    tree: Tree = {}
    for layer in (
        _from_file(file) if file is not None else {},
        _from_environment(environment or {}),
        _from_flags(flags or {}, problems),
    ):
        _overlay(tree, layer)
    settings, origins = build(tree, problems, folder=folder, file=file)
    if settings is not None:
        problems.extend(broken_rules(settings, origins))
    if settings is None or problems:
        raise WrongSettings(problems)
    return Loaded(settings_of(settings, settings.region), origins, file)


def find_file(
    named: Path | None, environment: Mapping[str, str], folder: Path, data_folder: Path
) -> Path | None:
    """Which settings file counts.

    The one named by flag or by `BAILEE_CONFIG`, else `bailee.toml` in `folder`, else in
    `data_folder`; None when there is none.
    """
    if named is not None:
        return named
    if FILE_VARIABLE in environment:
        return Path(environment[FILE_VARIABLE])
    for candidate in (folder / FILE_NAME, data_folder / FILE_NAME):
        if candidate.is_file():
            return candidate
    return None


def _from_file(file: Path) -> Tree:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidInput(
            f"the settings file {file} cannot be read ({why}); name another with --config"
        ) from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"the settings file {file} is not TOML: {error}; correct it") from error
    lines = line_numbers(text)

    def located(value: object, path: tuple[str | int, ...]) -> object:
        if isinstance(value, dict):
            return {key: located(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return [located(item, (*path, index)) for index, item in enumerate(value)]
        line = line_of(path, lines)
        return Given(value, Origin("file", f"{file}:{line}" if line else str(file)))

    tree = located(document, ())
    assert isinstance(tree, dict)  # noqa: S101 - a TOML document is a table
    return tree


def _from_environment(environment: Mapping[str, str]) -> Tree:
    tree: Tree = {}
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE:
            continue
        names = variable.removeprefix(PREFIX).lower().split("__")
        _set(tree, names, Given(environment[variable], Origin("environment", variable)))
    return tree


def _from_flags(flags: Mapping[str, str], problems: list[Problem]) -> Tree:
    tree: Tree = {}
    for name, text in flags.items():
        if not all(part for part in name.split(".")):
            problems.append(Problem("--set", name, "write it as --set server.port=9443"))
            continue
        _set(tree, name.split("."), Given(text, Origin("flag", f"--set {name}")))
    return tree


def _set(tree: Tree, names: list[str], given: Given) -> None:
    for name in names[:-1]:
        inner = tree.setdefault(name, {})
        if not isinstance(inner, dict):
            inner = tree[name] = {}
        tree = inner
    tree[names[-1]] = given


def _overlay(tree: Tree, stronger: Tree) -> None:
    for name, value in stronger.items():
        below = tree.get(name)
        if isinstance(below, dict) and isinstance(value, dict):
            _overlay(below, value)
        else:
            tree[name] = value
