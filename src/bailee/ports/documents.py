"""Signed documents: a typeset PDF that says who agreed to what, sealed by the installation.

The document shows who signed for both sides, when, and which version of the text; the seal (PAdES,
baseline B-B or better) covers every byte of the file and is made with the installation's own
certificate. It vouches that the installation recorded both signatures, and is not either party's
own certificate. What the document says is never printed or logged.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from bailee.kernel.instants import Instant
from bailee.kernel.redacted import hidden

Rows = Sequence[tuple[str, str]]
"""Labels with what stands beside them."""


class Part(NamedTuple):
    """A heading with rows, paragraphs or both below it."""

    heading: str
    rows: Rows = ()
    paragraphs: Sequence[str] = ()

    def __repr__(self) -> str:
        return hidden(self)


class Document(NamedTuple):
    """What a document says, in one language."""

    language: str
    """ISO 639-1, as in `ko`."""
    title: str
    subtitle: str
    parts: Sequence[Part]
    footer: str
    """Stands on every page."""
    at: Instant
    """When it is made: the date of the file and of its seal."""

    def __repr__(self) -> str:
        return hidden(self)


class Documents(Protocol):
    """Makes signed documents."""

    def signed(self, document: Document) -> bytes:
        """The PDF. Blocks for up to a second: offload it.

        Raises InvalidInput where a character cannot be shown, Unavailable where the certificate
        is no longer valid.
        """
        ...
