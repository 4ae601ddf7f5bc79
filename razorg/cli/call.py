"""``razorg call``."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click

from razorg.api.pools import ClientPool
from razorg.cli.connecting import Connect, connection_options, failures_told
from razorg.cli.described import arguments_for, method_described
from razorg.cli.options import Finite, NewFile
from razorg.cli.values import to_json, value_of


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("address", metavar="ADDR")
@click.argument("action", metavar="SERVICE.METHOD|NUMBER")
@click.argument("arguments", metavar="[ARG]…", nargs=-1, type=click.UNPROCESSED)
@click.option("--timeout", type=Finite(min=0, min_open=True), help="At most so long.")
@click.option("--blob", help="Of a raw action: text, or @FILE.")
@click.option("--out", type=NewFile(), help="Write the answer's blob there.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON.")
@connection_options
def command(
    address: str,
    action: str,
    arguments: tuple[str, ...],
    timeout: float | None,
    blob: str | None,
    out: Path | None,
    as_json: bool,
    connect: Connect,
) -> None:
    """Call a method, or a raw action with a number, and print what comes back.

    Each ARG is JSON or a Python literal; anything else is a text.  Where the
    server describes its methods NAME=VALUE names an argument, and 5 is a text
    for a str; elsewhere '"5"' is one.

    \b
    razorg call localhost:7700 Calculator.add 1 2
    razorg call localhost:7700 Users.find name=Ünal '{"active": true}'
    razorg call localhost:7700 3 '{"inode": 1}' --blob @data.bin --out answer.bin
    """
    if "." in action and blob is None and out is None:
        with connect(address) as pool:
            method = method_described(pool, action, timeout)
            values = arguments_for(action, method, arguments)
            with failures_told(action, pool, method):
                value = pool.call(action, *values, timeout=timeout)
    else:
        value = _send(action, arguments, timeout, blob, out, connect(address))
    click.echo(to_json(value) if as_json else to_json(value, indent=2))


def _send(
    action: str,
    arguments: tuple[str, ...],
    timeout: float | None,
    blob: str | None,
    out: Path | None,
    connected: AbstractContextManager[ClientPool],
) -> Any:
    if len(arguments) > 1:
        raise click.UsageError("a raw action takes one message")
    try:
        number: int | str = int(action) if action.isdecimal() else action
    except ValueError:  # Python reads so many digits and no more
        raise click.UsageError(f"an action of {len(action)} digits is too large") from None
    data: bytes | None = None
    if blob is not None:
        data = Path(blob[1:]).read_bytes() if blob.startswith("@") else os.fsencode(blob)
    message = value_of(arguments[0]) if arguments else None
    with connected as pool, failures_told(action, pool):
        reply = pool.send(number, message, data, timeout=timeout).get()
        msg = reply.msg
    if reply.blob is not None:
        if out is not None:
            out.write_bytes(reply.blob)
        elif msg is None:
            sys.stdout.buffer.write(reply.blob)
            sys.stdout.flush()
            sys.exit(0)
        else:
            return {"msg": msg, "blob": reply.blob}
    return msg
