"""Errors print, pickle and copy; and the rules of the errors that users declare."""

from __future__ import annotations

import copy
import enum
import pickle
from dataclasses import dataclass, field
from typing import Any, Optional

import pytest

from razorg import errors
from razorg.declared import NEXT, DeclaredError, ErrorCode, ErrorText, ErrorValue

RPC = [
    (errors.Unreachable, "rpc_unreachable", ConnectionError),
    (errors.ConnectionLost, "rpc_io_err", ConnectionError),
    (errors.CallTimeout, "rpc_timeout", TimeoutError),
    (errors.MethodNotFound, "rpc_method_notfound", None),
    (errors.ServiceNotFound, "rpc_service_notfound", None),
    (errors.AccessDenied, "rpc_access_denied", None),
    (errors.EncodeError, "rpc_encode", None),
    (errors.DecodeError, "rpc_decode", None),
    (errors.InternalError, "rpc_internal_err", None),
    (errors.VersionError, "rpc_invalid_ver", None),
]
IDS = [case[0].__name__ for case in RPC]


class Code(ErrorCode):
    pass


class Signed(ErrorCode):
    signed = True


class Busy(ErrorCode):
    code = 3


class FsEnum(enum.Enum):
    MISSING = 2
    DENIED = 13


class Fs(ErrorCode, codes=FsEnum):
    pass


class Fixed(ErrorCode):
    code = FsEnum.DENIED


class Text(ErrorText):
    pass


class NotFound(ErrorText):
    text = "not_found"


@dataclass
class Detail(ErrorValue):
    code: int
    reason: str
    hint: Optional[str] = None


@dataclass
class Tagged(ErrorValue):
    tags: list[str] = field(default_factory=list)


class Leader(ErrorText):
    def failover(self) -> Any:
        return str(self) or NEXT


def twins(error: Any) -> list[Any]:
    copies = [copy.copy(error), copy.deepcopy(error)]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        copies.append(pickle.loads(pickle.dumps(error, protocol)))
    return copies


@pytest.mark.parametrize(("kind", "wire", "builtin"), RPC, ids=IDS)
def test_rpc_error(kind: Any, wire: str, builtin: Any) -> None:
    assert errors.WIRE_ERRORS[wire.encode()] is kind
    assert kind.wire == wire
    assert issubclass(kind, errors.RpcError)
    assert issubclass(kind, errors.RazorError)
    assert builtin is None or issubclass(kind, builtin)
    error = kind("one text is enough")
    assert (error.sent, error.address, error.method) == ("maybe", None, None)
    assert "one text is enough" in str(error)
    assert kind.__name__ in str(kind())
    assert kind.__name__ in repr(error)


def test_wire_texts_are_those_of_the_protocol() -> None:
    assert [name.decode() for name in errors.WIRE_ERRORS] == [case[1] for case in RPC]


@pytest.mark.parametrize("kind", [case[0] for case in RPC], ids=IDS)
def test_rpc_error_pickles_and_copies(kind: Any) -> None:
    error = kind("text", sent="no", address="tcp://h:1", method="A.b")
    for twin in twins(error):
        assert type(twin) is kind
        assert str(twin) == str(error)
        assert twin.args == error.args
        assert (twin.sent, twin.address, twin.method) == ("no", "tcp://h:1", "A.b")
    for part in ("text", "no", "tcp://h:1", "A.b"):
        assert part in str(error)


def test_located_fills_only_what_is_unknown() -> None:
    error = errors.CallTimeout("late", method="A.b")
    assert error.located("X.y", "tcp://h:1") is error
    assert (error.method, error.address) == ("A.b", "tcp://h:1")


def test_decode_error_keeps_raw() -> None:
    assert errors.DecodeError("x").raw is None
    error = errors.DecodeError("unknown number", sent="yes")
    error.raw = 77
    assert [twin.raw for twin in twins(error)] == [77] * len(twins(error))


def test_protocol_errors_are_no_rpc_errors() -> None:
    for kind in (errors.LocalProtocolError, errors.RemoteProtocolError):
        assert issubclass(kind, errors.ProtocolError)
        assert not issubclass(kind, errors.RpcError)
        assert [str(twin) for twin in twins(kind("x"))] == ["x"] * len(twins(kind("x")))


