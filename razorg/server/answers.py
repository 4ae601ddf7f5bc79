"""How an exception out of a handler is answered."""

from __future__ import annotations

from razorg.config import Limits
from razorg.declared import U32_MAX, ErrorCode, ErrorText, ErrorValue
from razorg.errors import (
    WIRE_ERRORS,
    AccessDenied,
    DecodeError,
    EncodeError,
    InternalError,
    MethodNotFound,
    RpcError,
    ServiceNotFound,
)
from razorg.hubs.forks import OfTheParent
from razorg.server.requester import Requester
from razorg.wire.encoder import check_sizes, error_frame, number_frame
from razorg.wire.heads import FLAG_AT, FLAG_ERROR, RESPONSE_HEAD, Frame

INTERNAL_ERROR = InternalError.wire.encode()
ACCESS_DENIED = AccessDenied.wire.encode()

#: What a Dispatch says of the request, and not of its own failure.
_REFUSALS = (AccessDenied, MethodNotFound, ServiceNotFound)


def error_name(frame: Frame) -> str:
    """The name of the framework's error that a response stands for; empty for any other."""
    if not isinstance(frame, bytes) or frame[FLAG_AT] != FLAG_ERROR:
        return ""
    kind = WIRE_ERRORS.get(frame[RESPONSE_HEAD.size :])
    return "" if kind is None else kind.__name__


def declared_frame(session: Requester, seq: int, error: BaseException) -> Frame | None:
    """The response for an error that travels by itself: a number, a text or a value.

    Raises EncodeError when it does not fit on the wire.  None for every other kind, and (logged)
    for a text that a client would take for an error of the framework.
    """
    limits = session.config.limits
    if isinstance(error, ErrorCode):
        return number_frame(seq, error.to_wire())
    if isinstance(error, ErrorText):
        try:
            text = str(error).encode()
        except UnicodeEncodeError as reason:
            raise EncodeError(f"an error text that is not UTF-8: {reason}") from None
        if text in WIRE_ERRORS:
            session.seldom.error(
                "a user's error text %r is a name of the framework: not sent", str(error)
            )
            return None
        return _checked_frame(seq, text, limits)
    if isinstance(error, ErrorValue):
        return _checked_frame(seq, session.codec.encode(error.fields()), limits)
    if isinstance(error, OSError) and not isinstance(error, RpcError):
        number = error.errno
        if isinstance(number, int) and 0 <= number <= U32_MAX:
            return number_frame(seq, number)
    return None


def _checked_frame(seq: int, data: bytes, limits: Limits) -> Frame:
    check_sizes(data, None, limits)  # error bytes have the bound of messages
    return error_frame(seq, data)


def failure_frame(session: Requester, seq: int, action: int | str, error: BaseException) -> Frame:
    """The response for any exception out of a raw Dispatch.

    What has no form of its own is answered with InternalError.  That, and what razorg itself
    raises, is logged with its traceback: it may come from a call that the handler made.
    """
    session.failing(error)
    if isinstance(error, RpcError):
        if isinstance(error, DecodeError):
            session.seldom.warning(
                "%s: the message of %r does not fit: %s", session.peer, action, error.message
            )
        elif not isinstance(error, _REFUSALS):
            session.seldom.error("the handler of %r failed", action, error=error)
        return error_frame(seq, (error.wire or InternalError.wire).encode())
    try:
        frame = declared_frame(session, seq, error)
    except EncodeError as reason:
        return unsendable_frame(session, seq, action, reason)
    except Exception as reason:  # the user's error class failed to say what it is
        return internal_error_frame(session, seq, action, reason)
    if frame is not None:
        return frame
    return internal_error_frame(session, seq, action, error)


def unsendable_frame(
    session: Requester, seq: int, action: int | str, error: EncodeError, what: str = "error"
) -> Frame:
    """The response where the result, or the declared error, cannot be encoded; logged."""
    session.failing(error)
    session.seldom.error(f"the {what} of %r cannot be sent: %s", action, error)
    return error_frame(seq, EncodeError.wire.encode())


def internal_error_frame(
    session: Requester, seq: int, action: int | str, error: BaseException
) -> Frame:
    """Log the error with its traceback; the response tells the caller nothing of it."""
    if not isinstance(error, OfTheParent):
        session.seldom.error("the handler of %r failed", action, error=error)
    return error_frame(seq, INTERNAL_ERROR)
