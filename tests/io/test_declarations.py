"""What a service class says counts, or is refused where it is said."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from typing import Any

import pytest
from support.peers import memory_url

import razorg
from razorg.declared import ErrorCode, ErrorText, ErrorValue


class Declared(ErrorText):
    pass


class Wrapper:
    """A decorator that forgot to bind."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


class Binding(Wrapper):
    """A decorator that does not forget."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        functools.update_wrapper(self, function)

    def __get__(self, instance: Any, owner: Any) -> Any:
        return functools.partial(self.function, instance)


class Counted:
    """A service that is a bit of everything."""

    runs = 0
    Row = dict

    @property
    def value(self) -> int:
        return 1

    @razorg.method(idempotent=True, raises=Declared)
    @functools.lru_cache
    def cached(self, number: int, more: int = 1) -> int:
        """Counts."""
        Counted.runs += 1
        if number < 0:
            raise Declared("negative")
        return number + more

    @Binding
    def bound(self, number: int) -> int:
        return number * 2


class OfBuiltins(dict):  # type: ignore[type-arg]
    def own(self) -> int:
        return len(self)


def test_what_lru_cache_and_other_binding_decorators_make_is_served() -> None:
    url = memory_url()
    service = razorg.service(Counted)
    with razorg.RpcServer(url, [Counted()]), razorg.connect(url) as pool:
        client = pool.client(service)
        assert [client.cached(1), client.cached(1), client.cached(1, more=1)] == [2, 2, 2]
        assert Counted.runs == 1
        assert client.bound(4) == 8
        with pytest.raises(Declared):
            client.cached(-1)
        with pytest.raises(razorg.DecodeError):
            pool.call("Counted.cached", "text", 1)
        told = pool.call("Razorg.describe")["Counted"]["methods"]
        assert told.keys() == {"cached", "bound"}
        assert told["cached"]["idempotent"]
        assert told["cached"]["doc"] == "Counts."


def test_the_methods_of_builtin_classes_are_no_part_of_a_service() -> None:
    url = memory_url()
    made = type("Mine", (OfBuiltins,), {"fromkeys": None})
    with razorg.RpcServer(url, [razorg.service(made)(a=1)]), razorg.connect(url) as pool:
        assert pool.call("Mine.own") == 1
        assert pool.call("Razorg.describe")["Mine"]["methods"].keys() == {"own"}


def single_dispatch() -> Any:
    def show(self: Any, value: Any) -> str:
        return ""

    return functools.singledispatchmethod(show)


@pytest.mark.parametrize("value", [
    single_dispatch(), functools.partialmethod(print), functools.partial(print), Wrapper(print),
], ids=lambda value: type(value).__name__)
def test_what_would_not_be_served_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"S.m: a {type(value).__name__} cannot be called"):
        razorg.service(type("S", (), {"m": value, "other": lambda self: None}))


@pytest.mark.parametrize("value", [3, property(len), single_dispatch()], ids=lambda value: type(value).__name__)
def test_method_decorates_what_can_be_one(value: Any) -> None:
    with pytest.raises(TypeError, match="decorates a function"):
        razorg.method(idempotent=True)(value)


@razorg.service
class Interface:
    @razorg.method(raises=Declared, idempotent=True)
    def get(self, number: int) -> int:
        raise NotImplementedError


@pytest.mark.parametrize("options", [
    {"raises": OSError}, {"timeout": 3.0}, {"inline": True}, {"name": "other"}, {"requires": "key"},
], ids=lambda options: next(iter(options)))
def test_options_belong_on_the_interface(options: dict[str, Any]) -> None:
    class Mine(Interface):
        @razorg.method(**options)
        def get(self, number: int) -> int:
            return number

    with pytest.raises(TypeError, match=rf"Mine.get: {next(iter(options))}=.* belongs on the class"):
        razorg.RpcServer(memory_url(), [Mine()])


def test_the_same_options_may_be_said_again() -> None:
    class Mine(Interface):
        @razorg.method(raises=(Declared,), idempotent=True)
        def get(self, number: int) -> int:
            return number

    razorg.RpcServer(memory_url(), [Mine()])


class Coroutine(Interface):
    async def get(self, number: int) -> int:  # type: ignore[override]
        return number


class Generated(Interface):
    def get(self, number: int) -> Any:
        yield number


class GeneratedLater(Interface):
    async def get(self, number: int) -> Any:  # type: ignore[override]
        yield number


class Data(Interface):
    get = 3  # type: ignore[assignment]


@pytest.mark.parametrize("cls, text", [
    (Coroutine, "Coroutine.get: a service method is a plain function"),
    (Generated, "Generated.get: a service method is a plain function"),
    (GeneratedLater, "GeneratedLater.get: a service method is a plain function"),
    (Data, "3 is no function, and stands where Interface.get is declared"),
])
def test_an_implementation_is_a_plain_function(cls: type, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        razorg.RpcServer(memory_url(), [cls()])


def test_nor_can_a_service_generate_later() -> None:
    with pytest.raises(TypeError, match="plain function"):
        @razorg.service
        class S:
            async def m(self) -> Any:
                yield 1


class TwoTexts(ErrorText):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


class FixedWithMore(ErrorText):
    text = "more"

    def __init__(self, more: int) -> None:
        super().__init__()


class TwoCodes(ErrorCode):
    def __init__(self, code: int, more: int) -> None:
        super().__init__(code)


class FixedCodeWithMore(ErrorCode):
    code = 3

    def __init__(self, more: int) -> None:
        super().__init__()


@dataclass(init=False)
class OtherFields(ErrorValue):
    reason: str

    def __init__(self, text: str) -> None:
        self.reason = text


class MadeOfText(ErrorText):
    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)


class MadeOfNumber(ErrorCode):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(one * 10 + two)

    @classmethod
    def from_wire(cls, number: int) -> MadeOfNumber:
        return cls(*divmod(number, 10))


@dataclass(init=False)
class OwnFields(ErrorValue):
    reason: str

    def __init__(self, reason: str) -> None:
        self.reason = reason


@pytest.mark.parametrize("cls, text", [
    (TwoTexts, "__init__ must take one value"),
    (FixedWithMore, "__init__ must take nothing"),
    (TwoCodes, "__init__ must take one value"),
    (FixedCodeWithMore, "__init__ must take nothing"),
    (OtherFields, "__init__ must take reason=…"),
])
def test_an_error_that_cannot_be_built_from_the_wire_is_refused(cls: Any, text: str) -> None:
    with pytest.raises(TypeError, match=f"^{cls.__name__}: .*{text}"):
        razorg.method(raises=cls)


def test_errors_with_a_constructor_that_fits() -> None:
    razorg.method(raises=(MadeOfText, MadeOfNumber, OwnFields))


@pytest.mark.parametrize("name", ["fields", "args", "failover", "with_traceback", "to_wire"])
def test_no_field_of_an_error_hides_what_every_error_has(name: str) -> None:
    cls = make_dataclass("Invalid", [(name, str)], bases=(ErrorValue,))
    if hasattr(ErrorValue, name):
        with pytest.raises(TypeError, match=f"Invalid.{name}: every error has something of that name"):
            razorg.method(raises=cls)
    else:
        razorg.method(raises=cls)


class Quota(OSError):
    pass


@pytest.mark.parametrize("cls", [Quota, FileNotFoundError, ConnectionError])
def test_of_os_errors_the_number_travels_and_not_the_class(cls: Any) -> None:
    with pytest.raises(TypeError, match=f"declare OSError instead of {cls.__name__}"):
        razorg.method(raises=cls)


class Moody(razorg.ErrorText):
    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        {"fine": 1}[text]


def test_whatever_a_constructor_raises_is_a_decode_error() -> None:
    @razorg.service
    class Mood:
        @razorg.method(raises=Moody)
        def ask(self) -> None:
            raise razorg.ErrorText.__new__(Moody, "bad")

    with razorg.RpcServer(memory_url(), [Mood()]) as server, razorg.connect(server.addresses[0]) as pool:
        with pytest.raises(razorg.DecodeError) as caught:
            pool.client(Mood).ask()
        assert caught.value.raw == b"bad" and isinstance(caught.value.__cause__, KeyError)
