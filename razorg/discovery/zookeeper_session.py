"""A session with ZooKeeper, and something that is done in it whenever anything has changed."""

from __future__ import annotations

import atexit
import logging
import random
import re
import socket
from collections.abc import Callable
from typing import Any

import gevent
import gevent.socket
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.gevent import SequentialGeventHandler
from kazoo.protocol.connection import CLOSE_RESPONSE, ConnectionHandler
from kazoo.protocol.serialization import Connect
from kazoo.protocol.states import KazooState

from razorg.discovery.loop import Loop
from razorg.discovery.registry import EngineUrl

#: How long an answer of ZooKeeper may take.
ANSWER_SECONDS = 5.0
#: How long the first connection may take before it is called a failure.
_FIRST_SECONDS = 3.0
#: After a failure that is none of the connection: when to try again.
_AGAIN_SECONDS = 1.0
#: What was seen is looked at again so often, even if no watch has told of a change.
_LOOK_SECONDS = 30.0
_SEQUENCE = re.compile(r"\d{10}$")
_QUIET = logging.getLogger("razorg.kazoo")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False  # what matters is told by the pool and the server, in one line


class _Connection(ConnectionHandler):  # type: ignore[misc]
    """kazoo's, which knows what the server has granted and that it has ended the session, and
    blocks no thread for names."""

    #: After how many seconds of silence the server ends the session.
    granted = 0.0
    #: Whether the server has said that the session is over: what was ephemeral is gone.
    is_ended = False

    def _invoke(self, timeout: float, request: Any, xid: Any = None) -> Any:
        answered: Any = super()._invoke(timeout, request, xid)
        if isinstance(request, Connect):
            self.granted = answered[0].time_out / 1000
        return answered

    def _read_response(self, header: Any, buffer: bytes, offset: int) -> Any:
        answered: Any = super()._read_response(header, buffer, offset)
        self.is_ended = self.is_ended or answered == CLOSE_RESPONSE
        return answered

    def _expand_client_hosts(self) -> list[tuple[str, str, int]]:
        """Name, address and port of all servers; kazoo's own blocks the thread of all calls."""
        found: list[tuple[str, str, int]] = []
        for name, port in self.client.hosts:
            try:
                entries = gevent.socket.getaddrinfo(name, port, 0, 0, socket.IPPROTO_TCP)
            except socket.gaierror as error:
                self.logger.warning("Cannot resolve %s: %s", name, error)
            else:
                found.extend((name, str(entry[4][0]), int(entry[4][1])) for entry in entries)
        random.shuffle(found)
        return found


def client_of(hosts: str, timeout: float) -> KazooClient:
    """A client for the greenlets of this thread, which is yet to be started."""
    retry = {"max_tries": -1, "delay": 0.05, "max_delay": 1.0, "sleep_func": gevent.sleep}
    client: Any = KazooClient(
        hosts,
        timeout=timeout,
        handler=SequentialGeventHandler(),
        connection_retry=retry,
        logger=_QUIET,
    )
    client._connection = _Connection(client, client._conn_retry.copy(), logger=_QUIET)
    made: KazooClient = client
    return made


def granted_by(client: Any) -> float:
    """After how many seconds of silence the server ends this session: perhaps sooner than asked."""
    return float(client._connection.granted)


class ZooKeeperSession:
    """Calls ``step`` in a greenlet of the I/O thread: when connected, and after each change.

    ``step`` sets watches that end in ``changed``.  ``failed`` is told why nothing can be known
    now; ``lost`` that the session is over, and what was ephemeral is gone.  kazoo reconnects by
    itself, within a second when the server is there again.
    """

    def __init__(self, url: str) -> None:
        self.where = EngineUrl.of(url)
        self._hosts = ",".join(
            f"[{h}]:{p}" if ":" in h else f"{h}:{p}" for h, p in self.where.hosts
        )
        self._loop: Loop | None = None
        self._is_dirty = True

    def begin(self) -> None:
        """Connect, and go on until ``close``; never blocks."""
        self._loop = Loop(f"zk://{self._hosts}", self._run, blocks=False)

    def close(self) -> None:
        """End the session soon; from any thread, never blocks."""
        if self._loop is not None:
            self._loop.close()

    def changed(self, *_: Any) -> None:
        """A watch: there is something new to be seen."""
        self._is_dirty = True
        if self._loop is not None:
            self._loop.wake()

    def step(self, client: KazooClient) -> None:
        """Do what is to be done; may raise whatever kazoo does."""
        raise NotImplementedError

    def look_seconds(self, client: KazooClient) -> float:
        """After how long to do the next step, even if no watch has told of a change."""
        return _LOOK_SECONDS

    def failed(self, error: Exception) -> None:
        """Nothing can be known now."""

    def state_changed(self, client: KazooClient, state: str) -> None:
        """kazoo's own word: CONNECTED, SUSPENDED or LOST.  Must not block."""

    def _run(self, loop: Loop) -> None:
        self._loop = loop  # it may run before ``begin`` has it
        client: Any = client_of(self._hosts, self.where.timeout)
        client.add_listener(lambda state: self._listener(client, state))
        try:
            client.start_async()
            atexit.unregister(client.handler.stop)  # it would wait, in another thread's hub
            if not client.connected:
                loop.wait(_FIRST_SECONDS)
            while not loop.is_closing:
                loop.wait(self._turn(client))
        except Exception as error:  # a mistake: the loop begins anew
            self.failed(error)
            raise
        finally:
            try:
                client.stop()
                client.close()
            finally:
                if loop.is_closing:
                    connection = client._connection
                    self.over(connection.is_ended or not connection.granted)

    def over(self, is_known: bool) -> None:
        """Closed: nothing of the session is left here, and, if that ``is_known``, in ZooKeeper."""

    def _turn(self, client: KazooClient) -> float:
        """One step, or why there is none; for how long there is nothing to do."""
        if not client.connected:
            self.failed(ConnectionError(f"no connection to ZooKeeper at {self._hosts}"))
            return _LOOK_SECONDS
        self._is_dirty = False
        failure = self._guarded(lambda: self.step(client))
        if isinstance(failure, gevent.Timeout):
            # Each request puts off kazoo's ping, by which it finds a dead connection.
            return max(granted_by(client) * 2 / 3, _AGAIN_SECONDS)
        if failure is not None:
            return _AGAIN_SECONDS
        return 0.0 if self._is_dirty else self.look_seconds(client)

    def _guarded(self, work: Callable[[], None]) -> BaseException | None:
        """Do it; what it raised, which was told."""
        try:
            work()
        except (KazooException, gevent.Timeout, OSError) as error:
            self.failed(ConnectionError(f"ZooKeeper at {self._hosts}: {_said(error)}"))
            return error
        return None

    def _listener(self, client: KazooClient, state: str) -> None:
        self.state_changed(client, state)
        if state != KazooState.CONNECTED:
            gevent.spawn(self._suspended, client)
        self.changed()

    def _suspended(self, client: KazooClient) -> None:
        if not client.connected and self._loop is not None and not self._loop.is_closing:
            self.failed(ConnectionError(f"no connection to ZooKeeper at {self._hosts}"))


def answer(asked: Any) -> Any:
    """What ZooKeeper answers; blocks, and raises as kazoo does."""
    return asked.get(timeout=ANSWER_SECONDS)


def session_of(client: Any) -> int:
    """The number of the session, as ephemeral nodes have it of their owner."""
    return int(client.client_id[0])


def _said(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def contenders(names: list[str]) -> list[str]:
    """Those who contend to lead, the first one leads."""
    return sorted(filter(_SEQUENCE.search, names), key=lambda name: name[-10:])
