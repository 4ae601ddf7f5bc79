"""Telling somebody of each request how it ended, whatever became of it.

Interceptors see what reaches a handler.  Before that a request can be refused, and after it the
result may turn out to be one that cannot be sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from razorg.hubs.forks import OfTheParent
from razorg.server.answers import error_name
from razorg.server.dispatch import Dispatch, DispatchAround
from razorg.server.peer import Peer
from razorg.server.requester import Requester
from razorg.wire.heads import FLAG_AT, FLAG_OK, Frame, RequestFields


class Onlooker:
    """An interceptor of a server that is told of each request, instead of being called."""

    def answered(self, action: int | str, peer: Peer, seconds: float, error: str) -> None:
        """The answer is about to be sent; ``error`` is the name of its class, or empty."""
        raise NotImplementedError


def onlookers_among(interceptors: Sequence[Any]) -> list[Any]:
    """Those that are told, and not called."""
    return [item for item in interceptors if isinstance(item, Onlooker)]


class TellingDispatch(DispatchAround):
    """Stands before all that handles requests."""

    def __init__(self, onlookers: Sequence[Onlooker], dispatch: Dispatch) -> None:
        super().__init__(dispatch)
        self._onlookers = onlookers

    def handle(self, session: Requester, fields: RequestFields) -> None:
        self._dispatch.handle(_Told(session, fields[1], self._onlookers), fields)


class _Told:
    """A session, for one request."""

    __slots__ = (
        "_action",
        "_error",
        "_onlookers",
        "_session",
        "_started",
        "codec",
        "config",
        "peer",
        "seldom",
    )

    def __init__(
        self, session: Requester, action: int | str, onlookers: Sequence[Onlooker]
    ) -> None:
        self.peer = session.peer
        self.codec = session.codec
        self.config = session.config
        self.seldom = session.seldom
        self._session = session
        self._action = action
        self._onlookers = onlookers
        self._started = monotonic()
        self._error: BaseException | None = None

    def failing(self, error: BaseException) -> None:
        self._error = error

    def call_soon(self, function: Callable[..., Any], *args: Any) -> None:
        self._session.call_soon(function, *args)

    def answer(self, frame: Frame) -> None:
        try:
            self._tell(frame)
        finally:  # whatever becomes of the onlookers, also when a Timeout strikes here
            self._session.answer(frame)

    def _tell(self, frame: Frame) -> None:
        error, self._error = self._error, None
        if isinstance(error, OfTheParent):  # in a forked child, which answers nobody
            return
        head = frame if isinstance(frame, bytes) else frame[0]
        name = ""
        if head[FLAG_AT] != FLAG_OK:
            name = type(error).__name__ if error is not None else error_name(frame)
        seconds = monotonic() - self._started
        for onlooker in self._onlookers:
            try:
                onlooker.answered(self._action, self.peer, seconds, name)
            except Exception as failure:
                self.seldom.error("%r failed", onlooker, error=failure)
