"""Content that cannot be printed by accident.

`Content` is bytes whose `repr` and `str` tell the size and nothing else. Whatever a customer sent
or a model answered travels as `Content`, so that a log line, a traceback or a debugger's display
of locals shows `<redacted 1.2 kB>`. It does not protect against code that means to print it.
"""

import msgspec


class Content(bytes):
    """Bytes of a prompt, an answer, a file; printed as `<redacted 1.2 kB>`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return redacted(len(self))

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return redacted(len(self))


class Secret(bytes):
    """Bytes of key material; printed as `<secret>`, whatever the size."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "<secret>"


def redacted(size_bytes: int) -> str:
    """What is printed in place of `size_bytes` bytes of content."""
    if size_bytes < 1000:
        return f"<redacted {size_bytes} B>"
    if size_bytes < 1_000_000:
        return f"<redacted {size_bytes / 1000:.1f} kB>"
    return f"<redacted {size_bytes / 1_000_000:.1f} MB>"


def hidden(self: object) -> str:
    """As the `__repr__` of a type that holds content in parts: its name and nothing else."""
    return f"<{type(self).__name__} redacted>"


class HiddenStruct(msgspec.Struct, frozen=True):
    """A base of structs that hold content in parts: printed by their names alone."""

    def __repr__(self) -> str:
        return hidden(self)
