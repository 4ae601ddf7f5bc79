"""Greenlets that are struck (killed, timed out, failed) at chosen switches, and what must hold after.

``below``, ``unbalanced`` and ``ghosts`` are the only places of these tests that know the insides of a
client.
"""

from __future__ import annotations

import gc
import itertools
import logging
import sys
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

import gevent
import greenlet
from gevent import GreenletExit, Timeout, get_hub, getcurrent
from gevent.event import Event

import razorg
from razorg.client.line import WaitingLine
from razorg.transport.address import Address
from razorg.transport.base import Connection, Listener, Transport
from razorg.transport.memory import MemoryTransport
from razorg.transport.tcp import TcpTransport
from support.peers import PATIENCE

_numbers = itertools.count(1)


class Boom(Exception):
    """An exception of the user's own."""


#: What a greenlet may be struck with; each strike is an object of its own.
BLOWS: list[Callable[[], BaseException]] = [GreenletExit, Timeout, Boom]
#: What a call may end with when its connection was cut.
CUT_OFF = (razorg.ConnectionLost, razorg.Unreachable)


def unique(pad: int = 0) -> str:
    """A value that no other call has."""
    return f"{next(_numbers)}:" + "x" * pad


def throw(victim: gevent.Greenlet[..., Any], error: BaseException, by_timer: bool = False) -> None:
    """Strike soon: as ``gevent.kill`` does, or as a ``gevent.Timeout`` that fires now."""
    if not by_timer:
        victim.kill(error, block=False)
        return
    timer = get_hub().loop.timer(0)

    def fire() -> None:
        timer.close()
        if not victim.dead:
            victim.throw(error)

    timer.start(fire)


class Switches:
    """Calls ``at_switch(origin, target)`` at every switch between greenlets while it is entered."""

    def __init__(self, at_switch: Callable[[Any, Any], None]) -> None:
        self._at_switch = at_switch

    def __enter__(self) -> Switches:
        self._before = greenlet.settrace(lambda event, ends: self._at_switch(*ends))
        return self

    def __exit__(self, *_: object) -> None:
        greenlet.settrace(self._before)


class Striker:
    """Strikes once, at a switch of the given number (0: never, it only counts).

    It counts the switches away from the victim, or all that happen while the victim is at it.
    ``beside`` happens ``lead`` switches before the strike; -1: just after it.
    """

    def __init__(
        self, number: int, error: BaseException, everywhere: bool = False,
        by_timer: bool = False, beside: Callable[[], object] | None = None, lead: int = 0,
    ) -> None:
        self.number, self.error, self.everywhere, self.by_timer = number, error, everywhere, by_timer
        self._beside, self._beside_at = beside, max(number - lead, 1) if number else 0
        #: None while there is nobody to strike (any more).
        self.victim: gevent.Greenlet[..., Any] | None = None
        self.count = 0
        self.has_struck = False

    def __call__(self, origin: Any, target: Any) -> None:
        victim = self.victim
        if victim is None or victim.dead or not (self.everywhere or origin is victim):
            return
        self.count += 1
        if self.count == self._beside_at <= self.number and self._beside is not None:
            self._beside()
        if self.count == self.number:
            self.has_struck = True
            throw(victim, self.error, self.by_timer)
            if self._beside_at > self.number and self._beside is not None:
                self._beside()


class Victim:
    """A greenlet that acts, is struck, and from then on is woken by nobody but ``release``."""

    def __init__(
        self, striker: Striker, carrier: Any, act: Callable[[], Any], again: Callable[[], Any]
    ) -> None:
        self.carrier = carrier
        self.value: Any = None
        self.error: BaseException | None = None
        #: Errors that came when the act was over: the strike, if it came late.
        self.late: list[BaseException] = []
        #: What waited for it still when it had been struck.
        self.ghosts: list[str] = []
        #: What it was woken with by somebody who had no business to.
        self.stray: list[Any] = []
        self.has_acted = Event()
        self._token = object()
        self.greenlet = gevent.spawn(self._run, striker, act, again)

    def _run(self, striker: Striker, act: Callable[[], Any], again: Callable[[], Any]) -> None:
        striker.victim = self.greenlet
        try:
            self.value = act()
        except BaseException as error:
            self.error = error.with_traceback(None)
            self.ghosts = ghosts(self.carrier)
        striker.victim = None
        self.has_acted.set()
        while True:
            try:
                got = get_hub().switch()
            except BaseException as error:
                self.late.append(error)
                continue
            if got is self._token:
                break
            self.stray.append(got)
        again()

    def was_struck_once(self, striker: Striker) -> bool:
        """Whether the strike has come out of the act, or came when the act was over."""
        return [error for error in (self.error, *self.late) if error is striker.error] == [striker.error]

    def release(self) -> None:
        """Let it make its last call, and end."""
        assert not self.greenlet.dead, "it was ended by somebody else"
        get_hub().loop.run_callback(self.greenlet.switch, self._token)
        self.greenlet.join(PATIENCE)
        assert self.greenlet.dead, "it hangs in the call after the strike"
        assert self.greenlet.exception is None, repr(self.greenlet.exception)


