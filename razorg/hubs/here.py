"""Which hub serves the calls of this thread, and how to reach that of another one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import gevent.hub
from gevent import get_hub, getcurrent, monkey
from gevent._hub_local import get_hub_if_exists

from razorg.errors import LocalProtocolError

_get_ident = monkey.get_original("_thread", "get_ident")
_get_native_id = monkey.get_original("_thread", "get_native_id")

#: The hub of this thread, None where there is none yet: asking makes none.
hub_if_any = get_hub_if_exists


def hub_here() -> Any:
    """The hub that serves this thread, None for a native thread that runs no gevent.

    The main thread has one in any case, other threads only inside the greenlets of their own: a
    hub made there would leave its descriptors behind when the thread ends.
    """
    if _is_main_thread():
        return get_hub()
    hub = get_hub_if_exists()
    greenlet = getcurrent()
    while greenlet is not None:
        if greenlet is hub:
            return hub
        greenlet = greenlet.parent
    return None


def is_destroyed(hub: Any) -> bool:
    """Whether nothing can be done in the hub any more."""
    return bool(hub.dead or hub.loop is None)


def call_soon(hub: Any, function: Callable[..., Any], *args: Any) -> None:
    """Have a hub call the function, from any thread; LocalProtocolError when it was destroyed."""
    if not is_destroyed(hub):
        try:
            hub.loop.run_callback_threadsafe(function, *args)
            return
        except (AttributeError, ValueError):
            pass  # it was destroyed just now
    raise LocalProtocolError("the hub of that thread was destroyed")


def _is_main_thread() -> bool:
    if sys.platform == "linux":  # holds after a fork, too, whatever thread forked
        return bool(_get_native_id() == os.getpid())
    return bool(_get_ident() == gevent.hub.MAIN_THREAD_IDENT)
