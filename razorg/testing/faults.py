"""What a ChaosProxy can be told to do to the bytes of one direction."""

from __future__ import annotations

from gevent.event import Event


class Faults:
    """What happens to the bytes of one direction; change it at any time.

    - ``delay`` and ``jitter``: seconds until they arrive, and up to how much is added at random;
    - ``slice_bytes``: at most so many at once (each in a packet of its own), 0 for no limit;
    - ``bytes_per_second``: 0 for no limit;
    - ``cut_after_bytes``: of each connection, so many pass; then it is ended, with RST if
      ``cut_resets``, else with FIN to the receiver and nothing said to the sender any more;
    - ``is_blackhole``: nothing arrives, and nobody is told, until it is False again.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.jitter = 0.0
        self.slice_bytes = 0
        self.bytes_per_second = 0
        self.cut_after_bytes: int | None = None
        self.cut_resets = True
        self._flows = Event()
        self._flows.set()
        #: How many bytes have arrived, of all connections.
        self.bytes = 0

    @property
    def is_blackhole(self) -> bool:
        return not self._flows.is_set()

    @is_blackhole.setter
    def is_blackhole(self, value: bool) -> None:
        if value:
            self._flows.clear()
        else:
            self._flows.set()

    def wait(self) -> None:
        """Block while nothing gets through."""
        self._flows.wait()
