"""The actions of README.md in Python: their messages and the Dispatch that answers them."""

from __future__ import annotations

import errno
import zlib
from dataclasses import dataclass
from typing import Any, Optional

import gevent

import razorg

from .values import CodeU32, Int64, Text, UInt32, UInt64

OPEN, READ, WRITE, RAW, DELAY, MIRROR, FAIL = range(1, 8)
ECHO, FOREIGN, LONG = "echo", "Ünï✓", "a" * 1000

MAX_READ = 256 << 20
PATTERN = bytes(range(256))


@dataclass
class Open:
    path: str


@dataclass
class Io:
    inode: UInt64
    offset: Int64
    len: UInt64


@dataclass
class Delay:
    ms: UInt64
    id: UInt64 = 0


@dataclass
class Said:
    text: str


@dataclass
class Fail:
    code: Optional[UInt32] = None
    text: Optional[str] = None
    # `bytes` is left out: only a server made with the crates is asked for it.


def pattern(offset: int, length: int) -> bytes:
    """What READ and RAW answer."""
    first = offset & 0xFF
    return (PATTERN * (length // 256 + 2))[first : first + length]


class Files(razorg.Dispatch):
    """The actions. Numbers are answered by this greenlet, ``delay`` by another one and later."""

    def dispatch(self, request: Any, respond: Any) -> None:
        action = request.action
        if action == OPEN:
            if request.decode(Open).path == "/missing":
                raise OSError(errno.ENOENT, "missing")
            respond.ok()
        elif action in (READ, RAW):
            io = request.decode(Io)
            if io.len > MAX_READ:
                raise OSError(errno.EINVAL, "too long")
            respond.ok({"ret_size": io.len} if action == READ else None, blob=pattern(io.offset, io.len))
        elif action == WRITE:
            io, blob = request.decode(Io), request.blob
            if not blob or len(blob) != io.len:
                raise OSError(errno.EINVAL, "no blob, or of another length")
            respond.ok({"ret_size": io.len, "checksum": zlib.adler32(blob)})
        elif action == DELAY:
            delay = request.decode(Delay)
            gevent.spawn_later(delay.ms / 1000, respond.ok, {"ms": delay.ms, "id": delay.id})
        elif action == MIRROR:
            respond.ok(mirrored(request), blob=request.blob)
        elif action == FAIL:
            fail = request.decode(Fail)
            respond.error(CodeU32(fail.code) if fail.code is not None else Text(fail.text or ""))
        elif action == FOREIGN:
            respond.ok({"text": f"{FOREIGN} {request.decode(Said).text}"})
        elif action in (ECHO, LONG):
            respond.ok({"text": request.decode(Said).text})
        else:
            raise razorg.DecodeError("unknown action")


def mirrored(request: Any) -> Any:
    """The message to give back: none for none, nil for nil."""
    if not request.msg:
        return None
    value = request.decode()
    return razorg.NIL if value is None else value


def stream_server(listen: str) -> razorg.RpcServer:
    """A started server of the actions."""
    server = razorg.RpcServer(listen, dispatch=Files())
    server.start()
    return server
