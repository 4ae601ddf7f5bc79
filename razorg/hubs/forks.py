"""What a forked child does with what it inherited.

The child has copies of all objects, but the connections are the parent's: nothing may be read
from them, written to them or said about them.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

import gevent

from razorg.hubs.here import hub_if_any

#: Why connections of the parent are of no use in the child.
FORKED = ConnectionError("the process was forked, and the connection is the parent's")


class OfTheParent(gevent.GreenletExit):  # type: ignore[misc]
    """Ends a greenlet of the child whose work is done by its twin in the parent."""


class Inherited(Protocol):
    """What has to know that it was forked."""

    def after_fork(self) -> None:
        """In the child, in the thread that forked: let go of what is the parent's.

        Must not block; its hub may belong to a thread that is no more.
        """

    def __hash__(self) -> int: ...


_all: WeakSet[Inherited] = WeakSet()
_counts = {"forks": 0}


def tell_of_forks(inherited: Inherited) -> None:
    """Call its ``after_fork`` in each child that is forked while it lives."""
    _all.add(inherited)


def forks() -> int:
    """How many forks lie between this process and the one that imported razorg."""
    return _counts["forks"]


def _in_child() -> None:
    _counts["forks"] += 1
    if hub_if_any() is not None:
        gevent.reinit()  # or closing descriptors here would tell the parent's loop
    for inherited in list(_all):
        inherited.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
