"""`bailee config`: the effective settings, each with its origin; secrets stay hidden."""

from typing import Any

from bailee.cli.options import ConfigOption, DataOption, JsonOption, SetOption, load_settings


def config(
    config: ConfigOption = None,
    data: DataOption = None,
    assignments: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the settings in force, and where each comes from.

    Example: bailee config --set server.port=9443
    """
    from bailee.cli.output import print_json, print_table

    loaded = load_settings(config, data, assignments)
    rows = effective(loaded.settings, loaded.origins)
    if as_json:
        print_json(
            [{"setting": name, "value": value, "origin": origin} for name, value, origin in rows]
        )
    else:
        print_table(
            ("setting", "value", "origin"),
            [(name, _shown(value), origin) for name, value, origin in rows],
        )


def effective(settings: Any, origins: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """Dotted name, printable value and origin of every setting."""
    return [(name, value, str(origins.get(name, "default"))) for name, value in _flat(settings, "")]


def _flat(value: Any, name: str) -> list[tuple[str, Any]]:
    from pathlib import Path

    from msgspec import Struct

    from bailee.settings import SecretText

    if isinstance(value, Struct):
        prefix = f"{name}." if name else ""
        return [
            row
            for field in value.__struct_fields__
            for row in _flat(getattr(value, field), f"{prefix}{field}")
        ]
    if isinstance(value, tuple) and value and isinstance(value[0], Struct):
        return [row for index, item in enumerate(value) for row in _flat(item, f"{name}[{index}]")]
    if isinstance(value, dict) and value:
        return [row for key, item in value.items() for row in _flat(item, f'{name}."{key}"')]
    if isinstance(value, SecretText):
        return [(name, value.shown())]
    return [(name, str(value) if isinstance(value, Path) else value)]


def _shown(value: Any) -> str:
    if value in (None, "", (), {}):
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