DECLARED: list[Any] = [
    Code(0),
    Code(2**32 - 1),
    Signed(-1),
    Busy(),
    Fs(FsEnum.MISSING),
    Fixed(),
    Text("bad"),
    Text(),
    NotFound(),
    Detail(-7, "because"),
    Detail(1, "é", hint="h"),
    Detail(code=1, reason="made as received errors are: by name"),
    Tagged(["a"]),
    Leader("h:1"),
]


@pytest.mark.parametrize("error", DECLARED, ids=repr)
def test_declared_error_prints_pickles_and_copies(error: Any) -> None:
    assert isinstance(error, DeclaredError)
    assert isinstance(error, errors.RazorError)
    assert not isinstance(error, errors.RpcError)
    assert type(error).__name__ in repr(error)
    for twin in twins(error):
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert getattr(twin, "code", None) == getattr(error, "code", None)
        assert len({error, twin}) == 2, "the hash is that of the object"
    with pytest.raises(type(error)) as caught:
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (Code(42), 42),
        (Code(2**32 - 1), 2**32 - 1),
        (Signed(-1), 2**32 - 1),
        (Signed(-(2**31)), 2**31),
        (Signed(2**31 - 1), 2**31 - 1),
        (Busy(), 3),
        (Fs(FsEnum.DENIED), 13),
        (Fixed(), 13),
    ],
    ids=repr,
)
def test_code_to_the_wire_and_back(error: Any, number: int) -> None:
    assert error.to_wire() == number
    back = type(error).from_wire(number)
    assert type(back) is type(error)
    assert back.code == error.code


def test_codes_are_members_of_the_enum() -> None:
    assert Fs(2).code is FsEnum.MISSING
    assert Fs.from_wire(13).code is FsEnum.DENIED
    assert Fixed().code is FsEnum.DENIED
    for number in (0, 3, 2**32 - 1):
        with pytest.raises(ValueError):
            Fs.from_wire(number)
    with pytest.raises(ValueError):
        Busy.from_wire(4)


@pytest.mark.parametrize(
    ("kind", "code", "error"),
    [
        (Code, -1, ValueError),
        (Code, 2**32, ValueError),
        (Code, True, TypeError),
        (Code, 1.0, TypeError),
        (Code, "1", TypeError),
        (Code, None, TypeError),
        (Signed, 2**31, ValueError),
        (Signed, -(2**31) - 1, ValueError),
        (Busy, 4, ValueError),
        (Fs, 3, ValueError),
    ],
)
def test_code_refused(kind: Any, code: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        kind(code)


@pytest.mark.parametrize(
    ("code", "error"), [(-1, ValueError), ("x", TypeError), (2**32, ValueError)]
)
def test_fixed_code_is_checked_when_declared(code: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        type("Wrong", (ErrorCode,), {"code": code})


def test_text() -> None:
    assert str(Text("bad")) == "bad"
    assert str(Text()) == ""
    assert str(NotFound()) == str(NotFound("not_found")) == "not_found"
    with pytest.raises(ValueError):
        NotFound("other")
    with pytest.raises(TypeError):
        Text(5)  # type: ignore[arg-type]


def test_value() -> None:
    detail = Detail(1, "why")
    assert detail.fields() == {"code": 1, "reason": "why", "hint": None}
    assert str(detail) == "code=1, reason='why', hint=None"
    assert detail == Detail(1, "why") != Detail(2, "why")
    assert all(twin == detail for twin in twins(detail))
    deep = Tagged(["a"])
    assert copy.deepcopy(deep).tags is not deep.tags
    assert copy.copy(deep).tags is deep.tags


def test_value_that_is_no_dataclass() -> None:
    with pytest.raises(TypeError):
        type("Plain", (ErrorValue,), {})().fields()


def test_failover() -> None:
    assert Text("x").failover() is None
    assert Leader("h:1").failover() == "h:1"
    assert Leader("").failover() is NEXT
    assert repr(NEXT) == "razorg.NEXT"
    assert pickle.loads(pickle.dumps(NEXT)) is NEXT
