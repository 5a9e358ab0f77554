"""Writes `docs/reference/webhooks.md` from the types of events.

    python tools/make_webhook_reference.py [--check]

With `--check` nothing is written, and the exit code is 1 if the file is not what would be.
"""

import sys
from pathlib import Path

from bailee.governance.webhooks.catalogue import event_types

TARGET = Path(__file__).parent.parent / "docs" / "reference" / "webhooks.md"

HEAD = """# Types of events
Generated from `bailee.governance.webhooks` by `tools/make_webhook_reference.py`; do not edit. The
same as data: `GET /bailee/v1/webhooks/event_types`. How they are sent:
[webhooks](../using/webhooks.md).

| type | tells | 알림 내용 |
|---|---|---|
"""


def reference() -> str:
    """The file's text."""
    lines = [
        f"| `{name}` | {told.english} | {told.korean} |" for name, told in event_types().items()
    ]
    return HEAD + "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check the file."""
    text = reference()
    if arguments == ["--check"]:
        same = TARGET.is_file() and TARGET.read_text("utf-8") == text
        if not same:
            print(f"{TARGET.name} is stale: run python tools/make_webhook_reference.py")
        return 0 if same else 1
    TARGET.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
