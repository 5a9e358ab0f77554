"""Writes docs/reference/policy.md from the packaged policy. A test keeps the two equal."""

import sys
from pathlib import Path

from bailee.policy.decide import API_SERVICE
from bailee.policy.load import packaged_policy
from bailee.policy.show import ShownClause, ShownVersion, digest, show
from bailee.policy.unbuilt import unbuilt

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "policy.md"

KEEPS = {True: "30 days", False: "nothing"}
STATE = {"none": "nothing", "when_stored": "when stored", "until_deleted": "until deleted"}
ZERO = {
    "allowed": "yes",
    "store_off": "yes, `store` treated as false",
    "refused": "no",
    "nothing_stored": "yes, there is nothing",
}


def reference() -> str:
    """The whole page."""
    policies = packaged_policy()
    versions = policies.services[API_SERVICE].versions
    lines = [
        "# The policy",
        "",
        "Made by `tools/make_policy_reference.py` from `src/bailee/policy/data`; do not edit. "
        "English governs the meaning.",
        "",
        f"**{unbuilt().text.english}**",
        "",
        unbuilt().text.korean,
        "",
        "| version | in force from | until | clauses | SHA-256 of its canonical JSON |",
        "|---|---|---|---|---|",
    ]
    shown = [show(policies, version.id) for version in versions]
    for version, page in zip(versions, shown, strict=True):
        lines.append(
            f"| `{page.id}` | {_date(page.effective)} | {_date(page.superseded)} | "
            f"{len(page.clauses)} | `{digest(version).hex()}` |"
        )
    for page in reversed(shown):
        lines.extend(_version(page))
    lines.extend(_endpoints(shown[-1]))
    return "\n".join(lines) + "\n"


def _date(instant: str | None) -> str:
    return "–" if instant is None else instant.replace(".000Z", "Z")


def _version(page: ShownVersion) -> list[str]:
    lines = ["", f"## Version {page.id}", "", page.summary.english, "", page.summary.korean]
    for clause in page.clauses:
        lines.extend(_clause(clause, page))
    return lines


def _clause(clause: ShownClause, page: ShownVersion) -> list[str]:
    lines = ["", f"### {clause.id} {clause.title.english} · {clause.title.korean}", ""]
    if clause.written_in != page.id:
        return [*lines, f"As in version {clause.written_in}."]
    lines.extend([clause.text.english, "", clause.text.korean])
    if clause.parameters:
        values = ", ".join(f"`{name}` = {value}" for name, value in clause.parameters.items())
        lines.extend(["", f"Parameters: {values}."])
    if clause.assumption:
        lines.extend(["", f"> Assumption. {clause.assumption.english}"])
        lines.extend([">", f"> 가정. {clause.assumption.korean}"])
    return lines


def _endpoints(page: ShownVersion) -> list[str]:
    lines = [
        "",
        f"## What each endpoint keeps (table {page.endpoint_table})",
        "",
        "| endpoint | abuse monitoring | application state | under zero retention | "
        "classified | can be shared |",
        "|---|---|---|---|---|---|",
    ]
    for rule in page.endpoints:
        state = STATE[rule.state] + (", the default" if rule.store_default else "")
        lines.append(
            f"| `{rule.endpoint}` | {KEEPS[rule.abuse_monitoring]} | {state} | "
            f"{ZERO[rule.zero_retention]} | {', '.join(rule.classified) or '–'} | "
            f"{'yes' if rule.sharing else 'no'} |"
        )
    return lines


def main() -> int:
    """Write the page, or with `--check` say whether it is up to date."""
    wanted = reference()
    if "--check" in sys.argv[1:]:
        return 0 if TARGET.exists() and TARGET.read_text("utf-8") == wanted else 1
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
