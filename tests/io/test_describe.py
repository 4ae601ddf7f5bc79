"""``Razorg.describe`` tells what a server offers, unless it is switched off."""

from dataclasses import dataclass

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
                        {"name": "count", "type": "int"},
                    ],
                    "returns": "float",
                    "errors": [
                        {"name": "Zero", "kind": "text"},
                        {"name": "Code", "kind": "code"},
                        {"name": "Detail", "kind": "value"},
                    ],
                    "idempotent": True,
                },
                "ping": {
                    "doc": "",
                    "parameters": [],
                    "returns": "None",
                    "errors": [],
                    "idempotent": False,
                },
            },
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
