"""A server that hands its listeners to the next process at SIGHUP.

Run as ``python -m support.successor_main mode ledger address…``; a mode
"patched, …" is one of a monkey-patched process; with ``STATUS_PAGE`` in the environment it shows
itself there.  It prints ``ready <pid>`` when it
serves, ``failed <pid> <error>`` when its successor does not, ``ended <pid> <read requests>`` at its
end, and ends with its standard input.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from time import monotonic

import gevent
from gevent import monkey

import razorg
from support.node_main import LedgerWitness, _end_with_parent

#: What the *next* process does, when this is found in the file ``next`` beside the ledger.
BAD = {
    "dies": [sys.executable, "-c", "raise SystemExit(3)"],
    "is not there": ["/no/such/program"],
    "never serves": [sys.executable, "-c", "import time; time.sleep(600)"],
    "closes": [sys.executable, "-c", "import os, time; os.closerange(3, 100); time.sleep(600)"],
    "ignores SIGTERM": [
        sys.executable, "-c",
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    ],
}  # fmt: skip
#: Those whose time must be over: the others must not run out of it, on whatever machine.
LATE = {"never serves", "ignores SIGTERM"}
#: For so long a hub is blocked by nothing but a stall of the machine; each of those waits lasts 1 s.
BLOCKED_SECONDS = 0.9


class Witness(LedgerWitness):
    def who(self) -> str:
        return str(os.getpid())


def say(*words: object) -> None:
    """One write, one line: the processes share the pipe."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def descriptors() -> list[str]:
    """What this process has open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            pass
    return sorted(found)


def leaked(before: list[str]) -> Counter[str]:
    """What is open and was not; gevent.subprocess closes one of its own a moment later."""
    with gevent.Timeout(1.0, False):
        while found := Counter(descriptors()) - Counter(before):
            gevent.sleep(0.002)
    return found


def main() -> None:
    mode, ledger, *addresses = sys.argv[1:]
    if mode.startswith("patched, "):
        monkey.patch_all()
        mode = mode.removeprefix("patched, ")
    witness = Witness("successor", ledger, "none")
    status = os.environ.get("STATUS_PAGE")
    server = razorg.RpcServer(razorg.inherited_sockets() or addresses, [witness], status=status)

    def restart() -> None:
        before, began, longest = descriptors(), monotonic(), Longest()
        command = BAD.get(mode, [sys.executable, *sys.orig_argv[1:]])
        try:
            server.start_successor(command, timeout=1.0 if mode in LATE else 20.0)
        except Exception as error:
            children = _children()
            no_leak, hub_ran = not leaked(before), longest.end() < BLOCKED_SECONDS
            say("failed", os.getpid(), f"{monotonic() - began:.2f}", children, no_leak, hub_ran, repr(error))
            return
        longest.end()
        server.stop()

    gevent.signal_handler(signal.SIGHUP, restart)
    gevent.signal_handler(signal.SIGTERM, server.stop)
    server.start()
    gevent.spawn(_end_with_parent)
    say("ready", os.getpid())
    server.serve_forever()
    say("ended", os.getpid(), server.read_requests)


class Longest:
    """How long the hub was blocked at most, until ``end``."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._greenlet = gevent.spawn(self._watch)

    def _watch(self) -> None:
        at = monotonic()
        while True:
            gevent.sleep(0.005)
            self._worst, at = max(self._worst, monotonic() - at), monotonic()

    def end(self) -> float:
        self._greenlet.kill()
        return self._worst


def _children() -> int:
    """How many children there are, zombies included."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return len(file.read().split())


if __name__ == "__main__":
    main()
