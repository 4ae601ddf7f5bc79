"""The services of README.md in Python, interfaces and implementation, and a server of them."""

from __future__ import annotations

import errno
from typing import Any, Dict, List, Optional, Tuple

import gevent

import razorg

from .values import (
    INTERNAL,
    KINDS,
    Character,
    Code,
    CodeU32,
    Detail,
    Five,
    Int8,
    Int16,
    Int32,
    Int64,
    Ints,
    NestedReq,
    NestedResp,
    Redirect,
    RetryNext,
    Shape,
    Text,
    Tree,
    UInt8,
    UInt16,
    UInt32,
    UInt64,
    UnitError,
    wrapped_i64,
)

# Here a decorated class is the implementation itself, except KvService, whose implementation is a subclass with state.


@razorg.service
class CalService:
    def inc(self, a: Int64) -> int:
        return wrapped_i64(a + 1)

    def add(self, a: Int64, b: Int64) -> int:
        return wrapped_i64(a + b)

    @razorg.method(raises=Text)
    def div(self, a: Int64, b: Int64) -> int:
        if b == 0:
            raise Text("divide by zero")
        towards_zero = abs(a) // abs(b)
        return wrapped_i64(towards_zero if (a < 0) == (b < 0) else -towards_zero)


@razorg.service
class EchoService:
    def repeat(self, text: str) -> str:
        return text

    @razorg.method(raises=OSError)
    def io_error(self, text: str) -> str:
        raise OSError(errno.EIO, "always")

    def nested(self, req: NestedReq) -> NestedResp:
        counts = {"list": len(req.list), "map": len(req.map), "bytes": len(req.bytes)}
        total = sum(req.map.values())
        return NestedResp(req, counts, req.bytes[::-1], total, req.f64_ / 2, None, [1, None])

    def ints(self, ints: Ints) -> Ints:
        return ints

    def floats(self, a: float, b: float) -> Tuple[float, float]:
        return a, b

    def opt(self, text: Optional[str]) -> Optional[str]:
        return text

    def bytes(self, bytes: bytes) -> bytes:
        return bytes

    def unit(self) -> None:
        return None

    def slow(self, ms: UInt64) -> int:
        gevent.sleep(ms / 1000)
        return ms


@razorg.service
class TypeService:
    def int8(self, value: Int8) -> Int8:
        return value

    def int16(self, value: Int16) -> Int16:
        return value

    def int32(self, value: Int32) -> Int32:
        return value

    def int64(self, value: Int64) -> Int64:
        return value

    def uint8(self, value: UInt8) -> UInt8:
        return value

    def uint16(self, value: UInt16) -> UInt16:
        return value

    def uint32(self, value: UInt32) -> UInt32:
        return value

    def uint64(self, value: UInt64) -> UInt64:
        return value

    def float32(self, value: float) -> float:
        return value

    def float64(self, value: float) -> float:
        return value

    def boolean(self, value: bool) -> bool:
        return value

    def character(self, value: Character) -> Character:
        return value

    def vec_u8(self, value: List[UInt8]) -> List[UInt8]:
        return value

    def map_str(self, value: Dict[str, Int64]) -> Dict[str, Int64]:
        return value

    def map_int(self, value: Dict[Int32, str]) -> Dict[Int32, str]:
        return value

    def tuple1(self, value: Tuple[Int64]) -> Tuple[Int64]:
        return value

    def tuple5(self, value: Five) -> Five:
        return value

    def vec_opt(self, value: List[Optional[Int32]]) -> List[Optional[Int32]]:
        return value

    def cube(self, value: List[List[List[Int32]]]) -> List[List[List[Int32]]]:
        return value

    def tree(self, value: Tree) -> Tree:
        return value

    def meters(self, value: float) -> float:
        return value

    def marker(self, value: List[Any]) -> List[Any]:
        return value

    def pair(self, value: Tuple[Int32, str]) -> Tuple[Int32, str]:
        return value


@razorg.service
class EnumService:
    def shape(self, value: Shape) -> Shape:
        return value

    def list(self, value: List[Shape]) -> List[Shape]:
        return value

    def table(self, value: Dict[str, Shape]) -> Dict[str, Shape]:
        return value

    def maybe(self, value: Optional[Shape]) -> Optional[Shape]:
        return value


@razorg.service
class ErrService:
    @razorg.method(raises=Code)
    def code(self, code: Int32) -> None:
        raise Code(code)

    @razorg.method(raises=CodeU32)
    def code_u32(self, code: UInt32) -> None:
        raise CodeU32(code)

    @razorg.method(raises=CodeU32)
    def code_u8(self, code: UInt8) -> None:
        raise CodeU32(code)

    @razorg.method(raises=OSError)
    def errno(self, errno: Int32) -> None:
        raise OSError(errno, "as asked")

    @razorg.method(raises=UnitError)
    def unit_err(self) -> None:
        raise UnitError()

    @razorg.method(raises=Text)
    def text(self, text: str) -> None:
        raise Text(text)

    @razorg.method(raises=tuple(KINDS.values()))
    def kind(self, text: str) -> None:
        if text in KINDS:
            raise KINDS[text]()

    @razorg.method(raises=Detail)
    def detail(self, code: Int32) -> None:
        raise Detail(code, "because", "hint" if code > 0 else None)

    @razorg.method(raises=(RetryNext, Redirect))
    def redirect(self, addr: str) -> None:
        raise Redirect(f"redirect_{addr}")

    @razorg.method(raises=(RetryNext, Redirect))
    def retry_next(self, addr: str) -> None:
        raise RetryNext()

    def internal(self, name: str) -> None:
        if name in INTERNAL:
            raise INTERNAL[name]("as asked")


@razorg.service
class KvService:
    def who(self) -> str:
        raise NotImplementedError

    @razorg.method(raises=(RetryNext, Redirect))
    def put(self, key: str, leader: str) -> str:
        raise NotImplementedError

    @razorg.method(raises=(RetryNext, Redirect))
    def skip(self, name: str) -> str:
        raise NotImplementedError


class Kv(KvService):
    """A node. ``address`` is set when it is known, without a scheme."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = ""

    def who(self) -> str:
        return self.name

    def put(self, key: str, leader: str) -> str:
        if leader != self.address:
            raise Redirect(f"redirect_{leader}")
        return self.name

    def skip(self, name: str) -> str:
        if name == self.name:
            raise RetryNext()
        return self.name


def services(kv: Kv) -> List[Any]:
    return [CalService(), EchoService(), TypeService(), EnumService(), ErrService(), kv]


def bare(url: str) -> str:
    """An address as the peer and the redirects write it: ``host:port`` or a path."""
    for scheme in ("tcp://", "unix://"):
        if url.startswith(scheme):
            return url[len(scheme) :]
    return url


def api_server(listen: str, name: str) -> razorg.RpcServer:
    """A started server whose node is called ``name``."""
    kv = Kv(name)
    server = razorg.RpcServer(listen, services(kv))
    server.start()
    kv.address = bare(server.addresses[0])
    return server
