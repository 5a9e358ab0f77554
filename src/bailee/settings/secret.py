"""Setting values that are never printed.

`SecretText` holds text whose `repr`, `str` and formatted form are `<secret>`. Only `reveal` gives
the text, so that a search for it finds every use. An address shows its host and hides its
credentials and its query.
"""

from typing import Final, final
from urllib.parse import urlsplit

_HIDDEN: Final = "<secret>"


@final
class SecretText:
    """Text that may hold a password or a token. Empty text is falsy."""

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself. Never print, log or store what this gives."""
        return self._text

    def shown(self) -> str:
        """What may be printed: an address without credentials and query, else `<secret>`."""
        if not self._text:
            return ""
        try:
            parts = urlsplit(self._text)
            host, port = parts.hostname, parts.port
        except ValueError:
            return _HIDDEN
        if not parts.scheme or "://" not in self._text:
            return _HIDDEN
        credentials = f"{_HIDDEN}@" if "@" in parts.netloc else ""
        where = f"{host or ''}:{port}" if port is not None else host or ""
        query = f"?{_HIDDEN}" if parts.query else ""
        return f"{parts.scheme}://{credentials}{where}{parts.path}{query}"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return _HIDDEN

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return _HIDDEN

    def __reduce__(self) -> tuple[type["SecretText"], tuple[str]]:
        raise TypeError("a secret setting cannot be pickled; pass what needs it, by name")