def woken_only_by_oneself() -> None:
    """Block for a moment; AssertionError when somebody else's wake comes first."""
    token = object()
    wake = get_hub().loop.run_callback(getcurrent().switch, token)
    try:
        got = get_hub().switch()
        assert got is token, f"a stray wake with {got!r}"
    finally:
        wake.stop()


class Crowd:
    """Greenlets that call with values of their own at the same time, and look at each answer."""

    def __init__(self, say: Callable[[str], Any], rounds: int, allowed: tuple[type, ...]) -> None:
        self._say, self._rounds, self._allowed = say, rounds, allowed
        self.greenlets: list[gevent.Greenlet[..., Any]] = []
        self.faults: list[str] = []
        self.answered = 0

    def grow(self, count: int) -> None:
        """So many more callers."""
        self.greenlets += [gevent.spawn(self._call) for _ in range(count)]

    def _call(self) -> None:
        for _ in range(self._rounds):
            value = unique()
            try:
                got = self._say(value)
            except self._allowed:
                continue
            except BaseException as error:
                self.faults.append(f"{value} ended with {error!r}")
                continue
            self.answered += 1
            if got != value:
                self.faults.append(f"{value} got the answer {got[:40]!r}")

    def join(self) -> None:
        """Wait until all have had their answers."""
        gevent.joinall(self.greenlets, timeout=PATIENCE)
        stuck = [one for one in self.greenlets if not one.dead]
        gevent.killall(stuck)
        assert not stuck, f"{len(stuck)} callers of the crowd hang"
        assert not self.faults, self.faults


class Riot:
    """A crowd that is struck at random switches until enough strikes have landed.

    Who is killed is replaced; the share ``timers`` strikes as timers do.  With the same seed the same happens, as far as the transport allows.
    """

    def __init__(self, rng: Random, act: Callable[[], None], strikes: int, timers: float) -> None:
        self.strikes = strikes
        #: How many strikes have landed, by kind.
        self.landed: Counter[str] = Counter()
        self.faults: list[str] = []
        self._rng, self._act, self._timers = rng, act, timers
        #: The members, each with the strikes that are on their way to it.
        self._pending: dict[Any, list[BaseException]] = {}
        self._can_be_struck: dict[Any, None] = {}  # in the order in which they started
        self._left = 1

    def at_switch(self, origin: Any, target: Any) -> None:
        """For ``Switches``."""
        if origin not in self._can_be_struck:
            return
        self._left -= 1
        if not self._left:
            self._left = self._rng.randint(1, 30)
            victim = origin if self._rng.random() < 0.5 else self._rng.choice(list(self._can_be_struck))
            error = self._rng.choice(BLOWS)()
            self._pending[victim].append(error)
            throw(victim, error, by_timer=self._rng.random() < self._timers)

    def run(self, size: int) -> None:
        """Block until enough strikes have landed and all have ended."""
        for _ in range(size):
            self._join_in()
        with Switches(self.at_switch):
            while self._pending and not self.faults:
                if not gevent.joinall(list(self._pending), timeout=PATIENCE, count=1):
                    break
        gevent.joinall(list(self._pending), timeout=PATIENCE)
        stuck, faults = list(self._pending), self.faults[:3]
        landed = self.landed.total()
        gevent.killall(stuck)
        assert not faults, "\n".join(faults)
        assert not stuck, f"{len(stuck)} greenlets hang after {landed} strikes"

    def _join_in(self) -> None:
        member = gevent.Greenlet(self._member)
        self._pending[member] = []
        member.start()

    def _member(self) -> None:
        me = getcurrent()
        self._can_be_struck[me] = None
        try:
            while self.landed.total() < self.strikes and not self.faults:
                try:
                    woken_only_by_oneself()
                    self._act()
                except BaseException as error:
                    self._was_struck(error, self._pending[me])
                    if isinstance(error, GreenletExit):
                        raise
            while self._pending[me]:  # none of them may have been swallowed
                try:
                    woken_only_by_oneself()
                except BaseException as error:
                    self._was_struck(error, self._pending[me])
        finally:
            killed = isinstance(sys.exc_info()[1], GreenletExit)
            del self._pending[me], self._can_be_struck[me]
            if killed and self.landed.total() < self.strikes:
                self._join_in()

    def _was_struck(self, error: BaseException, pending: list[BaseException]) -> None:
        for index, one in enumerate(pending):
            if one is error:
                del pending[index]
                self.landed[type(error).__name__] += 1
                return
        self.faults.append("".join(traceback.format_exception(error)))


