"""A draft of a policy version, checked against the history that it is to join.

A draft is the text of a version file, and of an endpoint table with a new number if it brings one.
`check` finds everything that is wrong with it at once, with its place; `timely` says whether it may
be published now. What publishing asks for is data (`publication.toml`). Pure.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from bailee.kernel.instants import (
    DAY_MS,
    EPOCH_LENGTH_MS,
    Instant,
    epoch_of,
    epoch_start,
    to_rfc3339,
)
from bailee.policy.history import PolicyHistory, PolicyVersion, Text
from bailee.policy.parse import ENDPOINTS, VERSIONS, examine
from bailee.policy.reading import Problem

LONGEST_TEXT: Final = 256 * 1024
"""Characters of a draft's texts, together."""
_UNNAMED: Final = "draft"


class DraftTexts(NamedTuple):
    """What a draft consists of."""

    version: str
    """A version file (TOML)."""
    endpoints: str | None = None
    """An endpoint table (TOML) of its own; None: the version names a published one."""


class Checked(NamedTuple):
    """What reading a draft found."""

    version: PolicyVersion | None
    """None if it could not be read; not to be published while there are problems."""
    files: Mapping[str, str]
    """The draft's own files, by path."""
    problems: list[Problem]


class Rules(NamedTuple):
    """What publishing asks for."""

    approvers: int
    notice_ms: int
    notice: Text
    """What customers are told, with `{version}`, `{service}` and `{effective}`."""


@cache
def packaged_rules() -> Rules:
    """The rules that ship with Bailee."""
    file = resources.files("bailee.policy") / "publication.toml"
    read = tomllib.loads(file.read_text("utf-8"))
    notice = Text(read["notice"]["english"], read["notice"]["korean"])
    return Rules(read["approvers"], read["notice_days"] * DAY_MS, notice)


def check(published: Mapping[str, str], texts: DraftTexts) -> Checked:
    """Read a draft as the next file of a published policy folder. Never raises."""
    size = len(texts.version) + len(texts.endpoints or "")
    if size > LONGEST_TEXT:
        problem = Problem("", "", f"a draft has at most {LONGEST_TEXT} characters; shorten it")
        return Checked(None, {}, [problem])
    version_id, number = _names(texts.version)
    path = f"{VERSIONS}{version_id}.toml"
    files = {path: texts.version}
    problems: list[Problem] = []
    if path in published:
        problems.append(Problem(path, "id", "this version is published; give the draft another id"))
    if texts.endpoints is not None:
        table = f"{ENDPOINTS}{number}.toml"
        files[table] = texts.endpoints
        if table in published:
            problems.append(
                Problem(path, "endpoint_table", f"table {number} is published; take a new number")
            )
    if problems:
        return Checked(None, files, problems)
    examined = examine({**published, **files})
    found = next((one for one in examined.versions if one.id == version_id), None)
    return Checked(found, files, examined.problems)


def _names(text: str) -> tuple[str, int]:
    """The id and the number of the endpoint table, as far as they can be read."""
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return _UNNAMED, 0
    version_id, number = read.get("id"), read.get("endpoint_table")
    return (
        version_id if isinstance(version_id, str) and version_id else _UNNAMED,
        number if isinstance(number, int) else 0,
    )


def earliest(policies: PolicyHistory, service: str, now: Instant) -> Instant:
    """When a version of a service's policy that is published now may take effect.

    The first version of a service may begin with the half hour that runs: without a policy every
    call of the service was refused, so that nothing is held that it could concern.
    """
    if service not in policies.services:
        return epoch_start(epoch_of(now))
    border = -(-(now + packaged_rules().notice_ms) // EPOCH_LENGTH_MS)
    return Instant(border * EPOCH_LENGTH_MS)


def timely(policies: PolicyHistory, version: PolicyVersion, now: Instant) -> Problem | None:
    """None if the version may be published now, else what is wrong with its instant."""
    first = earliest(policies, version.service, now)
    if version.effective >= first:
        return None
    return Problem(
        f"{VERSIONS}{version.id}.toml",
        "effective",
        f"too soon for those whom it concerns; {to_rfc3339(first)} is the earliest now",
    )


def notice(version_id: str, service: str, effective: Instant) -> Text:
    """What customers are told of a version that was published."""
    said = packaged_rules().notice
    values = {"version": version_id, "service": service, "effective": to_rfc3339(effective)}
    return Text(said.english.format_map(values), said.korean.format_map(values))
