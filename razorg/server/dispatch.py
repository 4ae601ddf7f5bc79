"""Dispatch: the user's plug for requests, and what it is handed."""

from __future__ import annotations

from typing import Any

from razorg.codec.base import Codec
from razorg.codec.nil import encode_msg
from razorg.codec.typed import is_untyped
from razorg.errors import DecodeError, LocalProtocolError
from razorg.server.answers import INTERNAL_ERROR, failure_frame
from razorg.server.peer import Peer
from razorg.server.requester import Requester
from razorg.wire.encoder import as_blob, check_sizes, error_frame, response_frame
from razorg.wire.heads import Buffer, Frame, RequestFields

_NIL_BYTES = b"\xc0"


class Request:
    """One request: ``action``, ``seq``, ``client_id``, ``msg`` (raw bytes), ``blob``, ``peer``."""

    __slots__ = ("_codec", "action", "blob", "client_id", "msg", "peer", "seq")

    def __init__(self, fields: RequestFields, peer: Peer, codec: Codec) -> None:
        self.seq, self.action, self.client_id, self.msg, self.blob = fields
        self.peer = peer
        self._codec = codec

    def decode(self, type: Any = Any) -> Any:
        """The message as ``type``; DecodeError if it does not fit.  No message reads as nil."""
        if self.msg:
            return self._codec.decode(self.msg, type)
        return None if is_untyped(type) else self._codec.decode(_NIL_BYTES, type)

    def __repr__(self) -> str:
        return f"<Request {self.seq} {self.action!r} from {self.peer}>"


class Respond:
    """The way to answer one request: once, from any greenlet, now or later, in any order.

    Both methods may block while the peer does not take what was answered before.  Of two that
    answer at once one gets LocalProtocolError.
    """

    __slots__ = ("_action", "_seq", "_session", "is_answered")

    #: Where the answer goes.  Whoever gives it deletes it first, which only one can.
    _session: Requester

    def __init__(self, session: Requester, seq: int, action: int | str) -> None:
        #: Whether the answer has been given.
        self.is_answered = False
        self._session = session
        self._seq = seq
        self._action = action

    def ok(self, msg: Any = None, blob: Buffer | None = None) -> None:
        """Answer with a message (None: none at all, ``razorg.NIL``: nil) and a blob.

        Raises EncodeError when they cannot be sent; then the request still waits for an answer.
        Nothing is sent, and nothing raised, when the connection has ended.
        """
        session = self._open_session()
        data = encode_msg(session.codec, msg)
        blob = as_blob(blob)
        check_sizes(data, blob, session.config.limits)
        self._answer(session, response_frame(self._seq, data, blob), "")

    def error(self, error: BaseException) -> None:
        """Answer with an error, as if it had been raised out of ``dispatch``."""
        session = self._open_session()
        frame = failure_frame(session, self._seq, self._action, error)
        self._answer(session, frame, type(error).__name__)

    def _open_session(self) -> Requester:
        try:
            return self._session
        except AttributeError:
            raise self._answered_already() from None

    def _answer(self, session: Requester, frame: Frame, error: str) -> None:
        self._claim(error)
        session.answer(frame)

    def _claim(self, error: str) -> None:
        """From here on nobody else answers; ``error`` is the name of it, if it is one."""
        try:
            del self._session  # one step, whoever else tries it meanwhile in whatever thread
        except AttributeError:
            raise self._answered_already() from None
        self.is_answered = True

    def _answered_already(self) -> LocalProtocolError:
        return LocalProtocolError(f"request {self._seq} ({self._action!r}) is answered already")

    def __del__(self) -> None:
        if not self.is_answered:
            session = self._session
            self.is_answered = True
            session.call_soon(_answer_dropped, session, self._seq, self._action)


class Dispatch:
    """Derive from it, and answer requests in ``dispatch``.

    It runs in a worker greenlet and may block.  With ``inline = True`` on the class it runs in
    the connection's reader: faster, but while it blocks nothing else of that connection is read.
    """

    inline = False

    def dispatch(self, request: Request, respond: Respond) -> None:
        """Answer the request, now or later.

        What it raises is answered: an RpcError by its text on the wire, OSError with an errno
        and the declared kinds as themselves, anything else as InternalError (logged).
        """
        raise NotImplementedError

    def runs_inline(self, action: int | str) -> bool:
        """Whether requests of the action are handled in the reader.  Only asked where
        ``inline`` is set: there it may say no to some actions."""
        return True

    def handle(self, session: Requester, fields: RequestFields) -> None:
        """razorg's entrance: answers the request of these fields in whatever way."""
        action = fields[1]
        respond = self.respond_for(session, fields)
        try:
            self.dispatch(Request(fields, session.peer, session.codec), respond)
        except BaseException as error:  # GreenletExit and the like go on below
            if respond.is_answered:
                session.seldom.error(
                    "the handler of %r failed after its answer", action, error=error
                )
            else:
                respond.error(error)
            if not isinstance(error, Exception):
                raise

    def respond_for(self, session: Requester, fields: RequestFields) -> Respond:
        """The way to answer the request of these fields."""
        return Respond(session, fields[0], fields[1])


class NoDispatch(Dispatch):
    """What a server without a dispatch does with raw actions."""

    inline = True

    def dispatch(self, request: Request, respond: Respond) -> None:
        raise DecodeError("unknown action")


class DispatchAround(Dispatch):
    """Stands around another Dispatch, and hands on what it does not do itself."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.inline = dispatch.inline
        self._dispatch = dispatch

    def runs_inline(self, action: int | str) -> bool:
        return self._dispatch.runs_inline(action)

    def dispatch(self, request: Request, respond: Respond) -> None:
        self._dispatch.dispatch(request, respond)


class Dropped(Exception):
    """What an answer that nobody gave is counted as."""


def _answer_dropped(session: Requester, seq: int, action: int | str) -> None:
    """The answer for a Respond that was dropped unused."""
    session.seldom.error("request %d (%r) was dropped without an answer", seq, action)
    session.failing(Dropped())
    session.answer(error_frame(seq, INTERNAL_ERROR))
