"""Options that many commands share, and how they become settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bailee.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from bailee.settings import Loaded

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="Settings file (default: bailee.toml)."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", "-d", metavar="FOLDER", help="Data folder.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting, as in server.port=9443."),
]
OrganisationOption = Annotated[
    str | None,
    typer.Option(
        "--organisation",
        metavar="ORG",
        help="Another organisation (org_…) than your own, for house roles.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
SupervisedOption = Annotated[
    bool,
    typer.Option("--supervised", hidden=True, help="Read the handover from standard input."),
]


def seconds_of(text: str, option: str) -> int:
    """Unix seconds of an instant that is RFC 3339 or Unix seconds already.

    Raises:
        InvalidInput: naming the option, if it is neither.
    """
    from bailee.kernel.instants import from_rfc3339

    if text.isascii() and text.isdecimal():
        return int(text)
    try:
        return from_rfc3339(text) // 1000
    except ValueError:
        raise InvalidInput(f"--{option}: write it as 2026-11-26T08:00:00Z") from None


def load_settings(
    config: Path | None,
    data: Path | None,
    assignments: list[str] | None,
    flags: Mapping[str, object | None] | None = None,
) -> "Loaded":
    """Settings from the defaults, the file, the environment and the flags.

    `flags` are a command's own options by dotted setting name; None means not given.

    Raises:
        WrongSettings: naming all that is wrong.
    """
    from bailee import settings
    from bailee.drivers.system import environment

    given = flag_values(data, assignments, flags)
    folder = Path.cwd()
    variables = environment()
    data_folder = Path(given.get("data_folder", variables.get("BAILEE_DATA_FOLDER", "data")))
    file = settings.find_file(config, variables, folder, folder / data_folder)
    return settings.load(file=file, environment=variables, flags=given, folder=folder)


def flag_values(
    data: Path | None,
    assignments: list[str] | None,
    flags: Mapping[str, object | None] | None = None,
) -> dict[str, str]:
    """What the command line says, by dotted setting name.

    Raises:
        InvalidInput: if a `--set` has no `=`.
    """
    given: dict[str, str] = {}
    for assignment in assignments or []:
        name, equals, value = assignment.partition("=")
        if not equals:
            raise InvalidInput(f"--set {name}: write it as --set server.port=9443")
        given[name] = value
    if data is not None:
        given["data_folder"] = str(data)
    given.update({name: str(value) for name, value in (flags or {}).items() if value is not None})
    return given


def repeated(config: Path | None, flags: Mapping[str, str]) -> tuple[str, ...]:
    """Arguments that make a child process load the same settings from the same folder."""
    arguments = () if config is None else ("--config", str(config))
    sets = tuple(part for name, value in flags.items() for part in ("--set", f"{name}={value}"))
    return (*arguments, *sets)
