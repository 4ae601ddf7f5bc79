"""``razorg bench``."""

from __future__ import annotations

import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import click
import gevent
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from razorg.api.pools import ClientPool
from razorg.cli.connecting import Connect, connection_options, failures_told
from razorg.cli.described import arguments_for, method_described
from razorg.cli.figures import duration, quantile, rate
from razorg.cli.options import Finite, NewFile
from razorg.cli.plot import draw_latencies
from razorg.cli.values import to_json
from razorg.errors import RazorError

_SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
#: Of more calls than this, latencies are a sample.
_KEPT = 1_000_000
_SECONDS = 5.0
#: At a rate: so long after the end, calls that were due before it are begun.
_LATE_SECONDS = 0.5


class _Run:
    """The calls of one measurement: ``limit`` of them, or as many as fit into ``seconds``."""

    def __init__(self, call: Callable[[], Any], limit: int | None, seconds: float) -> None:
        self._call = call
        self._limit = inf if limit is None else limit
        self._seconds = seconds
        self.latencies: list[float] = []
        self.slowest = 0.0
        self.errors: Counter[str] = Counter()
        self.begun = 0
        self.calls = 0
        self.is_over = False
        #: Of the call that ended first: all others would fail so.
        self.failure: Exception | None = None
        self.began = monotonic()

    def once(self, due: float | None = None) -> None:
        """One call; its time runs from when it was due."""
        started = monotonic() if due is None else due
        self.begun += 1
        try:
            self._call()
        except (RazorError, OSError) as error:
            self.errors[type(error).__name__] += 1
            if not self.calls:
                self.failure = error
                self.is_over = True
        seconds = monotonic() - started
        self.calls += 1
        self.slowest = max(self.slowest, seconds)
        if len(self.latencies) < _KEPT:
            self.latencies.append(seconds)
        elif random.randrange(self.calls) < _KEPT:
            self.latencies[random.randrange(_KEPT)] = seconds

    def in_turn(self) -> None:
        """A caller: one call after the other."""
        while not self.is_over and self.begun < self._limit:
            self.once()

    def at_rate(self, per_second: float, number: int, callers: int) -> None:
        """A caller whose calls are due at fixed times, whether or not the last one is back."""
        for place in itertools.count(number, callers):
            due = place / per_second
            if place >= self._limit or due >= self._seconds:
                return
            due += self.began
            pause = due - monotonic()
            if pause > 0:
                gevent.sleep(pause)
            if self.is_over:
                return
            self.once(due)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("address", metavar="ADDR")
@click.argument("action", metavar="[SERVICE.METHOD]", required=False)
@click.argument("arguments", metavar="[ARG]…", nargs=-1, type=click.UNPROCESSED)
@click.option("--callers", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--connections", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--seconds", type=Finite(min=0.05), help="5, when no --calls are given.")
@click.option("--calls", type=click.IntRange(min=1), help="Make so many.")
@click.option("--rate", "per_second", type=Finite(min=0.1), help="Calls/s, held.")
@click.option("--blob-bytes", type=click.IntRange(min=1), help="Send a blob, to action 6 or ACTION")
@click.option("--plot", type=NewFile(), help="Draw the latencies as SVG.")
@click.option("--json", "as_json", is_flag=True)
@connection_options
def command(
    address: str,
    action: str | None,
    arguments: tuple[str, ...],
    callers: int,
    connections: int,
    seconds: float | None,
    calls: int | None,
    per_second: float | None,
    blob_bytes: int | None,
    plot: Path | None,
    as_json: bool,
    connect: Connect,
) -> None:
    """Call a method (without one: ping) from many greenlets, and tell how fast it is.

    Each ARG is what razorg call takes.  With --rate the calls are due at fixed
    times, and their latency runs from then: a server that stalls shows in all
    the calls that had to wait.
    """
    if seconds is None:
        seconds = _SECONDS if calls is None else inf
    settings = {"min_connections": connections, "max_connections": connections}
    with connect(address, window=max(128, callers), **settings) as pool:
        pool.ping(pool.config.task_timeout)  # no call waits for its connection
        method = None
        if action is not None and blob_bytes is None:
            method = method_described(pool, action, None)
        run = _Run(_caller(pool, action, method, arguments, blob_bytes), calls, seconds)
        working = [
            gevent.spawn(run.at_rate, per_second, number, callers)
            if per_second
            else gevent.spawn(run.in_turn)
            for number in range(callers)
        ]
        try:
            # At a rate the callers end by themselves, but for those whom the server keeps behind.
            _watch(run, working, seconds + (_LATE_SECONDS if per_second else 0), is_quiet=as_json)
            run.is_over = True
            if run.failure is None:
                gevent.joinall(working, timeout=pool.config.task_timeout)
        finally:
            run.is_over = True
            gevent.killall(working)
        spent = monotonic() - run.began
        if per_second:  # the time of the last call is not over when it has ended
            spent = max(spent, run.calls / per_second)
        if run.failure is not None:
            with failures_told(action or "ping", pool, method):
                raise run.failure
    told = _told(run, spent, blob_bytes)
    if plot:
        plot.write_text(draw_latencies(sorted(run.latencies), f"{action or 'ping'} {address}"))
    if as_json:
        click.echo(to_json(told))
    else:
        _print(told)


