"""Where a server is told to listen."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import Any, Union

from razorg.transport import registry
from razorg.transport.address import Address

ListenTo = Union[registry.ListenLike, Sequence[registry.ListenLike], None]


def targets_of(listen: ListenTo, is_encrypted: bool) -> list[Address | socket.socket]:
    """Addresses and bound sockets; ValueError or TypeError for what is neither."""
    return [_target(item, is_encrypted) for item in _as_list(listen)]


def _as_list(listen: Any) -> list[Any]:
    if listen is None:
        return []
    if (
        isinstance(listen, tuple)
        and len(listen) == 2
        and (isinstance(listen[1], int) or str(listen[1]).isdigit())
    ):
        return [listen]  # (host, port)
    if isinstance(listen, (list, tuple)):
        return list(listen)
    return [listen]


def _target(item: Any, is_encrypted: bool) -> Address | socket.socket:
    if hasattr(item, "getsockname"):
        with contextlib.suppress(OSError):
            if item.type & 0xF != socket.SOCK_STREAM:
                raise ValueError(f"{item!r} is not a stream socket")
        target: socket.socket = item
        return target
    return registry.checked_address(item, is_encrypted)
