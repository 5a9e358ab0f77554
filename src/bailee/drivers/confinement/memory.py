"""Keeping a process's memory to itself: no core file, no tracing, no swap.

Sources: prctl(2), mlockall(2), proc(5).
"""

import ctypes
import resource
from pathlib import Path
from typing import Final, NamedTuple

_SET_DUMPABLE: Final = 4
_GET_DUMPABLE: Final = 3
_SET_NO_NEW_PRIVILEGES: Final = 38
_GET_NO_NEW_PRIVILEGES: Final = 39
_LOCK_CURRENT: Final = 1
_LOCK_FUTURE: Final = 2
_LOCK_ON_FAULT: Final = 4
_CAPABILITY_IPC_LOCK: Final = 14

_libc = ctypes.CDLL(None, use_errno=True)


class ProtectionReport(NamedTuple):
    """What a process was given and what it could not have."""

    not_dumpable: bool
    """No core file; only a privileged process may trace it or read its memory."""
    no_new_privileges: bool
    no_core_files: bool
    memory_locked: bool
    """Nothing of it is ever swapped out."""
    swaps: tuple[str, ...]
    """Where this machine swaps to; matters unless `memory_locked`."""

    @property
    def complete(self) -> bool:
        """Whether no secret of the process can reach a disk or an unprivileged process."""
        unswappable = self.memory_locked or not self.swaps
        return self.not_dumpable and self.no_core_files and unswappable


def protect_memory() -> ProtectionReport:
    """For whoever handles content: no core file, no tracing by other processes of the user.

    Locks no memory: content passes through by the gigabyte, so swap is only looked for.
    """
    _libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    _libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return ProtectionReport(
        not_dumpable=_libc.prctl(_GET_DUMPABLE, 0, 0, 0, 0) == 0,
        no_new_privileges=_libc.prctl(_GET_NO_NEW_PRIVILEGES, 0, 0, 0, 0) == 1,
        no_core_files=resource.getrlimit(resource.RLIMIT_CORE) == (0, 0),
        memory_locked=False,
        swaps=active_swaps(),
    )


def protect_keeper() -> ProtectionReport:
    """For the keeper: as `protect_memory`, and its memory is locked where that is allowed.

    Under a limit on locked memory nothing is locked, since later allocations would then fail; the
    report says so.
    """
    report = protect_memory()
    if not _may_lock():
        return report
    flags = _LOCK_CURRENT | _LOCK_FUTURE | _LOCK_ON_FAULT
    return report._replace(memory_locked=_libc.mlockall(flags) == 0)


def active_swaps() -> tuple[str, ...]:
    """Files and devices that this machine swaps to. Empty where /proc cannot tell."""
    try:
        lines = Path("/proc/swaps").read_text().splitlines()
    except OSError:
        return ()
    return tuple(line.split()[0] for line in lines[1:] if line.strip())


def _may_lock() -> bool:
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    return unlimited or bool(_effective_capabilities() >> _CAPABILITY_IPC_LOCK & 1)


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
