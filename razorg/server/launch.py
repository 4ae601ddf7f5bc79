"""Run as a program: lays out inherited descriptors the way systemd does, and becomes the command.

``launch.py ready,listening,listening… command…``.  It imports nothing of razorg, so it starts in
no time and wherever a Python is; only the process that the command will be can know its own pid.
"""

from __future__ import annotations

import fcntl
import os
import sys

FIRST_DESCRIPTOR = 3


def main() -> None:
    """Does not return.  When there is no such command the process at ``ready`` is told why."""
    ready, *listening = [int(text) for text in sys.argv[1].split(",")]
    command = sys.argv[2:]
    given = [*listening, ready]
    # First out of the way: a descriptor may sit where another one has to go.
    above = FIRST_DESCRIPTOR + len(given)
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, above) for descriptor in given]
    for descriptor in given:
        os.close(descriptor)
    for place, descriptor in enumerate(moved, FIRST_DESCRIPTOR):
        os.dup2(descriptor, place)
    ready = above - 1
    os.environ.pop("LISTEN_FDNAMES", None)
    os.environ["LISTEN_FDS"] = str(len(listening))
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.environ["RAZORG_READY_FD"] = str(ready)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(ready, f"cannot run {command[0]}: {error.strerror}".encode())
        os._exit(127)


if __name__ == "__main__":
    main()