def _caller(
    pool: ClientPool,
    action: str | None,
    method: dict[str, Any] | None,
    arguments: tuple[str, ...],
    blob_bytes: int | None,
) -> Callable[[], Any]:
    if blob_bytes is not None:
        blob = bytes(blob_bytes)
        number: int | str = 6 if action is None else int(action) if action.isdecimal() else action
        return lambda: pool.send(number, None, blob).get()
    if action is None:
        return lambda: pool.ping(pool.config.task_timeout)
    values = arguments_for(action, method, arguments)
    return lambda: pool.call(action, *values)


def _watch(run: _Run, working: list[Any], seconds: float, is_quiet: bool) -> None:
    """Until the time is over, or the calls are made."""
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, transient=True, disable=is_quiet or not sys.stdout.isatty()
    ) as progress:
        shown = progress.add_task("")
        last_calls, last_at = 0, run.began
        ends_at = run.began + seconds
        while not run.is_over and (left := ends_at - monotonic()) > 0:
            gevent.joinall(working, timeout=min(0.5, left))
            if all(greenlet.dead for greenlet in working):
                break
            now = monotonic()
            speed = (run.calls - last_calls) / max(now - last_at, 1e-6)
            last_calls, last_at = run.calls, now
            failed = f", {run.errors.total():,} failed" if run.errors else ""
            progress.update(shown, description=f"{run.calls:,} calls, {rate(speed)}/s{failed}")


def _told(run: _Run, spent: float, blob_bytes: int | None) -> dict[str, Any]:
    ordered = sorted(run.latencies)
    told: dict[str, Any] = {
        "calls": run.calls,
        "seconds": spent,
        "calls_per_second": run.calls / spent,
        "errors": dict(run.errors),
        "latency": {name: quantile(ordered, share) for name, share in _SHARES.items()},
    }
    told["latency"]["max"] = run.slowest
    if blob_bytes:
        told["megabytes_per_second"] = run.calls * blob_bytes * 2 / spent / 1e6
    return told


def _print(told: dict[str, Any]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("calls", f"{told['calls']:,} in {told['seconds']:.1f} s")
    table.add_row("speed", f"[bold]{rate(told['calls_per_second'])}[/bold] calls/s")
    if "megabytes_per_second" in told:
        table.add_row("", f"{told['megabytes_per_second']:,.0f} MB/s, both ways together")
    for name, seconds in told["latency"].items():
        table.add_row(name, duration(seconds))
    for name, count in told["errors"].items():
        table.add_row("failed", f"[red]{count:,} × {name}[/red]")
    Console(highlight=False).print(table)
