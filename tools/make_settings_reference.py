"""Writes `docs/reference/settings.md` from the settings' structures.

    python tools/make_settings_reference.py [--check]

With `--check` nothing is written, and the exit code is 1 if the file is not what would be.
"""

import inspect
import sys
from pathlib import Path
from typing import Any, get_args, get_origin

from msgspec import NODEFAULT

from bailee.settings import (
    BackendSettings,
    FineTuningSettings,
    ModelSettings,
    SecretText,
    Settings,
)
from bailee.settings.building import allowed, described, is_structure, without_none
from bailee.settings.structure import PriceSettings, RegionSettings

TARGET = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"

HEAD = """# Settings
Generated from `bailee.settings.structure` by `tools/make_settings_reference.py`; do not edit.

From weak to strong: the defaults, one TOML file, environment variables, flags. The file is the one
that `--config` or `BAILEE_CONFIG` names, else `bailee.toml` in the working folder, else in the data
folder. A variable is `BAILEE_` and the setting's name in capitals with `__` for each dot, as in
`BAILEE_SERVER__PORT`; a flag is `--set server.port=9443`, and a few have one of their own
(`--data`, `--host`, `--port`, `--workers`). Lists of names are separated by commas there; tables
are written as in TOML. Relative paths in the file are relative to the file, all others to the
working folder.

What is unknown, of a wrong type or out of range is refused with its place, all of it at once.
`bailee config` shows the effective settings with their origin and hides secrets.

```toml
[server]
port = 8443
workers = 2

[[backends]]
name = "hosted"
base_url = "https://llm.example/v1"
credential = "hosted-key"            # bailee backends set-credential hosted-key
models = { "big" = "vendor/big-model" }
terms = { region = "us", retention_days = 30, trains = false }

[models."big"]
backends = ["hosted"]
```
"""


def reference() -> str:
    """The whole document."""
    parts = [HEAD]
    simple = [f for f in described(Settings) if not is_structure(f.kind)]
    parts.append("\n## General\n")
    parts.append(_table((f"{f.name}", f) for f in simple if f.name not in ("backends", "models")))
    parts += [
        _section(field.kind, field.name, f"`[{field.name}]`")
        for field in described(Settings)
        if is_structure(field.kind)
    ]
    parts.append(_section(BackendSettings, "", "`[[backends]]`, one table for each upstream"))
    parts.append(_section(ModelSettings, "", '`[models."name"]`, fallback order of a model'))
    parts.append(_section(FineTuningSettings, "", '`[fine_tuning."name"]`, for each model'))
    parts.append(_section(PriceSettings, "", '`[prices."name"]`, for each model that has one'))
    parts.append(_section(RegionSettings, "", "`[regions.NAME]`, where there are several regions"))
    return "".join(parts)


def _section(structure: Any, prefix: str, title: str) -> str:
    said = inspect.cleandoc(structure.__doc__ or "")
    return f"\n## {title}\n{said}\n\n" + _table(_rows(structure, prefix))


def _rows(structure: Any, prefix: str) -> Any:
    for field in described(structure):
        name = f"{prefix}.{field.name}" if prefix else field.name
        if is_structure(field.kind):
            for inner_name, inner in _rows(field.kind, name):
                whose = f"{field.description} " if prefix == "links" else ""
                yield inner_name, _with_description(inner, whose + inner.description)
        else:
            yield name, field


def _with_description(field: Any, text: str) -> Any:
    return type(field)(field.name, field.kind, field.annotated, text, field.default)


def _table(rows: Any) -> str:
    lines = ["| setting | takes | default | what it does |", "|---|---|---|---|"]
    lines += [
        f"| `{name}` | {_takes(field)} | {_default(field.default)} | {field.description} |"
        for name, field in rows
    ]
    return "\n".join(lines) + "\n"


def _takes(field: Any) -> str:
    kind = without_none(field.kind)
    if kind is SecretText:
        return "text, secret"
    if is_structure(kind):
        return "a table, as above"
    if get_origin(kind) is dict:
        return "a table" if not is_structure(get_args(kind)[1]) else "tables"
    return allowed(field.annotated)


def _default(value: Any) -> str:
    if value is NODEFAULT:
        return "needed"
    if value is None or value == () or value == {} or not str(value) or value == SecretText():
        return "–"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, str) and len(value) == 64:
        return f"`{value[:8]}…`"
    return f"`{value}`"


def main(arguments: list[str]) -> int:
    """Write or check the file."""
    text = reference()
    if arguments == ["--check"]:
        same = TARGET.is_file() and TARGET.read_text("utf-8") == text
        if not same:
            print(f"{TARGET.name} is stale: run python tools/make_settings_reference.py")
        return 0 if same else 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
