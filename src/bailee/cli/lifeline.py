"""Replaces itself with a command that dies when the process that started it dies (Linux).

Run as a file, without the package: `python -I -S lifeline.py PARENT_PID SIGNAL COMMAND…`. The
request survives the exec unless the command is set-user-id. On other systems it only executes the
command: there an orphan must be stopped by hand, and `bailee doctor` says so.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def bind(parent: int, number: int) -> None:
    """Have signal `number` sent to this process when `parent` ends; exits if it already has."""
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:
        raise SystemExit(1)


if __name__ == "__main__":
    bind(int(sys.argv[1]), int(sys.argv[2]))
    os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606 - this program is for exactly that
