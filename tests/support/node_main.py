"""The process of a ``support.nodes.Node``: a server that writes down each call before it answers.

Run as ``python -m support.node_main --name a --address tcp://… --ledger path``; prints ``ready`` when
it serves, stops gracefully at SIGTERM, and ends when its standard input does: with its parent.
"""

from __future__ import annotations

import argparse
import os
import signal

import gevent
from gevent.socket import wait_read

import razorg

#: Each line of a ledger has this many bytes.  They divide the pages of the kernel, and it is only
#: between two pages that SIGKILL can interrupt a write: no line is ever torn.
LINE_BYTES = 32
#: What goes wrong, on purpose, at every hundredth call.
FAULTS = ("none", "twice", "never", "wrong", "deadly")


def answer_of(call_id: int) -> int:
    """What each call returns: nobody else's answer looks like it."""
    return 2 * call_id + 1


@razorg.service
class Witness:
    """Calls that leave a line in the ledger of the node that ran them."""

    def note(self, call_id: int) -> int:
        """Must not run twice."""
        raise NotImplementedError

    @razorg.method(idempotent=True)
    def read(self, call_id: int) -> int:
        """May run twice."""
        raise NotImplementedError

    def slow(self, call_id: int, ms: int) -> int:
        """Must not run twice, and takes its time."""
        raise NotImplementedError

    def held(self, call_id: int, until: str) -> int:
        """Must not run twice, and ends when there is a file of that name."""
        raise NotImplementedError

    @razorg.method(idempotent=True)
    def who(self) -> str:
        """The name of the node; leaves no line."""
        raise NotImplementedError


class LedgerWitness(Witness):
    """Writes a line with one ``write`` for each execution; what the kernel has, SIGKILL spares."""

    def __init__(self, name: str, ledger: str, fault: str) -> None:
        self._name = name
        self._fault = fault
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, call_id: int) -> int:
        return self._execute(call_id)

    def read(self, call_id: int) -> int:
        return self._execute(call_id)

    def slow(self, call_id: int, ms: int) -> int:
        answer = self._execute(call_id)
        gevent.sleep(ms / 1000)
        return answer

    def held(self, call_id: int, until: str) -> int:
        answer = self._execute(call_id)
        while not os.path.exists(until):
            gevent.sleep(0.005)
        return answer

    def who(self) -> str:
        return self._name

    def _execute(self, call_id: int) -> int:
        """Write it down and answer, if no fault is planted."""
        fault = self._fault if call_id % 100 == 0 else "none"
        times = {"twice": 2, "never": 0}.get(fault, 1)
        for _ in range(times):
            os.write(self._ledger, f"{call_id:>15} {self._name:<15}\n".encode())
        if fault == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer_of(call_id) + (fault == "wrong")


def _end_with_parent() -> None:
    wait_read(0)
    os._exit(1)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--fault", choices=FAULTS, default="none")
    options = parser.parse_args()
    witness = LedgerWitness(options.name, options.ledger, options.fault)
    server = razorg.RpcServer(options.address, [witness])
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.start()
    gevent.spawn(_end_with_parent)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
