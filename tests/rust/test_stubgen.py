"""The Rust that ``razorg stubgen`` writes compiles with the crates, and calls the server.

Compiles for a minute the first time, so it is for .ci/run, not for every scripts/test.
"""

from __future__ import annotations

import enum
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import gevent.subprocess
import msgspec
import pytest
from click.testing import CliRunner

import razorg
from razorg.cli.main import cli

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "scripts" / "build-rust-peer"
MANIFEST = ROOT / "tests" / "interop" / "rust" / "Cargo.toml"
NO_CARGO = 3
MAIN = """
mod stub;
use orb_tokio::TokioRT;
use razor_rpc::client::{APIConnPool, APIFact, ClientConfig};
use razor_rpc_codec::MsgpCodec;
use razor_rpc_tcp::TcpClient;
use stub::*;

#[tokio::main]
async fn main() {
    let addr = std::env::args().nth(1).expect("an address");
    let config = ClientConfig { task_timeout: 60, ..Default::default() };
    let rt = TokioRT::new_with_handle(tokio::runtime::Handle::current());
    let pool: APIConnPool<MsgpCodec, TcpClient<TokioRT>> = APIFact::<MsgpCodec>::new(config).new_conn_pool(&rt, &addr);
    let client = Client::new(pool);
    println!("{:?}", client.find("lamp".to_string()).await);
    println!("{:?}", client.find("x".to_string()).await);
    let item = Item { id: 7, name: "cup".into(), colour: Colour::Red, price: None };
    println!("{:?}", client.order((vec![item], "soon".to_string())).await);
    println!("{:?}", client.code(9).await);
    println!("{:?}", client.nothing(()).await);
    println!("{:?}", client.signed(-9).await);
    let label = Label { content_type: "text".into(), self_: 1, inStock: None };
    println!("{:?}", client.label((label, Point(1, 2), Tagged { name: "t".into() })).await);
}
"""


class Colour(enum.Enum):
    RED = "red"
    DARK_BLUE = "dark blue"


@dataclass
class Item:
    id: int
    name: str
    colour: Colour
    price: Optional[float] = None


@dataclass
class Order:
    items: list[Item]
    notes: dict[str, str]
    blob: bytes
    pair: tuple[int, str] = (1, "x")


class Missing(razorg.ErrorText):
    pass


class Code(razorg.ErrorCode):
    pass


class Signed(razorg.ErrorCode):
    signed = True


class Label(msgspec.Struct, rename={"content_type": "content-type", "me": "self", "in_stock": "inStock"}):
    content_type: str
    me: int
    in_stock: bool = True


class Point(msgspec.Struct, array_like=True):
    x: int
    y: int


class Tagged(msgspec.Struct, tag='a "tag"'):
    name: str


@razorg.service
class Shop:
    @razorg.method(raises=Missing)
    def find(self, name: str) -> Item:
        if name == "x":
            raise Missing("no such item")
        return Item(1, name, Colour.DARK_BLUE, 2.5)

    def order(self, items: list[Item], note: str) -> Order:
        return Order(items, {"note": note}, b"\x00\xff", (len(items), "ok"))

    @razorg.method(raises=Code)
    def code(self, n: int) -> None:
        raise Code(n)

    @razorg.method(raises=Signed)
    def signed(self, n: int) -> None:
        raise Signed(n)

    def label(self, label: Label, point: Point, tagged: Tagged) -> Label:
        assert (point.x, point.y, tagged) == (1, 2, Tagged("t"))
        return label

    def nothing(self) -> None: ...

    def match(self, type: bool) -> bool:
        return type


@pytest.mark.timeout(400)
def test_the_rust_interface_calls_the_server(tmp_path: Path) -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Shop()]) as server:
        address = server.addresses[0].removeprefix("tcp://")
        stub = CliRunner().invoke(cli, ["stubgen", address, "--lang", "rust"]).output
        assert "// match is left out: its name is a word of Rust" in stub
        (tmp_path / "src").mkdir()
        # The same text each time, so that it is built once only.
        (tmp_path / "src" / "stub.rs").write_text(stub.replace(address, "a server"))
        (tmp_path / "src" / "main.rs").write_text(MAIN)
        manifest = MANIFEST.read_text().replace('"sync", "time"', '"macros", "sync", "time"')
        (tmp_path / "Cargo.toml").write_text(manifest)
        built = subprocess.run([sys.executable, str(BUILD), str(tmp_path)], capture_output=True, text=True)
        if built.returncode == NO_CARGO:
            pytest.skip(built.stderr.strip().splitlines()[-1])
        assert built.returncode == 0, built.stderr[-3000:]
        ran = gevent.subprocess.run([built.stdout.strip(), address], stdout=subprocess.PIPE, timeout=60)
    assert ran.stdout.decode().splitlines() == [
        'Ok(Item { id: 1, name: "lamp", colour: DarkBlue, price: Some(2.5) })',
        "Err(no such item)",
        'Ok(Order { items: [Item { id: 7, name: "cup", colour: Red, price: None }], notes: {"note": "soon"}, '
        'blob: [0, 255], pair: Some((1, "ok")) })',
        "Err(errno 9)",
        "Ok(())",
        "Err(errno 4294967287)",  # -9 as u32; the crates fill 4 GiB with zeros for it, which takes seconds
        'Ok(Label { content_type: "text", self_: 1, inStock: Some(true) })',
    ]
