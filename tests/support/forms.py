"""Every form of a call that waits, each with a value of its own and a check of what came back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from gevent.queue import Queue

import razorg
from support.peers import PATIENCE, memory_url, wait_until
from support.strikes import unique

ECHO = 7


@razorg.service
class Mirror:
    """Gives back what it is sent, after so many turns of the hub."""

    @razorg.method(idempotent=True)
    def echo(self, value: str, turns: int) -> str:
        for _ in range(turns):
            gevent.sleep(0)
        return value


class RawMirror(razorg.Dispatch):
    """The same below the services, with a blob."""

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        value, turns = request.decode()
        for _ in range(turns):
            gevent.sleep(0)
        respond.ok(value, request.blob)


def mirror(url: str) -> razorg.RpcServer:
    """A server of both."""
    return razorg.RpcServer(url, [Mirror()], dispatch=RawMirror())


def url_of(kind: str) -> str:
    """An address for a server: of "memory", "tcp", or of one of ``strikes.CUT``."""
    if kind.endswith("tcp"):
        return f"{kind}://127.0.0.1:0"
    return memory_url() if kind == "memory" else f"{kind}://{memory_url().partition('//')[2]}:1"


@dataclass
class Run:
    """A pool or a stream that is called on, and what must come true in the end."""

    carrier: Any
    turns: int = 0
    allowed: tuple[type[BaseException], ...] = ()
    #: Futures by the value that they must have, though the greenlet that waited is gone.
    futures: list[tuple[str, Any]] = field(default_factory=list)
    was_closed: bool = False
    channels: list[tuple[Any, list[str], list[str]]] = field(default_factory=list)

    def keep(self, value: str, future: Any) -> Any:
        """Check the future later."""
        if len(self.futures) > 500:
            self.check_futures(all_of_them=False)
        self.futures.append((value, future))
        return future

    def check_futures(self, all_of_them: bool = True) -> None:
        futures, self.futures = self.futures, []
        for value, future in futures:
            if not all_of_them and not future.ready():
                self.futures.append((value, future))
                continue
            try:
                got = future.get(timeout=PATIENCE)
                assert value == (got.msg if isinstance(got, razorg.Reply) else got)
            except self.allowed:
                pass

    def check(self) -> None:
        """All that is still to come has come, and is right."""
        self.check_futures()
        for taker, sent, got in self.channels:
            wait_until(lambda: len(got) >= len(sent))
            taker.kill()
            assert sorted(got) == sorted(sent)


# The forms of a call.  Each gives back its value as the peer returned it.


def by_call(run: Run, value: str) -> Any:
    return run.carrier.client(Mirror).echo(value, run.turns)


def by_timed_call(run: Run, value: str) -> Any:
    return run.carrier.call("Mirror.echo", value, run.turns, timeout=60)


def by_submit(run: Run, value: str) -> Any:
    return run.keep(value, razorg.submit(run.carrier.client(Mirror).echo, value, run.turns)).get()


def by_result(run: Run, value: str) -> Any:
    return run.keep(value, run.carrier.submit("Mirror.echo", value, run.turns)).result(60)


def by_send(run: Run, value: str) -> Any:
    future = run.keep(value, run.carrier.send(ECHO, (value, run.turns), value[::-1].encode()))
    reply = future.get()
    return bytes(reply.blob or b"").decode()[::-1] if reply.msg == value else reply.msg


def by_notify(run: Run, value: str) -> Any:
    channel: Queue[razorg.ClientTask] = Queue()
    sent = run.carrier.send(ECHO, (value, run.turns), notify=channel, tag=value)
    task = channel.get()
    assert task is sent and task.tag == value and not channel.qsize()
    return task.get().msg


def by_full_channel(run: Run, value: str) -> Any:
    """More tasks than the channel and the window hold: ``send`` waits until some are taken."""
    channel: Queue[razorg.ClientTask] = Queue(maxsize=1)
    sent: list[str] = []
    got: list[str] = []

    def take() -> None:
        while True:
            got.append(channel.get().get().msg)
            has_all.set() if len(got) == count else gevent.sleep(0)

    count = run.carrier.config.window + 3
    has_all = Event()
    run.channels.append((gevent.spawn(take), sent, got))
    for number in range(count):
        run.carrier.send(ECHO, (f"{value}-{number}", run.turns), notify=channel)
        sent.append(f"{value}-{number}")
    has_all.wait()
    return value if sorted(got) == sorted(sent) else got


def by_ping(run: Run, value: str) -> Any:
    return value if 0 <= run.carrier.ping(60) < 60 else None


def by_flush(run: Run, value: str) -> Any:
    future = run.keep(value, run.carrier.send(ECHO, (value, run.turns)))
    run.carrier.flush()
    return future.get().msg


def by_close(run: Run, value: str) -> Any:
    """Closes it while others call; the second time it is closed already."""
    form = by_send if isinstance(run.carrier, razorg.ClientStream) else by_call
    try:
        got = form(run, value)
    except razorg.LocalProtocolError:
        got = value
    run.was_closed = True
    run.carrier.close()
    return got


def works_again(run: Run, form: Callable[[Run, str], Any]) -> None:
    """A call more; where connections were cut, as a user calls who tries again."""
    for left in reversed(range(200 if run.allowed else 1)):
        value = unique()
        try:
            assert form(run, value) == value
            return
        except run.allowed as error:
            if isinstance(error, razorg.LocalProtocolError) or getattr(run.carrier, "is_closed", False):
                return  # it was closed, or is a stream, which has no other connection
            if not left:
                raise
            gevent.sleep(0.01)
