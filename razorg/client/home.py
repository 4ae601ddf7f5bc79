"""The short way into a pool: for the hub that called first, to its own part and nothing else."""

from __future__ import annotations

from typing import Any

from razorg.config import ClientConfig
from razorg.core.method import Method
from razorg.hubs.deadline import bounded, current_deadlines
from razorg.hubs.here import hub_if_any
from razorg.wire.heads import Msg

#: In the place of a hub, and no thread's.
NO_HUB = object()


class HomeCalls:
    """Blocking calls and futures; those that come from elsewhere are handed on."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        #: The part that is asked first, and its hub.
        self._home: Any = None
        self._home_hub: Any = NO_HUB

    def call_method(self, method: Method, msg: Msg, timeout: float | None) -> Any:
        """Call and block this greenlet, or this thread where it has no hub."""
        if current_deadlines():
            timeout = bounded(timeout, self.config.task_timeout, method.name)
        if hub_if_any() is not self._home_hub:
            return self._call_from_elsewhere("call_method", method, msg, timeout)
        return self._home.call_method(method, msg, timeout)

    def submit_method(self, method: Method, msg: Msg, timeout: float | None) -> Any:
        """The future of a call; blocks only for a connection or while the window is full."""
        if current_deadlines():
            timeout = bounded(timeout, self.config.task_timeout, method.name)
        if hub_if_any() is not self._home_hub:
            return self._call_from_elsewhere("submit_method", method, msg, timeout)
        return self._home.submit_method(method, msg, timeout)

    def _call_from_elsewhere(
        self, name: str, method: Method, msg: Msg, timeout: float | None
    ) -> Any:
        """What the method of this name does for another thread than that of the home hub."""
        raise NotImplementedError
