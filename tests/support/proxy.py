"""A TCP link that a test can break in the ways in which real ones break."""

from __future__ import annotations

import contextlib
import socket as plain_socket
import struct

import gevent
from gevent import socket
from gevent.event import Event

#: For SO_LINGER: close with RST instead of FIN.
RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections to a node; ``address`` is where clients connect.

    It blocks nobody but its own greenlets.
    """

    def __init__(self, target: str) -> None:
        self._target = _host_and_port(target)
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._flows = Event()
        self._flows.set()
        self._is_cut = False
        #: The greenlet of each connection, and its sockets: the client's, then the node's.
        self._links: dict[gevent.Greenlet[..., None], list[socket.socket]] = {}
        self._acceptor = gevent.spawn(self._accept)

    def blackhole(self) -> None:
        """Nothing gets through any more, in neither direction, and nobody is told.

        New connections seem to come up, and then get no answer either.
        """
        self._flows.clear()

    def cut(self) -> None:
        """Reset the connections, and each new one at once, until ``resume``."""
        self._is_cut = True
        self._reset_all()

    def resume(self) -> None:
        """The link is whole again; what a black hole has held back arrives now, late."""
        self._is_cut = False
        self._flows.set()

    def close(self) -> None:
        """End the connections and stop listening."""
        self._acceptor.kill()
        self._listener.close()
        self._reset_all()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reset_all(self) -> None:
        links, self._links = self._links, {}
        gevent.killall(list(links))
        for ends in links.values():
            _reset(*ends)

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._is_cut:
                _reset(client)
                continue
            ends = [client]
            link = gevent.Greenlet(self._forward_both, ends)
            self._links[link] = ends
            link.rawlink(lambda link: self._links.pop(link, None))
            link.start()

    def _forward_both(self, ends: list[socket.socket]) -> None:
        (client,) = ends
        self._flows.wait()
        back = None
        try:
            server = socket.create_connection(self._target)
            ends.append(server)
            for end in ends:
                end.setsockopt(plain_socket.IPPROTO_TCP, plain_socket.TCP_NODELAY, 1)
            back = gevent.spawn(self._forward, server, client)
            self._forward(client, server)
            back.join()
        except OSError:  # nobody is there
            pass
        finally:
            if back is not None:
                back.kill()
        _reset(*ends)

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
            self._flows.wait()
            sink.shutdown(plain_socket.SHUT_WR)
        except OSError:  # one end is gone: the other must hear of it
            _reset(source, sink)


def _reset(*ends: socket.socket) -> None:
    """Close with RST what is not closed yet."""
    for end in ends:
        with contextlib.suppress(OSError):
            end.setsockopt(plain_socket.SOL_SOCKET, plain_socket.SO_LINGER, RESET)
        end.close()


def _host_and_port(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("tcp://").rpartition(":")
    return host, int(port)
