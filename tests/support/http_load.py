"""HTTP requests at full speed, each with the only right answer, which the load compares.

Written on sockets by hand: the load shares its processors with the servers that it drives.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable
from time import monotonic
from typing import Any, NamedTuple

import gevent
from gevent import socket

#: Seconds after which a request is taken for hanging.
PATIENCE = 10.0


class Ask(NamedTuple):
    """One request and its right answer; with a ``form`` it is a POST."""

    path: str
    expected: Any  # the value of the JSON body
    status: int = 200
    form: str | None = None


class Outcome(NamedTuple):
    """What became of a request."""

    ask: Ask
    status: int  # 0: there was no answer
    body: bytes
    worker: str  # what the answer's X-Worker says
    error: str  # why there was none
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether it is the answer that was expected."""
        return self.status == self.ask.status and _value(self.body) == self.ask.expected

    def __str__(self) -> str:
        got = f"{self.status} {self.body[:200]!r} of worker {self.worker}" if self.status else self.error
        return f"{self.ask.path} {self.ask.form or ''}: {got} after {self.seconds:.3f} s, not {self.ask.status} {self.ask.expected!r}"


class HttpLoad:
    """Requests by some greenlets, each of which sends its next one when it has its answer.

    ``address`` is ``http://host:port``.  ``keep_alive``: a connection for each greenlet, and not for
    each request.  As a context it starts, and at the end begins no more requests and waits for those
    under way; ``asks`` may be endless.  ``run`` is for those that end.  The first request that hangs
    ends it all.
    """

    def __init__(self, address: str, asks: Iterable[Ask], *, greenlets: int = 16, keep_alive: bool = False) -> None:
        host, _, port = address.removeprefix("http://").rpartition(":")
        self._where = (host, int(port))
        self._asks = iter(asks)
        self._keep_alive = keep_alive
        self._is_over = False
        self._greenlets = [gevent.Greenlet(self._work) for _ in range(greenlets)]
        #: In the order in which they ended.
        self.outcomes: list[Outcome] = []

    def run(self) -> list[Outcome]:
        """Send them all; blocks until the last one has ended."""
        for greenlet in self._greenlets:
            greenlet.start()
        gevent.joinall(self._greenlets, raise_error=True)
        return self.outcomes

    def __enter__(self) -> HttpLoad:
        for greenlet in self._greenlets:
            greenlet.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        gevent.joinall(self._greenlets, raise_error=True)

    def _work(self) -> None:
        connection: _Connection | None = None
        for ask in self._asks:
            if self._is_over:
                break
            started = monotonic()
            try:
                with gevent.Timeout(PATIENCE, TimeoutError(f"no answer within {PATIENCE:g} s")):
                    connection = connection or _Connection(self._where)
                    status, worker, body, goes_on = connection.ask(ask, self._keep_alive)
                outcome = Outcome(ask, status, body, worker, "", monotonic() - started)
            except (OSError, ValueError) as error:
                goes_on = False
                self._is_over |= isinstance(error, TimeoutError)  # enough is known; the others hang as well
                outcome = Outcome(ask, 0, b"", "", repr(error), monotonic() - started)
            if connection is not None and not goes_on:
                connection.close()
                connection = None
            self.outcomes.append(outcome)
        if connection is not None:
            connection.close()


class Figures(NamedTuple):
    """Many outcomes in short."""

    statuses: dict[int, int]
    workers: dict[str, int]
    longest: float

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Figures:
        outcomes = list(outcomes)
        statuses = Counter(outcome.status for outcome in outcomes)
        workers = Counter(outcome.worker for outcome in outcomes if outcome.status)
        return cls(dict(statuses), dict(workers), max((outcome.seconds for outcome in outcomes), default=0.0))


def wrong(outcomes: Iterable[Outcome], also: Container[int] = ()) -> list[Outcome]:
    """Those that are neither the right answer nor have one of the statuses that may be ``also``."""
    return [outcome for outcome in outcomes if not outcome.is_right and outcome.status not in also]


class _Connection:
    """One connection of HTTP/1.1."""

    def __init__(self, where: tuple[str, int]) -> None:
        self._host = f"{where[0]}:{where[1]}"
        self._socket = socket.create_connection(where)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def ask(self, ask: Ask, keep_alive: bool) -> tuple[int, str, bytes, bool]:
        """Status, worker, body, and whether the connection can be used again.

        OSError or ValueError when there is no whole answer.
        """
        form = (ask.form or "").encode()
        lines = [f"{'GET' if ask.form is None else 'POST'} {ask.path} HTTP/1.1", f"Host: {self._host}"]
        if ask.form is not None:
            lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}"]
        if not keep_alive:
            lines.append("Connection: close")
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + form)

        line = self._file.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        status = int(line.split()[1])
        headers = {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if "content-length" not in headers:
            raise ValueError(f"{status} without a Content-Length: {headers}")
        size = int(headers["content-length"])
        body = self._file.read(size)
        if len(body) < size:
            raise ConnectionError(f"{status}, and not all of the body: {headers}, {body!r}")
        goes_on = keep_alive and headers.get("connection", "").lower() != "close"
        return status, headers.get("x-worker", ""), body, goes_on

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def _value(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
