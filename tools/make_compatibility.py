"""Writes the table in `docs/compatibility.md` from `bailee/api/compatibility.toml`.

    python tools/make_compatibility.py [--check]

The table stands between two marks; what is around it is written by hand. Summaries come from
OpenAI's description. With `--check` nothing is written, and the exit code is 1 if the file is not
what would be.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import zstandard

from bailee.api.compatibility import Entry, Standing, beyond, entries
from bailee.api.document import METHODS

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "compatibility.md"
DESCRIPTION = ROOT / "tests" / "openai_description" / "openapi.json.zst"
BEGIN, END = "<!-- the table: generated, do not edit -->\n", "<!-- the end of the table -->\n"
PREFIX = "/v1"
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
"""Summaries point into OpenAI's own pages."""


@cache
def description() -> dict[str, Any]:
    """OpenAI's description."""
    document: dict[str, Any] = json.loads(zstandard.decompress(DESCRIPTION.read_bytes()))
    return document


def described_operations() -> dict[str, dict[str, Any]]:
    """Each operation of the description, by names as in `GET /v1/files/{file_id}`."""
    return {
        f"{method.upper()} {PREFIX}{path}": item[method]
        for path, item in description()["paths"].items()
        for method in METHODS
        if method in item
    }


def table() -> str:
    """Everything between the marks."""
    counts = [f"{sum(e.standing is s for e in entries())} {_words(s)}" for s in Standing]
    known = description()["info"]["version"]
    lines = [
        f"OpenAI's public description ({known}) has {len(entries())} operations: "
        f"{', '.join(counts)}.",
        "",
        "| operation | | |",
        "|---|---|---|",
        *(_row(entry) for entry in entries() if entry.served),
        "",
        "Beyond it:",
        *(f"- {entry.method} `{entry.path}`: {entry.note}" for entry in beyond()),
        "",
        "## Refused",
        "These are answered with 404 and the reason, and are never passed on to a backend.",
    ]
    refused = sorted((e for e in entries() if not e.served), key=lambda e: e.note)
    for reason, found in groupby(refused, key=lambda e: e.note):
        lines += ["", f"**{reason}**", "", *_by_path(found)]
    return "\n".join(lines) + "\n"


def _words(standing: Standing) -> str:
    return {
        Standing.WORKS: "work",
        Standing.PASSES_THROUGH: "pass through",
        Standing.REFUSED: "are refused",
    }[standing]


def _row(entry: Entry) -> str:
    summary = described_operations()[entry.name].get("summary", "").split("\n")[0].rstrip(".")
    note = entry.note or _LINK.sub(r"\1", summary)
    return f"| `{entry.name}` | {entry.standing} | {note} |"


def _by_path(found: Iterable[Entry]) -> Iterator[str]:
    for path, ones in groupby(sorted(found, key=lambda e: e.path), key=lambda e: e.path):
        yield f"- {', '.join(sorted(one.method for one in ones))} `{path}`"


def document() -> str:
    """The whole file as it should be."""
    before, _, rest = TARGET.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def main(arguments: list[str]) -> int:
    """Write or check the file."""
    text = document()
    if arguments == ["--check"]:
        same = TARGET.read_text("utf-8") == text
        if not same:
            print(f"{TARGET.name} is stale: run python tools/make_compatibility.py")
        return 0 if same else 1
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
