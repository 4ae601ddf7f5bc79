"""What all calls of one action have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from razorg.core.figures import Figures
from razorg.wire.heads import Buffer

#: msg of an ok response, never empty → what the caller gets
ValueDecoder = Callable[[Buffer], Any]
#: (msg, blob) of an ok response → what the caller gets
ReplyMaker = Callable[[Buffer, "Buffer | None"], Any]
#: (flag, number or error bytes) of an error response → the exception for the caller
ErrorDecoder = Callable[[int, "int | Buffer"], Exception]


class Method:
    """How calls of one action are sent and their responses read.  Never changed once made.

    The caller gets what ``decode_value`` makes of the message, and None for an empty one; or,
    where that is None, what ``make_reply`` makes of message and blob.
    """

    __slots__ = (
        "action",
        "decode_error",
        "decode_value",
        "figures",
        "idempotent",
        "make_reply",
        "name",
        "retry_limit",
        "timeout",
    )

    def __init__(
        self,
        name: str,
        action: tuple[int, bytes],
        decode_error: ErrorDecoder,
        decode_value: ValueDecoder | None = None,
        make_reply: ReplyMaker | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        retry_limit: int | None = None,
        figures: Figures | None = None,
    ) -> None:
        self.name = name
        self.action = action
        self.decode_error = decode_error
        self.decode_value = decode_value
        self.make_reply = make_reply
        self.timeout = timeout
        self.idempotent = idempotent
        self.retry_limit = retry_limit
        #: Where its calls are counted, if they are.
        self.figures = figures

    def replace(self, **changes: Any) -> Method:
        """The same method with other options."""
        return Method(**{name: getattr(self, name) for name in self.__slots__} | changes)
