"""Server: listeners, the sessions they accept, and the workers that these share."""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from typing import Any, TypeVar, Union

import gevent
from gevent import get_hub
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import ServerConfig
from razorg.errors import LocalProtocolError
from razorg.hubs.deadline import forget_deadlines
from razorg.hubs.forks import tell_of_forks
from razorg.hubs.here import hub_if_any
from razorg.link.ticker import current_ticker
from razorg.server.acceptor import Acceptor
from razorg.server.dispatch import Dispatch
from razorg.server.http import refuse
from razorg.server.inherit import InheritedSocket
from razorg.server.session import Session
from razorg.server.successor import start_successor
from razorg.server.workers import Workers
from razorg.transport import registry
from razorg.transport.address import Address
from razorg.transport.base import Connection

log = logging.getLogger("razorg")

ListenTo = Union[registry.ListenLike, Sequence[registry.ListenLike], None]
ServerT = TypeVar("ServerT", bound="Server")


class Server:
    """Serves a Dispatch at any number of listeners."""

    def __init__(
        self, listen: ListenTo, dispatch: Dispatch, codec: str | Codec, config: ServerConfig
    ) -> None:
        self.config = config
        self.codec = resolve_codec(codec)
        self._dispatch = dispatch
        self._listen = [_listen_target(item) for item in _as_list(listen)]
        self._acceptors: list[Acceptor] = []
        self._sessions: dict[Session, gevent.Greenlet[[], None]] = {}
        self._workers = Workers()
        self._places = BoundedSemaphore(config.max_connections)
        self._ended_read_requests = 0  # of the sessions that have ended
        self._state = "new"
        self._successor_is_coming = False
        self._stopping = Event()
        self._stopped = Event()

    @property
    def addresses(self) -> list[str]:
        """The URLs that it listens at, with the ports that were really taken."""
        return [str(acceptor.listener.address) for acceptor in self._acceptors]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._sessions)

    @property
    def running(self) -> int:
        """How many requests were read and wait for their answer."""
        return sum(session.running for session in list(self._sessions))

    @property
    def read_requests(self) -> int:
        """How many requests were read since the start, pings included."""
        return self._ended_read_requests + sum(item.read_requests for item in list(self._sessions))

    def start(self, listen: ListenTo = None) -> None:
        """Listen and accept, in greenlets of their own, at ``listen`` and what it was made with.

        OSError when an address cannot be had.  LocalProtocolError when there is none at all: a
        server that nobody can reach was not meant.
        """
        if self._state != "new":
            raise LocalProtocolError(f"{self!r} cannot be started again")
        targets = self._listen + [_listen_target(item) for item in _as_list(listen)]
        if not targets:
            raise LocalProtocolError(f"{self!r}: neither RpcServer nor start() was given one")
        listeners = []
        try:
            for target in targets:
                listeners.append(registry.listen(target))
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
        self._state = "serving"
        self._hub = get_hub()
        self._context = copy_context()
        forget_deadlines(self._context)
        tell_of_forks(self)
        self._ticker = current_ticker()
        self._ticker.add(self)
        for listener in listeners:
            self._acceptors.append(Acceptor(listener, self._places, self._serve))
        for target in targets:
            if isinstance(target, InheritedSocket):
                target.taken()

    def serve_forever(self) -> None:
        """Start if need be, and block until ``stop()`` was called (from a greenlet or signal)."""
        if self._state == "new":
            self.start()
        try:
            self._stopping.wait()
        finally:
            self.stop()

    def stop(self, timeout: float | None = None) -> None:
        """Stop listening, let accepted requests end and their responses leave; blocks.

        Out of a handler, or a signal handler that came upon the hub or a greenlet of this server,
        it starts that and returns at once.
        After ``timeout`` seconds (default: ``stop_timeout``) what still runs is killed.
        Idempotent: a second caller waits for the first.
        """
        if self._state != "new":
            if hub_if_any() is not self._hub:
                raise LocalProtocolError(f"{self!r} belongs to another thread")
            if self._is_part_of_this(gevent.getcurrent()):  # it cannot wait for its own end
                gevent.spawn(self.stop, timeout)
                return
        if self._state in ("stopping", "stopped"):
            self._stopped.wait(timeout)
            return
        was_serving = self._state == "serving"
        self._state = "stopping"
        self._stopping.set()
        try:
            for acceptor in self._acceptors:
                acceptor.close()
            if was_serving:
                self._drain(self.config.stop_timeout if timeout is None else timeout)
        finally:
            try:
                for session in list(self._sessions):
                    session.abort()
                self._workers.kill()
            finally:
                if was_serving:
                    self._ticker.discard(self)
                self._state = "stopped"
                self._stopped.set()

    def after_fork(self) -> None:
        """In a forked child: the parent serves, and answers what it has read."""
        if self._state == "stopped":
            return
        self._state = "stopped"
        self._stopped.set()
        self._ticker.discard(self)
        for acceptor in self._acceptors:
            acceptor.abandon()
        for session in list(self._sessions):
            session.abort()
        self._workers.abandon()

    def start_successor(
        self, command: Sequence[str], timeout: float = 30.0
    ) -> subprocess.Popen[bytes]:
        """Run a command that serves at this server's listeners too; blocks until it does.

        Its server listens at ``razorg.inherited_sockets()``.  When this returns both accept, and
        it is time for ``stop()``: no connection is refused.  So a restart at SIGHUP is::

            server = razorg.RpcServer(razorg.inherited_sockets() or "tcp://…", services)

            def restart():  # gevent gives it a greenlet
                server.start_successor([sys.executable, *sys.orig_argv[1:]])
                server.stop()

            gevent.signal_handler(signal.SIGHUP, restart)
            server.serve_forever()

        ChildProcessError when the process ends instead, TimeoutError when it is not ready after
        ``timeout`` seconds; it is gone then, and this server goes on as before.  A socket file
        stays when this server stops, and when the successor does.
        """
        if self._state != "serving" or self._successor_is_coming:
            raise LocalProtocolError(f"{self!r} cannot start a successor now")
        if hub_if_any() is not self._hub or gevent.getcurrent() is self._hub:
            raise LocalProtocolError("start_successor is for a greenlet of the server's thread")
        self._successor_is_coming = True
        try:
            listeners = [acceptor.listener for acceptor in self._acceptors]
            return start_successor(listeners, command, timeout)
        finally:
            self._successor_is_coming = False

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """As a WSGI application it answers 426 and says how it is served; gunicorn wants one."""
        return refuse(environ, start_response)

    def _drain(self, timeout: float) -> None:
        if self.running:
            log.info("stopping: %d requests still run", self.running)
        for session in list(self._sessions):
            session.drain()
        gevent.joinall(list(self._sessions.values()), timeout=timeout)

    def _is_part_of_this(self, greenlet: Any) -> bool:
        return (
            greenlet is self._hub
            or greenlet in self._workers
            or any(greenlet is acceptor.greenlet for acceptor in self._acceptors)
            or any(
                greenlet in (reader, session.writer) for session, reader in self._sessions.items()
            )
        )

    def _serve(self, conn: Connection) -> None:
        session = Session(
            conn, self._dispatch, self._workers, self.codec, self.config, self._context
        )
        greenlet = gevent.Greenlet(session.run)
        self._sessions[session] = greenlet
        greenlet.rawlink(lambda _: self._session_ended(session))
        greenlet.start()

    def _session_ended(self, session: Session) -> None:
        del self._sessions[session]
        self._ended_read_requests += session.read_requests
        self._places.release()

    def on_tick(self, now: float) -> None:
        """Once a second, in the hub."""
        for session in list(self._sessions):
            session.on_tick(now)
        self._workers.trim()

    def __enter__(self: ServerT) -> ServerT:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = ", ".join(self.addresses) or "no address"
        return (
            f"<RpcServer {where} {self._state}, {self.connections} connections, "
            f"{self.running} running>"
        )


def _as_list(listen: Any) -> list[Any]:
    if listen is None:
        return []
    if (
        isinstance(listen, tuple)
        and len(listen) == 2
        and (isinstance(listen[1], int) or str(listen[1]).isdigit())
    ):
        return [listen]  # (host, port)
    if isinstance(listen, (list, tuple)):
        return list(listen)
    return [listen]


def _listen_target(item: Any) -> Address | socket.socket:
    if hasattr(item, "getsockname"):
        with contextlib.suppress(OSError):
            if item.type & 0xF != socket.SOCK_STREAM:
                raise ValueError(f"{item!r} is not a stream socket")
        target: socket.socket = item
        return target
    return registry.checked_address(item)
