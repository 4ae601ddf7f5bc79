"""``razorg stubgen`` of interfaces that are hard to write down."""

from __future__ import annotations

import enum
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, Optional, TypedDict, TypeVar, Union

import msgspec
import pytest
from support.peers import memory_url

import razorg
from razorg.cli.stub_names import Identifiers
from razorg.cli.stub_python import python_stub
from razorg.cli.stub_rust import rust_stub

ROOT = Path(razorg.__file__).parents[1]
PartT = TypeVar("PartT")

Headers = TypedDict("Headers", {"content-type": str, "class": int, "_id": int})
Headers.__module__ = __name__


class Partial(TypedDict, total=False):
    number: int
    text: str


class Colour(enum.Enum):
    RED = "red"
    BLUE = 'bl"ue\\'


Odd = enum.Enum("Odd", {"a-b": 1, "None": 2, "_c": 3}, module=__name__)


Row = make_dataclass("Row", [("number", int), ("list", Optional[list[int]], None)])
Other = make_dataclass("Row", [("text", str)])
razorg_ = make_dataclass("razorg", [("text", str)])


Tags = make_dataclass("Tags", [
    ("name", str), ("tags", list[str], field(default_factory=list)), ("Row", Optional[Row], None),
])


class Camel(msgspec.Struct, rename="camel"):
    unit_price: int
    in_stock: bool = True


class Position(msgspec.Struct, array_like=True):
    x: int
    y: int = 2
    name: Optional[str] = None


class Cat(msgspec.Struct, tag=True):
    name: str


class Dog(msgspec.Struct, tag="a dog", tag_field="kind"):
    name: str


class Bird(msgspec.Struct, tag="bird", array_like=True):
    name: str


@dataclass
class Box(Generic[PartT]):
    inside: PartT


class Signed(razorg.ErrorCode):
    signed = True


class Fixed(razorg.ErrorCode):
    signed = True
    code = -7


@dataclass
class Detail(razorg.ErrorValue):
    list: list[int]
    row: Optional[Row] = None


@razorg.service
class Quoted:
    '''Says """things""" and "more"'''

    def say(self) -> str:
        """Say "hi\""""
        return "hi"

    def thrice(self) -> str:
        '''Says """this"""'''
        return "thrice"

    def slashes(self) -> str:
        """A \\ and a tab\tand \0, in the end \\"""
        return "\\"


@razorg.service
class Defaults:
    def number(self, a: int = 1, big: int = 2**70, c: int = 3) -> list[int]:
        return [a, big % 2, c]

    def colour(self, a: int = 1, colour: Colour = Colour.BLUE) -> Colour:
        return colour

    def far(self, a: float = math.inf, b: float = math.nan, c: float = -math.inf) -> list[bool]:
        return [math.isinf(a), math.isnan(b), math.isinf(c)]

    def nothing(self, a: int = None) -> str:  # type: ignore[assignment]  # noqa: RUF013
        return "nothing"


@razorg.service
class Names:
    def headers(self, headers: Headers) -> Headers:
        return headers

    def partial(self, partial: Partial) -> Partial:
        return partial

    def list(self, list: list[int]) -> list[int]:
        return list

    def int(self, odd: Odd) -> int:  # type: ignore[valid-type]
        return int(odd.value)

    @razorg.method(name="a-b")
    def dash(self) -> str:
        return "dash"

    @razorg.method(name="_hidden", raises=Signed)
    def hidden(self) -> dict: ...  # type: ignore[empty-body]

    @razorg.method(name="3d")
    def cubic(self) -> Literal["a'b", 'c"d', -1]:
        return "a'b"

    def razorg(self, thing: razorg_) -> razorg_:  # type: ignore[valid-type]
        return thing


@razorg.service
class Shapes:
    def camel(self, camel: Camel) -> Camel:
        return camel

    def position(self, position: Position) -> Position:
        return position

    def cat(self, animal: Union[Cat, int]) -> Cat:
        assert isinstance(animal, Cat)
        return animal

    def dog(self, dog: Dog) -> Dog:
        return dog

    def bird(self, bird: Bird) -> Bird:
        return bird

    def rows(self, row: Row) -> Other:  # type: ignore[valid-type]
        return Other(str(row.number))

    def tags(self, tags: Tags) -> Tags:
        return tags

    def box(self, box: Box[int]) -> Box[int]:
        return box


