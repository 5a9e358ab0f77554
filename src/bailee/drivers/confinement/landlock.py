"""Landlock: a process gives up paths for good, for itself and whatever it starts.

Source: Documentation/userspace-api/landlock.rst of the Linux kernel. A confined process can also
no longer trace (ptrace, /proc/…/mem) a process that is not confined at least as much: that is how
the keeper's memory is out of reach even for the same user. File access alone is handled; network,
signals and sockets stay as they are.
"""

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1
_PATH_BENEATH: Final = 1
_SET_NO_NEW_PRIVILEGES: Final = 38

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_FOLDER: Final = 1 << 3
_TRUNCATE: Final = 1 << 14
_DEVICE_CONTROL: Final = 1 << 15
_READ: Final = _EXECUTE | _READ_FILE | _READ_FOLDER
_ON_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _DEVICE_CONTROL
_RIGHTS_BY_ABI: Final = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many access rights each version of the interface knows; 16 from the fifth on."""

_libc = ctypes.CDLL(None, use_errno=True)


class ConfinementReport(NamedTuple):
    """What `confine` achieved."""

    enforcement: str
    """`landlock` or `none`."""
    landlock_abi: int
    """Version of the kernel's interface; 0: it has none."""
    reason: str | None
    """Why nothing is enforced."""


def landlock_abi() -> int:
    """The version of Landlock that the kernel offers, 0 if none."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


def confine(allowed_read: Iterable[Path], allowed_write: Iterable[Path]) -> ConfinementReport:
    """Give up every path that is not at or below a listed one. Cannot be undone.

    `allowed_read` may be read and executed, `allowed_write` everything; paths that do not exist are
    left out. Landlock confines the calling thread and what it starts later, so this must be called
    while the process has one thread: with more it does nothing and says so.
    """
    abi = landlock_abi()
    if abi == 0:
        return ConfinementReport("none", 0, "this kernel offers no Landlock")
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        return ConfinementReport("none", abi, f"{threads} threads run; confine before they start")
    handled = (1 << _RIGHTS_BY_ABI.get(abi, 16)) - 1
    try:
        _restrict(handled, list(allowed_read), list(allowed_write))
    except OSError as error:
        return ConfinementReport("none", abi, f"the kernel refused: {error.strerror}")
    return ConfinementReport("landlock", abi, None)


def enforcement_of(folder: Path, report: ConfinementReport) -> str:
    """How this process is kept from `folder`: `landlock`, `separate_user` or `none`.

    Tried, not assumed: what can be listed is not out of reach, whatever the report says.
    """
    try:
        list(folder.iterdir())
    except PermissionError:
        return report.enforcement if report.enforcement != "none" else "separate_user"
    except OSError:
        return "none"
    return "none"


def all_but(folder: Path) -> list[Path]:
    """Every path outside of `folder`: what stands beside it and beside each folder above it.

    For `confine`, which can allow and not forbid. What is made later directly in one of the folders
    above is not allowed either. Symbolic links are left out: one may lead to where `folder` is seen
    from above, and following one needs no right of its own.
    """
    resolved = folder.resolve()
    allowed: list[Path] = []
    for above in resolved.parents:
        inside = resolved.relative_to(above).parts[0]
        allowed.extend(
            beside
            for beside in above.iterdir()
            if beside.name != inside and not beside.is_symlink()
        )
    return allowed


def _restrict(handled: int, allowed_read: list[Path], allowed_write: list[Path]) -> None:
    attributes = struct.pack("=Q", handled)
    ruleset = _checked(_libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        for path in allowed_read:
            _allow(ruleset, path, handled & _READ)
        for path in allowed_write:
            _allow(ruleset, path, handled)
        _checked(_libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _checked(_libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, descriptor)
        _checked(_libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)
