"""What a server keeps in an engine: its entry while it serves, its claim to lead."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

import gevent

from razorg.declared import NEXT, ErrorText, Failover
from razorg.discovery.loop import Loop
from razorg.discovery.node import Node, checked_url
from razorg.discovery.registry import engine_part
from razorg.errors import LocalProtocolError
from razorg.hubs.forks import tell_of_forks
from razorg.hubs.here import call_soon, hub_here
from razorg.hubs.wake import Wake

log = logging.getLogger("razorg")

#: So often an election looks whether it leads, while nobody wakes it.
_NOTICE_SECONDS = 3600.0


class NotLeader(ErrorText):
    """Another node leads: the text is its address, or empty when nobody is known to."""

    def failover(self) -> Failover:
        return str(self) or NEXT


class Keeper(Protocol):
    """Keeps something in an engine, as long as it is not closed."""

    def close(self) -> None:
        """Take it out soon; from any thread, never blocks."""


class Ended:
    """Something that comes to its end once, and can be waited for from any thread."""

    def __init__(self) -> None:
        self.is_set = False
        self._is_known = False
        self._waiting: list[Wake] = []

    def set(self, is_known: bool) -> None:
        """It has; whether the engine knows that."""
        self._is_known = is_known
        self.is_set = True
        while self._waiting:
            self._waiting.pop().set()

    def wait(self, timeout: float) -> bool:
        """Block until it has, at most ``timeout``; whether it has, and the engine knows."""
        if not self.is_set:
            wake = Wake()
            self._waiting.append(wake)
            if not (self.is_set and wake in self._waiting):  # it did not come in between
                wake.wait(timeout)
        return self._is_known


class Registration:
    """One server's entry in an engine: made in the background, renewed whenever it was lost."""

    def __init__(self, url: str, node: Node, once: bool) -> None:
        self.url = url
        self.node = node
        #: Whether the entry is known to be there; with ``once`` perhaps that of another process.
        self.is_held = False
        self._ended = Ended()
        self._problem = ""
        self._keeper: Keeper = engine_part(url, "register", node, once, self)

    def held(self) -> None:
        """The keeper: it is there."""
        if not self.is_held:
            log.info("%s is registered in %s", self.node.address, self.url)
        self.is_held = True
        self._problem = ""

    def lost(self, reason: str) -> None:
        """The keeper: it may not be there any more, and will be renewed."""
        self.is_held = False
        if not self._problem:
            log.warning("%s is not registered in %s: %s", self.node.address, self.url, reason)
        self._problem = reason

    def over(self, is_known: bool) -> None:
        """The keeper: it was taken out, as far ``is_known``; it does nothing more."""
        self.is_held = False
        self._ended.set(is_known)

    def withdraw(self, timeout: float = 2.0) -> bool:
        """Take it out; blocks until the engine has done so, at most ``timeout``.

        False, with a log line, when the engine did not say so, or not in time: it does it by
        itself when it has heard nothing for the time that its URL says.
        """
        self._keeper.close()
        if self._ended.wait(timeout):
            return True
        log.warning("%s could not be taken out of %s yet", self.node.address, self.url)
        return False


class Election:
    """One node's claim to lead a service; the engine decides.

    ``on_change(leads)`` is called whenever that changes, in a greenlet of the thread in which the
    election was made; without a hub there, in a thread of the election's own.  A lead that is over
    before it could be told is not told.  In a forked child the claim is closed: it is the parent's.
    """

    def __init__(
        self, url: str, address: str, on_change: Callable[[bool], Any] | None = None
    ) -> None:
        self.url = url
        self.address = checked_url(address)
        #: Until when it leads, seconds of ``monotonic``; 0.0: it does not.
        self._until = 0.0
        #: Counts the times that it came to lead.
        self._term = 0
        self._is_closed = False
        #: The address of who leads, as far as is known.
        self.leader: str | None = None
        self._on_change = on_change
        self._hub = hub_here()
        self._ended = Ended()
        name = f"the lead of {self.address}"
        self._notices = Loop(name, self._tell, blocks=self._hub is None)
        try:
            self._keeper: Keeper = engine_part(url, "elect", self.address, self)
        except BaseException:
            self._notices.close()
            raise
        tell_of_forks(self)

    @property
    def leads(self) -> bool:
        """Whether this node leads.  False as soon as it cannot be sure any more."""
        return monotonic() < self._until

    def check(self) -> None:
        """NotLeader, which sends the caller's pool to who leads, if this node does not."""
        if not self.leads:
            leader = self.leader if self.leader != self.address else None
            raise NotLeader(leader or "")

    def close(self, timeout: float = 2.0) -> None:
        """Lead no more, and let others at once; blocks until the engine knows, at most so long."""
        if self._ended.is_set:
            return
        self._is_closed = True
        self.told(False)
        self._keeper.close()
        if not self._ended.wait(timeout):
            log.warning("%s could not tell %s that it leads no more", self.address, self.url)

    def told(self, leads: bool, until: float = math.inf) -> None:
        """The keeper: whether it leads, for certain until then (seconds of ``monotonic``)."""
        did_lead = self.leads
        if leads and not did_lead:
            self._term += 1
        self._until = until if leads else 0.0
        if self._is_closed:  # looked at last: it may have been closed while the engine answered
            self._until = 0.0
        if self.leads != did_lead:
            self._notices.wake()

    def over(self, is_known: bool) -> None:
        """The keeper: the claim was taken back, as far ``is_known``; it does nothing more."""
        self.told(False)
        self._notices.close()
        self._ended.set(is_known)

    def after_fork(self) -> None:
        """In the child: the parent's claim, and nobody is left here who follows the engine."""
        self._is_closed = True
        self._until = 0.0
        self.leader = None
        self._ended = Ended()
        self._ended.set(is_known=True)

    def _tell(self, notices: Loop) -> None:
        """Say what has changed: what the keeper was told, and that the time is over."""
        said = 0
        is_last = False
        while not is_last:
            is_last = notices.is_closing
            rest = self._until - monotonic()
            term = self._term if rest > 0 else 0
            if term != said:
                if said:
                    self._say(False)
                if term:
                    self._say(True)
                said = term
            elif not is_last:
                notices.wait(rest if 0 < rest < _NOTICE_SECONDS else _NOTICE_SECONDS)

    def _say(self, leads: bool) -> None:
        log.info("%s %s %s", self.address, "leads" if leads else "leads no more:", self.url)
        if self._on_change is None:
            return
        if self._hub is not None:
            with contextlib.suppress(LocalProtocolError):  # its hub was destroyed
                call_soon(self._hub, gevent.spawn, self._on_change, leads)
            return
        try:
            self._on_change(leads)
        except Exception:  # it must hear of the next change nevertheless
            log.exception("%r failed", self._on_change)

    def __enter__(self) -> Election:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        leader = "it leads" if self.leads else f"{self.leader or 'nobody'} leads"
        return f"<Election {self.address} in {self.url}: {leader}>"


def election(url: str, address: str, on_change: Callable[[bool], Any] | None = None) -> Election:
    """Contend to lead the service at ``zk://…`` or ``etcd://…``; returns at once.

    ``address`` is where clients reach this node.
    """
    return Election(url, address, on_change)
