"""Server: listeners, the sessions they accept, and the workers that these share."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from time import monotonic
from typing import Any, TypeVar

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
from razorg.link.seldom import EVERY_SECONDS, Seldom
from razorg.link.ticker import current_ticker
from razorg.server.acceptor import Acceptor
from razorg.server.admission import Admission, Authenticate
from razorg.server.dispatch import Dispatch
from razorg.server.http import refuse
from razorg.server.inherit import InheritedSocket
from razorg.server.peer import Peer
from razorg.server.quotas import Quotas
from razorg.server.serving import Serving
from razorg.server.session import Session
from razorg.server.successor import start_successor
from razorg.server.targets import ListenTo, targets_of
from razorg.server.workers import Workers
from razorg.transport import registry
from razorg.transport.address import Address
from razorg.transport.base import Connection

log = logging.getLogger("razorg")

ServerT = TypeVar("ServerT", bound="Server")


class Server:
    """Serves a Dispatch at any number of listeners."""

    def __init__(
        self,
        listen: ListenTo,
        dispatch: Dispatch,
        codec: str | Codec,
        config: ServerConfig,
        authenticate: Authenticate | None = None,
    ) -> None:
        self.config = config
        self.codec = resolve_codec(codec)
        self._dispatch = dispatch
        self._listen = targets_of(listen, config.tls is not None)
        self._acceptors: list[Acceptor] = []
        self._sessions: dict[Session, gevent.Greenlet[[], None]] = {}
        self._workers = Workers()
        self.seldom = Seldom(log)  # of what peers can cause
        self._admission = Admission(authenticate, config.read_timeout, self.seldom)
        self._quotas = Quotas(config, self.seldom)
        self._places = BoundedSemaphore(config.max_connections)
        self._ended_read_requests = 0  # of the sessions that have ended
        #: ``"new"``, ``"serving"``, ``"stopping"`` or ``"stopped"``.
        self.state = "new"
        self._successor_is_coming = False
        self._stopping = Event()
        self._stopped = Event()
        self._stopper: Any = None  # the greenlet that does it
        self._hub: Any = None  # where it serves, once it does

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

        OSError when an address cannot be had, LocalProtocolError when there is none at all."""
        if self.state != "new":
            raise LocalProtocolError(f"{self!r} cannot be started again")
        targets = self._listen + targets_of(listen, self.config.tls is not None)
        if not targets:
            raise LocalProtocolError(f"{self!r}: neither RpcServer nor start() was given one")
        listeners = []
        try:
            for target in targets:
                listeners.append(registry.listen(target, self.config.tls))
        except BaseException:
            for listener in listeners:
                listener.close()
            raise
        self._hub = get_hub()
        context = copy_context()
        forget_deadlines(context)
        self._serving = Serving(
            self._dispatch, self._workers, self._admission, self.codec, self.config, context
        )
        tell_of_forks(self)
        self._ticker = current_ticker()
        self._ticker.add(self)
        self.state = "serving"
        for listener in listeners:
            self._acceptors.append(Acceptor(listener, self._places, self._serve, self.seldom))
        try:
            self._begin(is_alone=all(isinstance(target, Address) for target in targets))
        except BaseException:
            self.stop(0)
            raise
        for target in targets:
            if isinstance(target, InheritedSocket):
                target.taken()  # last: from here on a predecessor relies on this server

    def serve_forever(self) -> None:
        """Start if need be, and block until ``stop()`` was called (from a greenlet or signal)."""
        if self.state == "new":
            self.start()
        try:
            self._stopping.wait()
        finally:
            self.stop()

    def stop(self, timeout: float | None = None) -> None:
        """Stop listening, let accepted requests end and their responses leave; blocks.

        Out of a handler, or a signal handler that came upon the hub, a greenlet of this server or
        that which stops it, it starts that and returns at once.  What still runs after ``timeout``
        seconds (default: ``stop_timeout``) is killed.  A second caller waits for the first.
        """
        if self._hub is not None and self.state != "stopped":
            if hub_if_any() is not self._hub:
                raise LocalProtocolError(f"{self!r} belongs to another thread")
            if self._is_part_of_this(gevent.getcurrent()):  # it cannot wait for its own end
                gevent.spawn(self.stop, timeout)
                return
        if self.state in ("stopping", "stopped"):
            self._stopped.wait(timeout)
            return
        self._stopper = gevent.getcurrent()
        was_serving = self.state == "serving"
        self.state = "stopping"
        self._stopping.set()
        seconds = self.config.stop_timeout if timeout is None else timeout
        deadline = monotonic() + seconds
        try:
            if was_serving:
                self._withdraw(seconds)
            for acceptor in self._acceptors:
                acceptor.close()
            if was_serving:
                self._drain(max(deadline - monotonic(), 0.0))
        finally:
            try:
                for session in list(self._sessions):
                    session.abort()
                self._workers.kill(self._sessions.values())
            finally:
                if was_serving:
                    self._ticker.discard(self)
                self.seldom.tell_rest(monotonic())
                self.state = "stopped"
                self._stopped.set()

    def after_fork(self) -> None:
        """In a forked child: the parent serves, and answers what it has read."""
        if self.state == "stopped":
            return
        self.state = "stopped"
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
        if self.state != "serving" or self._successor_is_coming:
            raise LocalProtocolError(f"{self!r} cannot start a successor now")
        if hub_if_any() is not self._hub or gevent.getcurrent() is self._hub:
            raise LocalProtocolError("start_successor is for a greenlet of the server's thread")
        self._successor_is_coming = True
        try:
            return start_successor([item.listener for item in self._acceptors], command, timeout)
        finally:
            self._successor_is_coming = False

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """As a WSGI application it answers 426 and says how it is served; gunicorn wants one."""
        return refuse(environ, start_response)

    def _begin(self, is_alone: bool) -> None:
        """At a start, when it accepts: what else belongs to serving.  It is alone when all of its
        sockets are its own: other processes of the program may serve at those it was given."""

    def _withdraw(self, timeout: float) -> None:
        """Before a stop: see to it that clients leave, while those that come are served; blocks
        ``timeout`` seconds at most."""

    def _drain(self, timeout: float) -> None:
        if self.running:
            log.info("stopping: %d requests still run", self.running)
        for session in list(self._sessions):
            session.drain()
        gevent.joinall(list(self._sessions.values()), timeout=timeout)

    def _is_part_of_this(self, greenlet: Any) -> bool:
        return (
            greenlet in (self._hub, self._stopper)
            or greenlet in self._workers
            or any(greenlet is acceptor.greenlet for acceptor in self._acceptors)
            or any(
                greenlet in (reader, session.writer) for session, reader in self._sessions.items()
            )
        )

    def _serve(self, conn: Connection) -> None:
        peer = Peer(conn)
        share = self._quotas.enter(peer.origin)
        if share is None:
            conn.close()
            self._places.release()
            return
        session = Session(conn, peer, share, self._serving)
        greenlet = gevent.Greenlet(session.run)
        self._sessions[session] = greenlet
        greenlet.rawlink(lambda _: self._session_ended(session))
        greenlet.start()

    def _session_ended(self, session: Session) -> None:
        del self._sessions[session]
        self._quotas.leave(session.share)
        self._ended_read_requests += session.read_requests
        self._places.release()

    def on_tick(self, now: float) -> None:
        """Once a second, in the hub."""
        for session in list(self._sessions):
            session.on_tick(now)
        self._workers.trim()
        self.seldom.tell_rest(now - EVERY_SECONDS)

    def __enter__(self: ServerT) -> ServerT:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        where = ", ".join(self.addresses) or "no address"
        return (
            f"<RpcServer {where} {self.state}, {self.connections} connections, "
            f"{self.running} running>"
        )
