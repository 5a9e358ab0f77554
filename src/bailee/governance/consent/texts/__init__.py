"""The texts that consent is given to: our own wording, versioned, in English and Korean.

A text is a file that never changes once it is published; its digest is the SHA-256 of the file as
it ships, so that whoever has the file can check what somebody agreed to. English governs.
"""

import hashlib
import tomllib
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from bailee.governance.consent.model import Kind
from bailee.kernel.errors import NotFound

CURRENT: Final = {Kind.SHARING: "sharing-2026-11-26", Kind.OPT_OUT: "opt-out-2026-11-26"}
"""The version that is agreed to from now on. Earlier ones stay, for what was agreed to then."""


class Wording(NamedTuple):
    """Something in both languages."""

    english: str
    korean: str


class Text(NamedTuple):
    """One version of what is agreed to."""

    version: str
    kind: Kind
    title: Wording
    body: Wording
    digest: bytes
    """SHA-256 of the file."""


def current(kind: Kind) -> Text:
    """The text that is agreed to now."""
    return text(CURRENT[kind])


@cache
def text(version: str) -> Text:
    """One version. Raises NotFound."""
    folder = resources.files(__name__)
    known = {entry.name.removesuffix(".toml") for entry in folder.iterdir()}
    if version not in known:
        raise NotFound("There is no such text. Ask for the current one.")
    data = folder.joinpath(f"{version}.toml").read_bytes()
    read = tomllib.loads(data.decode())
    return Text(
        read["version"],
        Kind(read["kind"]),
        Wording(**read["title"]),
        Wording(**{language: words.strip() for language, words in read["body"].items()}),
        hashlib.sha256(data).digest(),
    )
