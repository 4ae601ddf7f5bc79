"""What a forked child does with what it inherited.

The child has copies of all objects, but the connections are the parent's: nothing may be read
from them, written to them or said about them.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol
from weakref import WeakSet

import gevent

from razorg.hubs.here import hub_if_any
from razorg.hubs.native import sleep, start_new_thread

log = logging.getLogger("razorg")

#: Why connections of the parent are of no use in the child.
FORKED = ConnectionError("the process was forked, and the connection is the parent's")


class OfTheParent(gevent.GreenletExit):  # type: ignore[misc]
    """Ends a greenlet of the child whose work is done by its twin in the parent."""


class Turn(IntEnum):
    """Who is told first: descriptors, then those who would open new ones, then their users, and
    then who waits for what these have ended."""

    SOCKETS = 0
    POOLS = 1
    STREAMS = 2
    CALLBACKS = 3


class Inherited(Protocol):
    """What has to know that it was forked."""

    def after_fork(self) -> None:
        """In the child, in the thread that forked: let go of what is the parent's.

        Must not block, nor run code of the user's: other threads are gone, and their locks are
        held for ever.  Its hub may be that of such a thread, or destroyed.
        """

    def __hash__(self) -> int: ...


_all: dict[Turn, WeakSet[Inherited]] = {turn: WeakSet() for turn in Turn}
_counts = {"forks": 0}
_Calls = deque[tuple[Callable[..., Any], tuple[Any, ...]]]
#: While a child is told: what it does after that.
_later: _Calls | None = None

#: What takes longer is left alone, and the next begin.
_LONG_SECONDS = 0.05


def tell_of_forks(inherited: Inherited, turn: Turn = Turn.POOLS) -> None:
    """Call its ``after_fork`` in each child that is forked while it lives."""
    _all[turn].add(inherited)


def is_being_told() -> bool:
    """Whether this is a child that is being told: nothing of the user's may run yet."""
    return _later is not None


def after_this_fork(function: Callable[..., Any], *args: Any) -> None:
    """For an ``after_fork``: call it when all have been told, in a native thread.

    It may be the user's, and may wait for what only a thread of the parent would have given: the
    others do not wait for that.
    """
    assert _later is not None
    _later.append((function, args))


def forks() -> int:
    """How many forks lie between this process and the one that imported razorg."""
    return _counts["forks"]


def _in_child() -> None:
    global _later
    _counts["forks"] += 1
    later: _Calls = deque()
    _later = later
    if hub_if_any() is not None:
        gevent.reinit()  # or closing descriptors here would tell the parent's loop
    for turn in Turn:
        for inherited in list(_all[turn]):
            try:
                inherited.after_fork()
            except Exception:  # the others must be told, or they use what is the parent's
                log.exception("%r cannot let go of its parent's", inherited)
    _later = None
    if later:
        start_new_thread(_run, (later,))


def _run(later: _Calls) -> None:
    """See to it that they are called: by as many threads as there are some that do not end."""
    while later:
        start_new_thread(_call_in_turn, (later,))
        left = -1
        while later and len(later) != left:
            left = len(later)
            sleep(_LONG_SECONDS)


def _call_in_turn(later: _Calls) -> None:
    while True:
        try:
            function, args = later.popleft()
        except IndexError:
            return
        try:
            function(*args)
        except BaseException:  # whatever it is: the others are for other users
            log.exception("%r failed after a fork", function)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
