"""Writes `docs/reference/openapi.json`: what a gateway serves as `/bailee/v1/openapi/openapi.json`.

    python tools/make_openapi_reference.py [--check]

With `--check` nothing is written, and the exit code is 1 if the file is not what would be.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from litestar import Litestar

from bailee.api.document import Document, whole_document
from bailee.wiring.administration import AdministrationDesk
from bailee.wiring.gateway_process import operations_application
from bailee.wiring.operations import GatewayParts

TARGET = Path(__file__).parent.parent / "docs" / "reference" / "openapi.json"


class _Absent:
    """Stands for all that a gateway is made of: routes are described, never taken."""

    def __getattr__(self, name: str) -> "_Absent":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *_: Any, **__: Any) -> "_Absent":
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def described_application() -> Litestar:
    """This tree's gateway as far as Litestar routes it."""
    absent = _Absent()
    return operations_application(cast("GatewayParts", absent), cast("AdministrationDesk", absent))


def served_document() -> Document:
    """The document of this tree's gateway."""
    return whole_document(described_application().openapi_schema.to_schema())


def reference() -> str:
    """The file's text."""
    return json.dumps(served_document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the file."""
    text = reference()
    if arguments == ["--check"]:
        same = TARGET.is_file() and TARGET.read_text("utf-8") == text
        if not same:
            print(f"{TARGET.name} is stale: run python tools/make_openapi_reference.py")
        return 0 if same else 1
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
