"""A server in a process of its own that is registered in an engine, and may contend to lead.

Run as ``python -m support.registered_main URL NAME``; prints its address when it is registered, stops
gracefully at SIGTERM, and ends with its standard input.
"""

from __future__ import annotations

import os
import signal
import sys

import gevent
from gevent.socket import wait_read

import razorg
from razorg.discovery import Election, election


@razorg.service
class Cal:
    """Nothing of it is idempotent: what is repeated was not run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.claim: Election | None = None

    def add(self, a: int, b: int) -> int:
        return a + b

    def slow(self, ms: int) -> int:
        gevent.sleep(ms / 1000)
        return ms

    @razorg.method(raises=razorg.NotLeader)
    def lead(self) -> str:
        """The name of the node, if it leads."""
        assert self.claim is not None
        self.claim.check()
        return self.name


def _end_with_parent() -> None:
    wait_read(0)
    os._exit(1)


def main() -> None:
    url, name, contends = sys.argv[1:]
    cal = Cal(name)
    server = razorg.RpcServer("tcp://127.0.0.1:0", [cal], register=url)

    def stop() -> None:
        if cal.claim is not None:
            cal.claim.close()  # another one leads before this one is gone
        server.stop()

    signal.signal(signal.SIGTERM, lambda *_: gevent.spawn(stop))
    server.start()
    gevent.spawn(_end_with_parent)
    if contends == "yes":
        cal.claim = election(url, server.addresses[0])
    while not all(entry.is_held for entry in server.registrations):
        gevent.sleep(0.005)
    print(server.addresses[0], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
