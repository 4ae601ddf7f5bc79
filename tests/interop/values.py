"""The values and errors of README.md in Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Dict, List, Optional, Tuple, TypedDict, Union

import msgspec

import razorg

I64 = 2**63


def wrapped_i64(number: int) -> int:
    """What Rust's wrapping arithmetic makes of a result."""
    return (number + I64) % (2 * I64) - I64


# ------------------------------------------------------------------------------------------------------------- values

Int8 = Annotated[int, msgspec.Meta(ge=-(2**7), le=2**7 - 1)]
Int16 = Annotated[int, msgspec.Meta(ge=-(2**15), le=2**15 - 1)]
Int32 = Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, msgspec.Meta(ge=-I64, le=I64 - 1)]
UInt8 = Annotated[int, msgspec.Meta(ge=0, le=2**8 - 1)]
UInt16 = Annotated[int, msgspec.Meta(ge=0, le=2**16 - 1)]
UInt32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
UInt64 = Annotated[int, msgspec.Meta(ge=0)]  # msgspec's limits are i64; msgpack has nothing above u64
Character = Annotated[str, msgspec.Meta(min_length=1, max_length=1)]

#: A Rust enum: the name of a unit variant, or a map of one entry.
Shape = Union[str, Dict[str, Any]]

Five = Tuple[Int8, UInt16, str, Optional[bool], List[float]]


# On purpose of all kinds: a TypedDict inside a dataclass, a Struct, a dataclass that contains itself.
class Inner(TypedDict):
    name: str
    tags: List[str]
    shape: Shape


@dataclass
class NestedReq:
    id: UInt64
    some: Optional[Int64]
    none: Optional[Int64]
    list: List[Int64]
    map: Dict[str, UInt32]
    bytes: bytes
    plain_u8: List[UInt8]
    f32_: float
    f64_: float
    yes: bool
    unit: None
    pair: Tuple[Int32, str]
    ch: Character
    inner: Inner
    shapes: List[Shape]


@dataclass
class NestedResp:
    req: Optional[NestedReq]
    counts: Dict[str, UInt32]
    rev_bytes: bytes
    sum: UInt64
    half: float
    nothing: None
    opt_vec: Optional[List[Optional[Int64]]]


class Ints(msgspec.Struct):
    i8_: Int8
    u8_: UInt8
    i16_: Int16
    u16_: UInt16
    i32_: Int32
    u32_: UInt32
    i64_: Int64
    u64_: UInt64


@dataclass
class Tree:
    name: str
    note: Optional[str]
    marks: Dict[str, Int64]
    children: List[Tree]


# ------------------------------------------------------------------------------------------------------------- errors


class Text(razorg.ErrorText):
    """Any text."""


class Code(razorg.ErrorCode):
    signed = True


class CodeU32(razorg.ErrorCode):
    """0 … 2**32 - 1."""


class UnitError(razorg.ErrorCode):
    """Rust's ``()``."""

    code = 0


class NotFound(razorg.ErrorText):
    text = "not_found"


class Denied(razorg.ErrorText):
    text = "permission_denied"


class Busy(razorg.ErrorText):
    text = "busy"


@dataclass
class Detail(razorg.ErrorValue):
    code: int
    reason: str
    hint: Optional[str] = None


class RetryNext(razorg.ErrorText):
    text = "retry_next"

    def failover(self) -> Any:
        return razorg.NEXT


class Redirect(razorg.ErrorText):
    """``redirect_<address>``, the address as Rust writes it."""

    def failover(self) -> Any:
        address = str(self)[len("redirect_") :]
        return f"unix://{address}" if address.startswith("/") else address


KINDS = {"not_found": NotFound, "permission_denied": Denied, "busy": Busy}

INTERNAL = {
    "rpc_unreachable": razorg.Unreachable,
    "rpc_io_err": razorg.ConnectionLost,
    "rpc_timeout": razorg.CallTimeout,
    "rpc_method_notfound": razorg.MethodNotFound,
    "rpc_service_notfound": razorg.ServiceNotFound,
    "rpc_encode": razorg.EncodeError,
    "rpc_decode": razorg.DecodeError,
    "rpc_internal_err": razorg.InternalError,
    "rpc_invalid_ver": razorg.VersionError,
}
