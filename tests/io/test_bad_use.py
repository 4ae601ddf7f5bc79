"""Mistakes of users: each is told clearly, as early as it can be known."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import gevent
import pytest
from support.peers import memory_url

import razorg
from razorg import (
    ClientConfig,
    Dispatch,
    ErrorCode,
    ErrorText,
    ErrorValue,
    Limits,
    RpcServer,
    ServerConfig,
    connect,
)


class Bad(ErrorText):
    pass


class Other(ErrorText):
    pass


class Fixed(ErrorText):
    text = "fixed"


class AlsoFixed(ErrorText):
    text = "fixed"


class Number(ErrorCode):
    pass


class OtherNumber(ErrorCode):
    pass


class Three(ErrorCode):
    code = 3


class AlsoThree(ErrorCode):
    code = 3


class Codes(enum.Enum):
    A = 1


@dataclass
class Value(ErrorValue):
    code: int = 0


@dataclass
class OtherValue(ErrorValue):
    name: str = ""


class NoDataclass(ErrorValue):
    pass


@dataclass(frozen=True)
class Frozen(ErrorValue):
    code: int = 0


@razorg.service
class Cal:
    def add(self, a: int, b: int = 10) -> int:
        return a + b

    @razorg.method(raises=Bad)
    def say(self, text: str) -> None:
        raise Bad(text)

    @razorg.method(raises=(Bad, Number))
    def fail(self, how: str) -> None:
        raise {"value": ValueError("secret"), "other": Other("secret"), "number": Number(7),
               "os": OSError(5, "secret"), "rpc": razorg.MethodNotFound("secret"),
               "timeout": gevent.Timeout(1)}[how]

    def wrong_result(self) -> int:
        result: Any = "text"
        return result  # type: ignore[no-any-return]

    def unsendable(self) -> object:
        return object()


@pytest.mark.parametrize("url", [
    "", "localhost", "tcp://localhost", "tcp://:80", "tcp://h:x", "tcp://h:70000", "tcp://h:-1",
    "tcp://h:80/path", "tcp://::1:80", "http://h:80", "://h:1", "unix://", "memory://", "h:80 ",
    "tcp//h:80", "unix:///" + "x" * 200, ("h",), ("h", "x"), (1, 2), ("h", True), ["a:1", "b"], [],
])
def test_wrong_addresses_are_refused_before_any_io(url: Any) -> None:
    with pytest.raises(ValueError):
        connect(url)
    if isinstance(url, str):
        with pytest.raises(ValueError, match="address|expected|port|host|name|transport|path"):
            RpcServer(url, [Cal()])


@pytest.mark.parametrize("url", [None, 80, 1.5, b"h:80", {"h": 80}])
def test_what_is_no_address_at_all(url: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        connect(url)


def no_self() -> Any:
    @razorg.service
    class S:
        def m() -> None:  # type: ignore[misc]
            ...


def star_args() -> Any:
    @razorg.service
    class S:
        def m(self, *args: int) -> None: ...


def star_kwargs() -> Any:
    @razorg.service
    class S:
        def m(self, **kwargs: int) -> None: ...


def keyword_only() -> Any:
    @razorg.service
    class S:
        def m(self, *, a: int) -> None: ...


def static() -> Any:
    @razorg.service
    class S:
        @staticmethod
        def m(a: int) -> None: ...


def class_method() -> Any:
    @razorg.service
    class S:
        @classmethod
        def m(cls, a: int) -> None: ...


def coroutine() -> Any:
    @razorg.service
    class S:
        async def m(self, a: int) -> None: ...


def generator() -> Any:
    @razorg.service
    class S:
        def m(self, a: int) -> Any:
            yield a


def unknown_name() -> Any:
    @razorg.service
    class S:
        def m(self, a: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def untravelling() -> Any:
    @razorg.service
    class S:
        def m(self, a: Dispatch) -> None: ...


def no_methods() -> Any:
    @razorg.service
    class S:
        value = 1

        def _private(self) -> None: ...


def twice_the_same_name() -> Any:
    @razorg.service
    class S:
        def a(self) -> None: ...

        @razorg.method(name="a")
        def b(self) -> None: ...


def named(name: str) -> Any:
    def declare() -> Any:
        @razorg.service(name=name)
        class S:
            def m(self) -> None: ...

    declare.__name__ = f"named_{name!r}"
    return declare


@pytest.mark.parametrize("declare", [
    no_self, star_args, star_kwargs, keyword_only, static, class_method, coroutine, generator,
    unknown_name, untravelling, no_methods, twice_the_same_name, named("a.b"), named(""),
    named("Razorg"), lambda: razorg.service(no_self), lambda: razorg.method(3),  # type: ignore[call-overload]
    lambda: razorg.method(nonsense=1),  # type: ignore[call-overload]
])
def test_what_cannot_be_a_service_is_a_type_error(declare: Any) -> None:
    with pytest.raises(TypeError):
        declare()


@pytest.mark.parametrize("raises", [
    (Bad, Other), (Number, OtherNumber), (Number, OSError), (Value, OtherValue), (Fixed, AlsoFixed),
    (Three, AlsoThree), (Fixed, Fixed), (Bad, Bad), NoDataclass, Frozen, ValueError, Exception,
    razorg.CallTimeout, razorg.ConnectionLost, razorg.RpcError, int, "Bad", Bad("x"), [Bad], (Bad, 3),
], ids=str)
def test_errors_that_cannot_be_declared(raises: Any) -> None:
    with pytest.raises(TypeError):
        razorg.method(raises=raises)
    with pytest.raises(TypeError):
        connect("memory://nobody").call("Cal.add", 1, raises=raises)


@pytest.mark.parametrize("raises", [
    (Bad, Fixed), (Number, Three), (Bad, Value, Number), OSError, (Fixed, Three, OSError), (), None, Bad,
], ids=str)
def test_errors_that_can_be_declared(raises: Any) -> None:
    razorg.method(raises=raises)


@pytest.mark.parametrize("wrong", [
    lambda: RpcServer("memory://x"), lambda: RpcServer("memory://x", [Cal]),
    lambda: RpcServer("memory://x", [object()]), lambda: RpcServer("memory://x", Cal()),  # type: ignore[arg-type]
    lambda: RpcServer("memory://x", dispatch=Cal()),  # type: ignore[arg-type]
    lambda: RpcServer("memory://x", [Cal()], codec=3),  # type: ignore[arg-type]
    lambda: RpcServer("memory://x", [Cal()], nonsense=1), lambda: RpcServer("memory://x", [Cal()], window=3),
    lambda: RpcServer("memory://x", [Cal()], config=ClientConfig()),  # type: ignore[arg-type]
    lambda: RpcServer("memory://x", [Cal()], max_running="3"), lambda: RpcServer(5, [Cal()]),  # type: ignore[arg-type]
    lambda: connect("memory://x", nonsense=1), lambda: connect("memory://x", max_running=3),
    lambda: connect("memory://x", config=ServerConfig()),  # type: ignore[arg-type]
    lambda: connect("memory://x", window=True), lambda: connect("memory://x", limits={}),
    lambda: connect("memory://x").client(int), lambda: connect("memory://x").client(Cal()),  # type: ignore[arg-type]
    lambda: razorg.submit(Cal().add, 1), lambda: razorg.with_options(Cal(), timeout=1),
    lambda: razorg.with_options(connect("memory://x").client(Cal), nonsense=1),
])
def test_wrong_kinds_are_type_errors(wrong: Any) -> None:
    with pytest.raises(TypeError):
        wrong()


@pytest.mark.parametrize("wrong", [
    lambda: RpcServer("memory://x", [Cal(), Cal()]), lambda: RpcServer("memory://x", [Cal()], codec="xml"),
    lambda: RpcServer("memory://x", [Cal()], max_running=0), lambda: connect("memory://x", window=0),
    lambda: connect("memory://x", task_timeout=-1), lambda: connect("memory://x", retry="never"),
    lambda: connect("memory://x", min_connections=5, max_connections=2), lambda: Limits(max_msg_bytes=-1),
    lambda: connect("memory://x", codec="xml"), lambda: razorg.method(timeout=0),
    lambda: razorg.with_options(connect("memory://x").client(Cal), timeout=0),
    lambda: connect("memory://x", task_timeout=float("nan")), lambda: razorg.method(timeout=float("nan")),
])
def test_wrong_values_are_value_errors(wrong: Any) -> None:
    with pytest.raises(ValueError):
        wrong()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("use", [
    lambda pool, timeout: razorg.with_options(pool.client(Cal), timeout=timeout),
    lambda pool, timeout: razorg.with_options(pool.client(Cal).add, timeout=timeout),
    lambda pool, timeout: pool.call("Cal.add", 1, 2, timeout=timeout), lambda pool, timeout: pool.send(1, timeout=timeout),
    lambda pool, timeout: pool.ping(timeout=timeout), lambda pool, timeout: razorg.deadline(timeout),
    lambda pool, timeout: razorg.method(timeout=timeout),
], ids=["client", "method", "call", "send", "ping", "deadline", "declared"])
def test_a_time_for_a_call_is_finite(timeout: float, use: Any) -> None:
    """It is when a future began, too, and what it took: inf - inf is nothing."""
    with RpcServer(memory_url(), [Cal()]) as server, connect(server.addresses[0]) as pool:
        with pytest.raises(ValueError, match="timeout must be more than 0 seconds, and finite"):
            use(pool, timeout)
        assert pool.in_flight == 0
        assert pool.client(Cal).add(1, 2) == 3
