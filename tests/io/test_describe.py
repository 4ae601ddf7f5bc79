"""``Razorg.describe`` tells what a server offers, unless it is switched off."""

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from typing import Any, Generic, TypeVar

import msgspec
import pytest

import razorg


class Zero(razorg.ErrorText):
    text = "zero"


class Code(razorg.ErrorCode):
    pass


@dataclass
class Detail(razorg.ErrorValue):
    reason: str


@razorg.service(name="Shop")
class ShopInterface:
    """Sells things."""

    @razorg.method(raises=(Zero, Code, Detail), idempotent=True, name="price")
    def price_of(self, item: str, count: int = 1) -> float:
        """What it costs."""
        return 1.5 * count

    def ping(self) -> None:
        pass


def test_a_server_describes_its_services() -> None:
    with razorg.RpcServer("memory://describe", [ShopInterface()]):
        with razorg.connect("memory://describe") as pool:
            described = pool.call("Razorg.describe")
    assert described == {
        "Shop": {
            "doc": "Sells things.",
            "methods": {
                "price": {
                    "doc": "What it costs.",
                    "parameters": [
                        {"name": "item", "type": "str"},
                        {"name": "count", "type": "int", "default": 1},
                    ],
                    "returns": "float",
                    "errors": [
                        {"name": "Zero", "kind": "text", "text": "zero"},
                        {"name": "Code", "kind": "code"},
                        {
                            "name": "Detail",
                            "kind": "value",
                            "fields": [{"name": "reason", "type": "str", "required": True}],
                        },
                    ],
                    "idempotent": True,
                    "requires": None,
                },
                "ping": {
                    "doc": "",
                    "parameters": [],
                    "returns": "None",
                    "errors": [],
                    "idempotent": False,
                    "requires": None,
                },
            },
            "types": {},
        }
    }


def test_reflection_can_be_switched_off() -> None:
    with razorg.RpcServer("memory://describe", [ShopInterface()], reflection=False):
        with razorg.connect("memory://describe") as pool:
            with pytest.raises(razorg.ServiceNotFound):
                pool.call("Razorg.describe")


def test_its_name_is_reserved() -> None:
    with pytest.raises(TypeError, match="reserved"):

        @razorg.service(name="Razorg")
        class Mine:
            def describe(self) -> None: ...


def described(service: Any, codec: str = "msgpack") -> dict[str, Any]:
    with razorg.RpcServer("memory://describe", [service()], codec=codec):
        with razorg.connect("memory://describe", codec=codec) as pool:
            told: dict[str, Any] = pool.call("Razorg.describe")[service.__name__]
            return told


class Renamed(msgspec.Struct, rename="camel"):
    unit_price: int
    in_stock: bool = True


class Position(msgspec.Struct, array_like=True, tag_field="kind", tag="at"):
    x: int


@razorg.service
class Places:
    def move(self, what: Renamed, to: Position) -> Renamed:
        return what


def test_a_struct_is_told_as_it_travels() -> None:
    told = described(Places)["types"]
    assert told == {
        "Renamed": {
            "kind": "record",
            "fields": [
                {"name": "unitPrice", "type": "int", "required": True},
                {"name": "inStock", "type": "bool", "required": False},
            ],
        },
        "Position": {
            "kind": "record",
            "fields": [{"name": "x", "type": "int", "required": True}],
            "array": True,
            "tag": {"name": "kind", "value": "at"},
        },
    }


class Colour(enum.Enum):
    RED = "red"


class Silent:
    def __repr__(self) -> str:
        raise ValueError("not this")


def documented(text: str) -> Callable[[Any], Any]:
    """Python 3.13 compiles no docstring that cannot be encoded, but one may be set."""

    def decorate(function: Any) -> Any:
        function.__doc__ = text
        return function

    return decorate


@razorg.service
class Defaults:
    def big(self, number: int = 2**70) -> None: ...
    @documented("Half: \ud800")
    def half(self, text: str = "\ud800") -> None: ...
    def far(self, number: float = math.inf) -> None: ...
    def colour(self, colour: Colour = Colour.RED) -> None: ...
    def parts(self, parts: Any = [1, 2]) -> None: ...
    def silent(self, thing: Any = Silent()) -> None: ...


@pytest.mark.parametrize("codec", ["msgpack", "msgspec"])
def test_a_default_that_cannot_travel_is_told_as_a_text(codec: str) -> None:
    methods = described(Defaults, codec)["methods"]
    assert methods["big"]["parameters"][0] == {"name": "number", "type": "int", "default_text": "1180591620717411303424"}
    assert methods["half"]["parameters"][0]["default_text"] == "'\\ud800'"
    assert methods["half"]["doc"] == "Half: ?"
    assert methods["far"]["parameters"][0]["default"] == math.inf
    assert methods["colour"]["parameters"][0]["default"] == "red"
    assert methods["parts"]["parameters"][0]["default_text"] == "[1, 2]"
    assert methods["silent"]["parameters"][0]["default_text"].startswith("<Silent instance")


Other = make_dataclass("Renamed", [("name", str)])
Named = make_dataclass("dict", [("name", str)])
PartT = TypeVar("PartT")


@dataclass
class Box(Generic[PartT]):
    inside: PartT


class Ambiguous:
    def one(self, renamed: Renamed) -> Other: ...  # type: ignore[valid-type, empty-body]
    def two(self, named: Named) -> dict[str, Box[int]]: ...  # type: ignore[valid-type, empty-body]


def test_each_type_has_a_name_of_its_own() -> None:
    told = described(razorg.service(Ambiguous))
    assert told["methods"]["one"]["parameters"][0]["type"] == "Renamed"
    assert told["methods"]["one"]["returns"] == "Renamed2"
    assert told["methods"]["two"]["parameters"][0]["type"] == "dict2"
    assert told["methods"]["two"]["returns"] == "dict[str, Box[int]]"
    assert told["types"].keys() == {"Renamed", "Renamed2", "dict2"}
    assert told["types"]["Renamed2"]["fields"] == [{"name": "name", "type": "str", "required": True}]


class Signed(razorg.ErrorCode):
    signed = True
    code = -5


@razorg.service
class Failing:
    @razorg.method(raises=Signed)
    def fail(self) -> None: ...


def test_a_signed_code_is_told_as_such() -> None:
    told = described(Failing)["methods"]["fail"]["errors"]
    assert told == [{"name": "Signed", "kind": "code", "signed": True, "code": -5}]