def below(root: Any) -> Iterator[Any]:
    """All objects of razorg that an object of razorg is made of, itself included."""
    seen: dict[int, Any] = {}
    todo = [root]
    while todo:
        item = todo.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if type(item).__module__.startswith("razorg."):
            yield item
            todo += gc.get_referents(item)
        elif isinstance(item, Mapping):
            todo += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple, set, deque)):
            todo += item


def unbalanced(carrier: Any) -> list[str]:
    """What a pool or a stream on which nobody calls still holds; empty when all is well."""
    parts = list(below(carrier))
    streams = [part for part in parts if isinstance(part, razorg.ClientStream)]
    assert streams, f"there is no stream in {carrier!r}: this function must learn where they are"
    found = [f"{carrier!r} has calls in flight"] if carrier.in_flight else []
    for line in parts:
        if isinstance(line, WaitingLine) and line:
            found.append(f"{len(line)} wait in a line")
    for stream in streams:
        free, window = stream._window.counter, stream.config.window
        if free != window:
            found.append(f"{free} of {window} permits are back")
        for name in ("_in_flight", "_pings", "_tasks"):
            if getattr(stream, name):
                found.append(f"{name} holds {getattr(stream, name)!r}")
    return found


def ghosts(carrier: Any) -> list[str]:
    """What a pool or a stream keeps for greenlets that do not wait any more."""
    found = []
    for part in below(carrier):
        if isinstance(part, WaitingLine):
            found += ["a place in a line" for waiter in part if waiter.greenlet is None]
        elif isinstance(part, razorg.ClientStream):
            found += ["a pong" for pong in part._pings.values() if not pong.linkcount()]
    return found


class Cuttable:
    """A transport around another one, whose connections can be cut at the server's end."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._accepted: list[Connection] = []

    def connect(self, address: Address, timeout: float) -> Connection:
        return self._inner.connect(address, timeout)

    def listen(self, address: Address) -> Listener:
        listener: Any = self._inner.listen(address)
        accept = listener.accept

        def accept_and_note() -> Connection:
            conn: Connection = accept()
            self._accepted.append(conn)
            return conn

        listener.accept = accept_and_note
        return listener  # type: ignore[no-any-return]

    def cut(self) -> None:
        """Close all connections, as if the server's process had ended."""
        accepted, self._accepted = self._accepted, []
        for conn in accepted:
            conn.close()


#: Transports whose connections can be cut, by the scheme of their addresses.
CUT = {"cutmemory": Cuttable(MemoryTransport()), "cuttcp": Cuttable(TcpTransport())}


@contextmanager
def only_strikes() -> Iterator[None]:
    """Registers ``CUT``; no greenlet and no callback may fail meanwhile with anything but a strike."""
    failures: list[BaseException] = []
    log, hub = logging.getLogger("razorg"), get_hub()
    log.disabled, was_disabled = True, log.disabled  # handlers fail by the thousand
    hub.handle_error = lambda context, kind, error, trace: failures.append(error)
    for scheme, transport in CUT.items():
        razorg.register_transport(scheme, transport)
    try:
        yield
    finally:
        del hub.handle_error
        log.disabled = was_disabled
    assert [error for error in failures if type(error) not in BLOWS] == []
