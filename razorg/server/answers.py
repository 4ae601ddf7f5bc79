"""How an exception out of a handler is answered."""

from __future__ import annotations

import logging

from razorg.codec.base import Codec
from razorg.config import Limits
from razorg.declared import U32_MAX, ErrorCode, ErrorText, ErrorValue
from razorg.errors import WIRE_ERRORS, EncodeError, InternalError, RpcError
from razorg.hubs.forks import OfTheParent
from razorg.wire.encoder import check_sizes, error_frame, number_frame
from razorg.wire.heads import Frame

log = logging.getLogger("razorg")

INTERNAL_ERROR = InternalError.wire.encode()


def declared_frame(seq: int, error: BaseException, codec: Codec, limits: Limits) -> Frame | None:
    """The response for an error that travels by itself: a number, a text or a value.

    Raises EncodeError when it does not fit on the wire.  None for every other kind, and (logged)
    for a text that a client would take for an error of the framework.
    """
    if isinstance(error, ErrorCode):
        return number_frame(seq, error.to_wire())
    if isinstance(error, ErrorText):
        try:
            text = str(error).encode()
        except UnicodeEncodeError as reason:
            raise EncodeError(f"an error text that is not UTF-8: {reason}") from None
        if text in WIRE_ERRORS:
            log.error("a user's error text %r is a name of the framework: not sent", str(error))
            return None
        return _checked_frame(seq, text, limits)
    if isinstance(error, ErrorValue):
        return _checked_frame(seq, codec.encode(error.fields()), limits)
    if isinstance(error, OSError) and not isinstance(error, RpcError):
        number = error.errno
        if isinstance(number, int) and 0 <= number <= U32_MAX:
            return number_frame(seq, number)
    return None


def _checked_frame(seq: int, data: bytes, limits: Limits) -> Frame:
    check_sizes(data, None, limits)  # error bytes have the bound of messages
    return error_frame(seq, data)


def failure_frame(
    seq: int, error: BaseException, codec: Codec, limits: Limits, action: int | str
) -> Frame:
    """The response for any exception out of a raw Dispatch; what has no form of its own is
    logged with its traceback and answered with InternalError."""
    if isinstance(error, RpcError):
        return error_frame(seq, (error.wire or InternalError.wire).encode())
    try:
        frame = declared_frame(seq, error, codec, limits)
    except EncodeError as reason:
        log.error("the error of action %r cannot be sent: %s", action, reason)
        return error_frame(seq, EncodeError.wire.encode())
    except Exception as reason:  # the user's error class failed to say what it is
        return internal_error_frame(seq, reason, action)
    if frame is not None:
        return frame
    return internal_error_frame(seq, error, action)


def internal_error_frame(seq: int, error: BaseException, action: int | str) -> Frame:
    """Log the error with its traceback; the response tells the caller nothing of it."""
    if not isinstance(error, OfTheParent):
        log.error("the handler of %r failed", action, exc_info=error)
    return error_frame(seq, INTERNAL_ERROR)
