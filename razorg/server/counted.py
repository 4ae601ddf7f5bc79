"""Counting the requests of a user's Dispatch."""

from __future__ import annotations

from time import monotonic

from razorg.core.figures import Figures, Observer
from razorg.server.dispatch import Dispatch, DispatchAround, Dropped, Respond
from razorg.server.requester import Requester
from razorg.wire.heads import RequestFields


class CountedRespond(Respond):
    """Counts the request when its answer is given."""

    __slots__ = ("_figures", "_started")

    def __init__(self, session: Requester, seq: int, action: int | str, figures: Figures) -> None:
        super().__init__(session, seq, action)
        self._figures = figures
        self._started = monotonic()
        figures.running += 1

    def _claim(self, error: str) -> None:
        super()._claim(error)
        self._count(error)

    def _count(self, error: str) -> None:
        seconds = monotonic() - self._started
        self._figures.running -= 1
        if error:
            self._figures.failed(seconds, error)
        else:
            self._figures.ended(seconds)

    def __del__(self) -> None:
        if not self.is_answered:
            self._count(Dropped.__name__)
        super().__del__()


class CountedDispatch(DispatchAround):
    """A user's Dispatch, counted."""

    def __init__(self, observer: Observer, dispatch: Dispatch) -> None:
        super().__init__(dispatch)
        self._observer = observer

    def respond_for(self, session: Requester, fields: RequestFields) -> Respond:
        seq, action = fields[0], fields[1]
        return CountedRespond(session, seq, action, self._observer.of(action))
