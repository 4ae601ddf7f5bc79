"""``razorg stubgen``."""

from __future__ import annotations

from pathlib import Path

import click

from razorg.cli.connecting import Connect, connection_options
from razorg.cli.described import services_described
from razorg.cli.options import NewFile
from razorg.cli.stub_python import python_stub
from razorg.cli.stub_rust import rust_stub


@click.command()
@click.argument("address", metavar="ADDR")
@click.option("--lang", type=click.Choice(["python", "rust"]), default="python", show_default=True)
@click.option("--out", type=NewFile(), help="Instead of stdout.")
@connection_options
def command(address: str, lang: str, out: Path | None, connect: Connect) -> None:
    """Write the interface of a live server: services, types and errors, as it describes them.

    The Rust one is for the crates razor-rpc and razor-rpc-tcp 0.8.
    """
    with connect(address) as pool:
        services = services_described(pool)
    services.pop("Razorg", None)
    text = python_stub(services, address) if lang == "python" else rust_stub(services, address)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