@razorg.service(name="Row")
class RowService:
    @razorg.method(raises=(Signed, Fixed, Detail))
    def fail(self, how: str) -> None:
        raise {"signed": Signed(-5), "fixed": Fixed(), "detail": Detail([1], Row(2))}[how]


SERVICES = [Quoted, Defaults, Names, Shapes, RowService]


@pytest.fixture
def pool() -> Iterator[razorg.ClientPool]:
    url = memory_url()
    with razorg.RpcServer(url, [service() for service in SERVICES]), razorg.connect(url) as pool:
        yield pool


@pytest.fixture
def stub(pool: razorg.ClientPool, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ModuleType]:
    services = pool.call("Razorg.describe")
    text = python_stub(services, 'unix:///tmp/a"b\\')
    module = ModuleType("odd_stub")
    monkeypatch.setitem(sys.modules, "odd_stub", module)
    exec(compile(text, "odd_stub.py", "exec"), module.__dict__)
    return text, module


def test_the_python_stub_has_types(stub: tuple[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "odd_stub.py").write_text(stub[0], encoding="utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "odd_stub.py"],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr + stub[0]


def test_documentation_is_what_it_was(stub: tuple[str, ModuleType]) -> None:
    mine = stub[1].Quoted
    assert stub[1].__doc__ == 'Services of unix:///tmp/a"b\\, as it describes them (razorg stubgen).'
    assert mine.__doc__ == Quoted.__doc__
    assert mine.say.__doc__ == Quoted.say.__doc__
    assert mine.thrice.__doc__ == Quoted.thrice.__doc__
    assert mine.slashes.__doc__ == str(Quoted.slashes.__doc__).expandtabs()


def test_defaults(stub: tuple[str, ModuleType], pool: razorg.ClientPool) -> None:
    client = pool.client(stub[1].Defaults)
    assert client.number(5, 7) == [5, 1, 3]
    assert client.colour() is stub[1].Colour.BLUE
    assert client.far() == [True, True, True]
    with pytest.raises(razorg.DecodeError):
        client.nothing()


def test_names(stub: tuple[str, ModuleType], pool: razorg.ClientPool) -> None:
    module = stub[1]
    client = pool.client(module.Names)
    headers = module.Headers(class_=1, x_id=2, content_type="text")
    assert client.headers(headers) == headers
    assert pool.call("Names.headers", {"class": 1, "_id": 2, "content-type": "text"}) == \
        {"class": 1, "_id": 2, "content-type": "text"}
    assert client.partial(module.Partial(text="a")) == module.Partial(number=None, text="a")
    assert client.list([1]) == [1]
    assert [client.int(odd) for odd in module.Odd] == [1, 2, 3]
    assert (client.a_b(), client.x3d()) == ("dash", "a'b")
    thing = module.razorg_("text")
    assert client.razorg__(thing) == thing


def test_shapes(stub: tuple[str, ModuleType], pool: razorg.ClientPool) -> None:
    module = stub[1]
    client = pool.client(module.Shapes)
    assert client.camel(module.Camel(3)) == module.Camel(3, inStock=True)
    assert client.position(module.Position(1, 5)) == module.Position(1, 5, None)
    assert client.cat(module.Cat("a")) == module.Cat("a")
    assert client.dog(module.Dog("b")) == module.Dog("b")
    assert client.bird(module.Bird("c")) == module.Bird("c")
    told = client.rows(module.Row_(7))
    assert (type(told), told.text) == (module.Row2, "7")
    assert client.tags(module.Tags("a")) == module.Tags("a", [])
    assert client.box({"inside": 1}) == {"inside": 1}


@pytest.mark.parametrize("how, name, fields", [
    ("signed", "Signed", {"code": -5}),
    ("fixed", "Fixed", {"code": -7}),
    ("detail", "Detail", {"list": [1]}),
])
def test_errors(
    stub: tuple[str, ModuleType], pool: razorg.ClientPool, how: str, name: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(getattr(stub[1], name)) as caught:
        pool.client(stub[1].Row).fail(how)
    assert {key: getattr(caught.value, key) for key in fields} == fields


def test_the_rust_stub_is_rust(pool: razorg.ClientPool) -> None:
    text = rust_stub(pool.call("Razorg.describe"), "a server")
    assert '#[serde(rename = "content-type")]\n    pub content_type: String,' in text
    assert 'pub r#class' not in text and "pub class: i64," in text
    assert '#[serde(tag = "kind", rename = "a dog")]\npub struct Dog {' in text
    assert "pub struct Position(pub i64, pub i64, pub Option<String>);" in text
    assert '#[serde(skip_serializing_if = "Option::is_none")]\n    pub inStock: Option<bool>,' in text
    assert "// Bird is left out: it travels as an array with a tag" in text
    assert "// 'a-b' is left out" in text
    assert "pub struct Row2 {" in text and "pub struct Row_ {" in text
    rustfmt = shutil.which("rustfmt")
    if rustfmt is None:
        pytest.skip("no rustfmt")
    parsed = subprocess.run([rustfmt, "--edition", "2021"], input=text, capture_output=True, text=True)
    assert parsed.returncode == 0, parsed.stderr


def test_the_signed_codes_of_rust(pool: razorg.ClientPool) -> None:
    error = {"kind": "code", "name": "Signed", "signed": True}
    method = {"doc": "a\rb", "parameters": [{"name": "self_", "type": "int"}], "returns": "None", "errors": [error]}
    services = {"Codes": {"doc": "", "methods": {"fail": method}, "types": {}}}
    text = rust_stub(services, "a server")
    assert "    /// a b\n    /// The code of its error is signed: `code as i32`.\n" in text
    assert "Result<(), RpcError<u32>>" in text


EVIL = "print('evil')"


def hostile() -> dict[str, Any]:
    """What a server might tell that wants its words run."""
    lines = f'"""\n\r{EVIL}\n"""\\'
    field = {"name": f"a: int = {EVIL}", "type": f"Literal[{EVIL}]", "required": True}
    types = [f"Literal[{EVIL}]", EVIL, "list[\0]", f"int\n{EVIL}", "(" * 1000, "list[" * 1000 + "int" + "]" * 1000]
    return {
        f"S\n{EVIL}": {
            "doc": lines,
            "types": {
                f"Row\n{EVIL}": {"kind": "record", "fields": [field, {**field, "name": "b", "type": "int"}]},
                f"E({EVIL})": {"kind": "enum", "values": {f"a = {EVIL}\n": lines}},
            },
            "methods": {
                f"m\n{EVIL}\n": {
                    "doc": lines, "returns": EVIL, "idempotent": False, "requires": lines,
                    "parameters": [{"name": f"a={EVIL}, {n}", "type": type_} for n, type_ in enumerate(types)],
                    "errors": [
                        {"kind": "value", "name": f"V({EVIL})", "fields": [field]},
                        {"kind": "text", "name": f"T\n{EVIL}", "text": lines},
                    ],
                },
            },
        },
    }


def test_nothing_of_a_hostile_server_runs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("hostile_stub")
    monkeypatch.setitem(sys.modules, "hostile_stub", module)
    text = python_stub(hostile(), f'a"""\n{EVIL}')
    exec(compile(text, "hostile_stub.py", "exec"), module.__dict__)
    assert capsys.readouterr().out == ""
    assert not [line for line in rust_stub(hostile(), "a server").split("\n") if line.lstrip().startswith("print")]


@pytest.mark.parametrize("name", ["½", "⑴", "half½", "run⑴", "ﬁ", "a b", "\u0301", "_", "class", "1", "ﷺ", "a\u0bf0", "①x", "xำ", "ͺ"])
def test_every_name_is_made_one_of_the_language(name: str) -> None:
    """Some letters are several when Python reads them, and not all of these can be in a name."""
    made = Identifiers(["class"]).make(name)
    assert made.isidentifier() and not made.startswith("_") and made != "class"
    compile(f"def {made}(): pass", "stub", "exec")
