"""Interceptors of a server.  Where there are none, nothing of this is in the way of a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from razorg.core.chain import Interceptor, chained
from razorg.server.dispatch import Dispatch, DispatchAround, Request, Respond
from razorg.server.peer import Peer, current_peer


class ServerCall:
    """What an interceptor of a server sees of a call.

    - ``action``: ``"Service.method"``, or that of a raw request;
    - ``args``: the arguments, decoded, as a tuple; may be set.  Of a raw request there are two, the
      Request and its Respond, and ``proceed`` returns None, maybe before the answer is given;
    - ``peer``: who has sent it.

    ``proceed(call)`` returns what the method returns, or raises what it raises.
    """

    __slots__ = ("action", "args")

    def __init__(self, action: int | str, args: tuple[Any, ...]) -> None:
        self.action = action
        self.args = args

    @property
    def peer(self) -> Peer:
        return current_peer()

    def __repr__(self) -> str:
        return f"<ServerCall {self.action!r} from {self.peer}>"


def intercepted(
    interceptors: Sequence[Interceptor], action: str, function: Callable[..., Any]
) -> Callable[..., Any]:
    """The function of a method, with the interceptors around it."""
    proceed = chained(interceptors, lambda call: function(*call.args))
    return lambda *args: proceed(ServerCall(action, args))


class InterceptedDispatch(DispatchAround):
    """A user's Dispatch, with the interceptors around it."""

    def __init__(self, interceptors: Sequence[Interceptor], dispatch: Dispatch) -> None:
        super().__init__(dispatch)
        self._proceed = chained(interceptors, lambda call: dispatch.dispatch(*call.args))

    def dispatch(self, request: Request, respond: Respond) -> None:
        self._proceed(ServerCall(request.action, (request, respond)))
