"""Where a simulated process dies, and which of its calls fail.

Every call of a memory driver is counted. A simulation first runs with a `Faults` that does nothing
and reads `calls`; then it runs once for each call and each moment, ending the process there.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class SimulatedCrash(BaseException):
    """The process is dead. Not an `Exception`: nothing in the code under test handles it."""


class Faults:
    """The fate of one simulated process.

    Args:
        crash_at: number of the call, from 0, at which the process dies; None: never.
        after: die when the call has had its effect and not yet returned, rather than before it.
    """

    def __init__(self, crash_at: int | None = None, *, after: bool = False) -> None:
        self.crash_at = crash_at
        self.after = after
        self.calls = 0
        self.names: list[str] = []
        """The calls so far, as in `files.sync`."""
        self.crashed = False
        self._failures: dict[str, deque[Exception]] = {}
        self._always: dict[str, Exception] = {}

    def fail(self, name: str, error: Exception, times: int = 1) -> None:
        """Let the next `times` calls of `name` raise `error` without effect."""
        self._failures.setdefault(name, deque()).extend([error] * times)

    def fail_until_repaired(self, name: str, error: Exception) -> None:
        """Let every call of `name` raise `error` until `repair`."""
        self._always[name] = error

    def repair(self) -> None:
        """Let nothing fail any more. Does not revive a dead process."""
        self._failures.clear()
        self._always.clear()

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        """Around a driver's call: count it, fail it or die at it. A dead process stays dead."""
        if self.crashed:
            raise SimulatedCrash(name)
        number = self.calls
        self.calls += 1
        self.names.append(name)
        if number == self.crash_at and not self.after:
            self.crashed = True
            raise SimulatedCrash(name)
        planned = self._failures.get(name)
        if planned:
            raise planned.popleft()
        if name in self._always:
            raise self._always[name]
        yield
        if number == self.crash_at:
            self.crashed = True
            raise SimulatedCrash(name)
