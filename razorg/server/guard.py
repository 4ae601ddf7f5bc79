"""Who may call what."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from razorg.server.answers import ACCESS_DENIED, failure_frame
from razorg.server.dispatch import Dispatch, DispatchAround
from razorg.server.peer import Peer
from razorg.server.requester import Requester
from razorg.wire.encoder import error_frame
from razorg.wire.heads import RequestFields

#: ``authorize(peer, action, requires)`` says whether the peer may call the action, for which its
#: method asks for ``requires`` (None: it asks for nothing).
Authorize = Callable[[Peer, "int | str", "str | None"], bool]


class Guard(DispatchAround):
    """Asks before each request, and hands on what is allowed; the message is not decoded before.

    Without ``authorize`` everything is allowed but what asks for something.
    """

    def __init__(
        self, dispatch: Dispatch, authorize: Authorize | None, requires: Mapping[int | str, str]
    ) -> None:
        super().__init__(dispatch)
        self._authorize = authorize
        self._requires = requires

    def handle(self, session: Requester, fields: RequestFields) -> None:
        seq, action = fields[0], fields[1]
        try:
            allowed = self._allows(session.peer, action)
        except BaseException as error:  # GreenletExit and the like go on below
            session.answer(failure_frame(session, seq, action, error))
            if not isinstance(error, Exception):
                raise
            return
        if allowed:
            self._dispatch.handle(session, fields)
        else:
            session.seldom.warning("%s may not call %r", session.peer, action)
            session.answer(error_frame(seq, ACCESS_DENIED))

    def _allows(self, peer: Peer, action: int | str) -> bool:
        requires = self._requires.get(action)
        if self._authorize is None:
            return requires is None
        return bool(self._authorize(peer, action, requires))
