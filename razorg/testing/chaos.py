"""A proxy between a client and a server that breaks the link as real ones break.

::

    with razorg.testing.ChaosProxy("tcp://127.0.0.1:7700") as proxy:
        pool = razorg.connect(proxy.address)
        proxy.up.delay = 0.05            # what the client sends arrives 50 ms later
        proxy.down.slice_bytes = 1       # what the server sends arrives byte by byte
        proxy.reset()                    # RST to both ends of all connections

As a program: ``python -m razorg.testing tcp://127.0.0.1:7700 --delay 0.05``.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
from typing import Literal

import gevent

from razorg.testing.faults import Faults
from razorg.testing.links import Link, close, listen
from razorg.transport.address import Address, AddressLike, parse_address

log = logging.getLogger("razorg")

#: After a failed accept it waits this long.
_BACK_OFF_SECONDS = 0.05


class ChaosProxy:
    """Forwards the connections to its ``address`` to the target; ``up`` is what clients send.

    ``target`` and ``at`` are ``tcp://``, ``tls://`` or ``unix://`` addresses, else ValueError; what
    is encrypted passes as it is.  Blocks nobody but its own greenlets; ends with ``close()``, or as
    a context manager.
    """

    def __init__(
        self,
        target: AddressLike,
        at: AddressLike = "tcp://127.0.0.1:0",
        seed: int | None = None,
    ) -> None:
        self.target = _of_sockets(target)
        self.up = Faults()
        self.down = Faults()
        #: How many connections there were.
        self.connections = 0
        self._rng = random.Random(seed)
        self._refuses = False
        self._listener, where = listen(_of_sockets(at))
        self.address = str(where)
        self._file = where.name if where.scheme == "unix" else None
        self._links: set[Link] = set()
        self._acceptor = gevent.spawn(self._accept)

    @property
    def open_connections(self) -> int:
        """How many are open now."""
        return len(self._links)

    def blackhole(self) -> None:
        """From now on nothing gets through, in neither direction, and nobody is told.

        New connections seem to come up, and then get no answer either.
        """
        self.up.is_blackhole = self.down.is_blackhole = True

    def reset(self) -> None:
        """End all connections with RST; new ones are taken."""
        for link in list(self._links):
            link.end()

    def half_close(self, direction: Literal["up", "down"] = "up") -> None:
        """Tell the servers that the clients will send nothing more, or the clients that the servers
        will not; the other direction still passes."""
        for link in list(self._links):
            link.half_close(direction == "up")

    def cut(self) -> None:
        """End all connections with RST, and each new one at once, until ``resume()``."""
        self._refuses = True
        self.reset()

    def resume(self) -> None:
        """The link is whole again; what a black hole has held back arrives now, late."""
        self._refuses = False
        self.up.is_blackhole = self.down.is_blackhole = False

    def close(self) -> None:
        """End all connections and stop listening."""
        self._acceptor.kill()
        self._listener.close()
        if self._file is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._file)
        for link in list(self._links):
            link.end()

    def __enter__(self) -> ChaosProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ChaosProxy {self.address} → {self.target}, {len(self._links)} connections>"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError as error:  # no descriptors are left, or it has gone again
                log.warning("chaos: cannot accept at %s: %s", self.address, error)
                gevent.sleep(_BACK_OFF_SECONDS)
                continue
            self.connections += 1
            if self._refuses:
                close(client, with_reset=True)
                continue
            link = Link(self.target, client, self.up, self.down, self._rng)
            self._links.add(link)
            link.greenlet.rawlink(lambda _, link=link: self._links.discard(link))
            link.greenlet.start()


def _of_sockets(address: AddressLike) -> Address:
    parsed = parse_address(address)
    if parsed.scheme not in ("tcp", "tls", "unix"):
        raise ValueError(f"{address!r}: a ChaosProxy is for tcp://, tls:// and unix://")
    return parsed
