"""What belongs to the thread that uses it first."""

from __future__ import annotations

from typing import Any

from gevent import get_hub

from razorg.errors import LocalProtocolError
from razorg.link.ticker import current_ticker


class Bound:
    """Bound to the hub of its first call, whose ticker ticks it from then on."""

    address: str
    _hub: Any = None

    @property
    def has_been_used(self) -> bool:
        """Whether there may be something to close."""
        return self._hub is not None

    def on_tick(self, now: float) -> None:
        """Once a second, in the hub."""
        raise NotImplementedError

    def _check_thread(self) -> None:
        """Bind to the hub of this thread the first time; LocalProtocolError in another one."""
        hub = get_hub()
        if self._hub is None or self._hub.dead:
            self._hub = hub
            current_ticker().add(self)
            self._bound(hub)
        if hub is not self._hub:
            raise LocalProtocolError(
                f"the pool of {self.address} belongs to the thread that called first; make one "
                "pool in each thread"
            )

    def _bound(self, hub: Any) -> None:
        """It has a hub now."""
