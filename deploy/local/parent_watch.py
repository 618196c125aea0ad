"""Replaces this process by a command that ends with its parent: `python parent_watch.py PARENT_PID COMMAND...`.

Linux sends SIGTERM to the command when the parent is gone (PR_SET_PDEATHSIG survives exec), also after `kill -9`.
Elsewhere only the pid file of `process.py` guards. This is a program because running Python between fork and exec is not
safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Asks the kernel for the signal, then replaces itself by the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
