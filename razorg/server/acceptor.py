"""The greenlet that accepts the connections of one listener."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from gevent.lock import BoundedSemaphore

from razorg.link.seldom import Seldom
from razorg.transport.base import Connection, Listener

#: After a failed accept (out of descriptors, out of memory) it waits this long, doubling …
_BACK_OFF_SECONDS = 0.01
#: … up to this.
_BACK_OFF_MAX_SECONDS = 1.0


class Acceptor:
    """Accepts for as long as it is open, whatever accept fails with.

    While ``places`` are all taken it does not accept: new connections wait in the kernel.
    """

    def __init__(
        self,
        listener: Listener,
        places: BoundedSemaphore,
        serve: Callable[[Connection], None],
        seldom: Seldom,
    ) -> None:
        self.listener = listener
        self._places = places
        self._serve = serve
        self._seldom = seldom
        self._is_closed = False
        self.greenlet = gevent.spawn(self._accept_loop)

    def close(self) -> None:
        """Accept no more; never blocks."""
        self._is_closed = True
        self.listener.close()
        self.greenlet.kill(block=False)

    def abandon(self) -> None:
        """In a forked child: accept no more; the listener, and its file, are the parent's."""
        self._is_closed = True
        self.greenlet.kill(block=False)

    def _accept_loop(self) -> None:
        back_off = _BACK_OFF_SECONDS
        while not self._is_closed:
            self._places.acquire()
            conn = None
            try:
                conn = self.listener.accept()
                back_off = _BACK_OFF_SECONDS
            except OSError as error:
                if self._is_closed:
                    return
                if back_off == _BACK_OFF_SECONDS:  # once, not at every try
                    self._seldom.error(
                        "cannot accept at %s, will go on trying: %s", self.listener.address, error
                    )
                gevent.sleep(back_off)
                back_off = min(2 * back_off, _BACK_OFF_MAX_SECONDS)
            finally:
                if conn is None:
                    self._places.release()
            if conn is not None:
                self._serve(conn)
