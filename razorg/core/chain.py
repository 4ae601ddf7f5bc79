"""Interceptors: plain callables around a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

#: Takes a call, and gives what it comes to.
Proceed = Callable[[Any], Any]
#: ``interceptor(call, proceed)`` goes on with ``proceed(call)``, or does not.
Interceptor = Callable[[Any, Proceed], Any]


def checked_interceptors(interceptors: Sequence[Interceptor]) -> tuple[Interceptor, ...]:
    """TypeError for what is no list of callables."""
    if not isinstance(interceptors, (list, tuple)):
        raise TypeError(f"interceptors is a list of callables, not {interceptors!r}")
    for interceptor in interceptors:
        if not callable(interceptor):
            raise TypeError(f"an interceptor is called with (call, proceed), not {interceptor!r}")
    return tuple(interceptors)


def chained(interceptors: Sequence[Interceptor], innermost: Proceed) -> Proceed:
    """All of them around the innermost; the first one is the outermost."""
    for interceptor in reversed(interceptors):
        innermost = _around(interceptor, innermost)
    return innermost


def _around(interceptor: Interceptor, proceed: Proceed) -> Proceed:
    return lambda call: interceptor(call, proceed)
