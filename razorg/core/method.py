"""What all calls of one action have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from razorg.wire.heads import Buffer

#: (msg, blob) of an ok response → what the caller gets
ReplyDecoder = Callable[[Buffer, "Buffer | None"], Any]
#: (flag, number or error bytes) of an error response → the exception for the caller
ErrorDecoder = Callable[[int, "int | Buffer"], Exception]


@dataclass(frozen=True, slots=True)
class Method:
    """How calls of one action are sent and their responses read."""

    name: str
    action: tuple[int, bytes]
    decode_reply: ReplyDecoder
    decode_error: ErrorDecoder
    timeout: float | None = None
    idempotent: bool = False
    retry_limit: int | None = None
