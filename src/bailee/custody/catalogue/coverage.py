"""Compares the data catalogue with what is stored, both ways.

Pure: whoever knows what is stored passes it in. The tidy test gathers it from database metadata,
formats and source; `source_names` reads log fields and metric labels out of Python source.
"""

import ast
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from bailee.custody.catalogue.entries import Catalogue

_LEVELS: Final = ("debug", "info", "warning", "error", "exception", "critical", "log")
_LOG_METHODS: Final = frozenset(("msg", *_LEVELS, *(f"a{level}" for level in _LEVELS)))
_BINDING: Final = frozenset(("bind", "new", "bind_contextvars", "bound_contextvars"))
_LOGGERS: Final = frozenset(("log", "_log", "logger", "_logger"))
_METRICS: Final = frozenset(("Counter", "Gauge", "Histogram", "Summary", "Info", "Enum"))
_METRICS_PACKAGE: Final = "prometheus_client"


class Difference(NamedTuple):
    """Where the catalogue and what is stored disagree."""

    uncatalogued: frozenset[str]
    """Stored and not in the catalogue."""
    vanished: frozenset[str]
    """In the catalogue and not stored."""

    @property
    def none(self) -> bool:
        """Whether they agree."""
        return not self.uncatalogued and not self.vanished


def compare(catalogued: Iterable[str], stored: Iterable[str]) -> Difference:
    """What is in one and not in the other."""
    known, found = frozenset(catalogued), frozenset(stored)
    return Difference(found - known, known - found)


def compare_stores(catalogue: Catalogue, family: str, stored: dict[str, set[str]]) -> Difference:
    """Compare a whole family, given as names by store; differences read `store.name`."""
    catalogued = {
        f"{place.name}.{entry.name}"
        for place in catalogue.stores
        if place.family == family
        for entry in place.entries
    }
    return compare(
        catalogued, (f"{store}.{name}" for store, names in stored.items() for name in names)
    )


class SourceNames(NamedTuple):
    """What a Python file writes into log lines and metrics."""

    log_fields: frozenset[str]
    metric_labels: frozenset[str]
    unreadable: tuple[str, ...]
    """Calls whose fields cannot be read from the source, as `line: why`. Not allowed."""


def source_names(source: str) -> SourceNames:
    """Read one file.

    A logger is what is called `log` or `logger`, with or without a leading underscore; a metric is
    what comes from prometheus_client. Fields and labels must be written out where they are used.
    """
    fields: set[str] = set()
    labels: set[str] = set()
    unreadable: list[str] = []
    tree = ast.parse(source)
    metrics = set(_metric_names(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if _is_log_call(node):
            fields.update(_log_fields(node, unreadable))
        elif _called_name(node.func) in metrics:
            labels.update(_labels(node, unreadable))
    return SourceNames(frozenset(fields), frozenset(labels), tuple(unreadable))


def _called_name(function: ast.expr) -> str:
    """`a` of `a(…)`, `b` of `a.b(…)`."""
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _is_log_call(call: ast.Call) -> bool:
    function = call.func
    if _called_name(function) in ("bind_contextvars", "bound_contextvars"):
        return True
    if not isinstance(function, ast.Attribute) or function.attr not in _LOG_METHODS | _BINDING:
        return False
    receiver = function.value
    while isinstance(receiver, ast.Call):  # log.bind(…).info(…)
        receiver = (
            receiver.func.value if isinstance(receiver.func, ast.Attribute) else receiver.func
        )
    return _called_name(receiver) in _LOGGERS


def _log_fields(call: ast.Call, unreadable: list[str]) -> Iterator[str]:
    if _called_name(call.func) in _LOG_METHODS:
        event = call.args[0] if call.args else None
        if not (isinstance(event, ast.Constant) and isinstance(event.value, str)):
            unreadable.append(f"{call.lineno}: an event's name is a constant")
        if len(call.args) > 1:
            unreadable.append(f"{call.lineno}: a log line's fields are named")
    for keyword in call.keywords:
        if keyword.arg is None:
            unreadable.append(f"{call.lineno}: a log line's fields are written out, without **")
        else:
            yield keyword.arg


def _metric_names(tree: ast.Module) -> Iterator[str]:
    """The names under which a file knows metric classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_METRICS_PACKAGE):
            for alias in node.names:
                if alias.name in _METRICS:
                    yield alias.asname or alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith(_METRICS_PACKAGE):
                    yield from _METRICS


def _labels(call: ast.Call, unreadable: list[str]) -> Iterator[str]:
    given = call.args[2] if len(call.args) > 2 else None
    for keyword in call.keywords:
        if keyword.arg == "labelnames":
            given = keyword.value
    if given is None:
        return
    if not isinstance(given, ast.Tuple | ast.List):
        unreadable.append(f"{call.lineno}: a metric's labels are written out")
        return
    for element in given.elts:
        if isinstance(element, ast.Constant) and isinstance(element.value, str):
            yield element.value
        else:
            unreadable.append(f"{call.lineno}: a metric's labels are constants")
