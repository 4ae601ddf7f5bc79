"""``razorg top``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from time import monotonic
from typing import Any, NamedTuple

import click
import gevent
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from razorg.api.pools import ClientPool
from razorg.cli.connecting import Connect, code_of, connection_options
from razorg.cli.described import stats_of
from razorg.cli.figures import duration, rate
from razorg.cli.options import Finite
from razorg.cli.values import to_json
from razorg.core.figures import quantile
from razorg.errors import RpcError


class Line(NamedTuple):
    """One method, over the last interval."""

    action: str
    per_second: float
    errors_per_second: float
    running: int
    p50: float
    p99: float
    calls: int
    errors: dict[str, int]


@click.command()
@click.argument("address", metavar="ADDR")
@click.option("-i", "--interval", type=Finite(min=0.1), default=1.0, show_default=True)
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many looks.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each look.")
@connection_options
def command(
    address: str,
    interval: float,
    count: int | None,
    as_json: bool,
    connect: Connect,
) -> None:
    """Watch a server: connections, calls, errors and latencies of each method, live.

    The server counts while somebody watches, and for a minute more.  Ctrl-C
    ends.  With --count the exit code tells how the last look ended.
    """
    console = Console(highlight=False)
    error: RpcError | None = None
    with connect(address, max_connections=1, task_timeout=5.0) as pool:
        if as_json:
            for server, lines, error in _looks(pool, interval, count):
                told = {
                    "server": server,
                    "error": _words(error),
                    "methods": [one._asdict() for one in lines],
                }
                click.echo(to_json(told))
        else:
            with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
                for server, lines, error in _looks(pool, interval, count):
                    screen = _screen(pool.address, server, lines, _words(error), console)
                    live.update(screen, refresh=True)
    if error is not None:
        sys.exit(code_of(error)[0])


def _words(error: RpcError | None) -> str:
    return "" if error is None else f"{type(error).__name__}: {error.message}"


def _looks(
    pool: ClientPool, interval: float, count: int | None
) -> Iterator[tuple[dict[str, Any] | None, list[Line], RpcError | None]]:
    """What each look has found: the server's health, the methods' lines, why there are none.

    Rates are those since the look before: the first one finds none, and is not given.
    """
    before: dict[str, Any] | None = None
    looked_at = monotonic()
    given = 0
    while True:
        try:
            stats = stats_of(pool)
        except RpcError as error:
            before = None
            given += 1
            yield None, [], error
        else:
            now = monotonic()
            if before is not None or not stats["methods"]:
                given += 1
                yield stats["server"], _lines(before or {}, stats["methods"], now - looked_at), None
            before, looked_at = stats["methods"], now
        if given == count:
            return
        gevent.sleep(interval)


def _lines(before: dict[str, Any], methods: dict[str, Any], seconds: float) -> list[Line]:
    lines = []
    for action, told in methods.items():
        nothing: dict[str, Any] = {
            "calls": 0,
            "errors": {},
            "buckets": [0] * len(told["buckets"]),
        }
        old: dict[str, Any] = before.get(action, nothing)
        if told["calls"] < old["calls"]:  # another process: it began anew
            old = nothing
        buckets = [new - gone for new, gone in zip(told["buckets"], old["buckets"])]
        errors = sum(told["errors"].values()) - sum(old["errors"].values())
        lines.append(
            Line(
                action,
                (told["calls"] - old["calls"]) / seconds,
                errors / seconds,
                told["running"],
                quantile(buckets, 0.5),
                quantile(buckets, 0.99),
                told["calls"],
                told["errors"],
            )
        )
    return sorted(lines, key=lambda line: (-line.per_second, -line.calls, line.action))


def _screen(
    address: str, server: dict[str, Any] | None, lines: list[Line], error: str, console: Console
) -> Group:
    if server is None:
        return Group(Text(f"{address} tells nothing: {error}", "bold red"))
    total = sum(line.per_second for line in lines)
    head = Text.assemble(
        (address, "bold"),
        f"  {server['status']} for {_uptime(server['uptime'])}, razorg {server['version']}, ",
        f"pid {server['pid']}\n{server['connections']} connections, {server['running']} running, ",
        (f"{rate(total)} calls/s", "bold"),
    )
    table = Table(expand=True, box=None, header_style="reverse", padding=(0, 1))
    table.add_column("method", no_wrap=True)
    for name in ("calls/s", "errors/s", "running", "p50", "p99", "calls"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("errors", overflow="ellipsis", no_wrap=True)
    for line in lines[: max(console.height - 4, 1)]:
        is_idle = not line.per_second and not line.running
        table.add_row(
            line.action,
            rate(line.per_second),
            Text(rate(line.errors_per_second), "red" if line.errors_per_second else ""),
            str(line.running),
            duration(line.p50) if line.per_second else "-",
            duration(line.p99) if line.per_second else "-",
            f"{line.calls:,}",
            ", ".join(f"{count:,} {kind}" for kind, count in line.errors.items()),
            style="dim" if is_idle else "",
        )
    return Group(head, table)


def _uptime(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
