"""Becomes a program that runs as another user and ends when its parent ends.

Run as a script with nothing but the standard library:
`python -I -S launch.py <parent's pid> <signal> <uid or -> <gid or -> program arguments…`.
It exists because a process cannot safely do this between fork and exec in a parent with threads.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Drop to the user, ask for the signal at the parent's end, and become the program."""
    parent, signal, user, group = arguments[:4]
    program = arguments[4:]
    if user != "-":
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    # After the change of user, which clears it.
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal), 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    # The parent may have ended before the signal was asked for.
    if os.getppid() != int(parent):
        sys.exit("the parent has ended")
    os.umask(0o077)
    os.execv(program[0], program)  # noqa: S606 - the program and its arguments are the parent's own


main(sys.argv[1:])
