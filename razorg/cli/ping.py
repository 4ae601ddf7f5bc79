"""``razorg ping``."""

from __future__ import annotations

import click
import gevent

from razorg.api.pools import ClientPool
from razorg.cli.connecting import NO_SERVER, Connect, connection_options, fail
from razorg.cli.described import health_of
from razorg.cli.options import Finite
from razorg.cli.values import to_json
from razorg.errors import RpcError


@click.command()
@click.argument("address", metavar="ADDR")
@click.option("-c", "--count", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("-i", "--interval", type=Finite(min=0), default=0.5, show_default=True)
@click.option("--timeout", type=Finite(min=0, min_open=True), default=5.0)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON at the end.")
@connection_options
def command(
    address: str,
    count: int,
    interval: float,
    timeout: float,
    as_json: bool,
    connect: Connect,
) -> None:
    """Ping a server over one connection, and tell how long it takes."""
    times: list[float] = []
    lost = 0
    reason = ""
    with connect(address, max_connections=1) as pool:
        for number in range(count):
            if number:
                gevent.sleep(interval)
            try:
                times.append(pool.ping(timeout))
                if not as_json:
                    click.echo(f"pong from {pool.address}: {1000 * times[-1]:.3f} ms")
            except RpcError as error:
                lost += 1
                reason = f"{type(error).__name__}: {error}"
                if not as_json:
                    click.echo(f"no pong: {reason}", err=True)
        health = _health(pool) if times else None
    ordered = sorted(times)
    if as_json:
        ms = [round(1000 * seconds, 4) for seconds in times]
        told = {"address": pool.address, "pongs": len(times), "lost": lost, "ms": ms}
        click.echo(to_json({**told, "health": health}))
    elif times:
        mean, p99 = sum(times) / len(times), ordered[int(len(ordered) * 0.99)]
        figures = "/".join(f"{1000 * at:.3f}" for at in (ordered[0], mean, p99, ordered[-1]))
        click.echo(f"{len(times)} pongs, {lost} lost; min/mean/p99/max {figures} ms")
        if health:
            click.echo(
                f"{health['status']} for {health['uptime']:.0f} s, razorg {health['version']}, "
                f"{health['connections']} connections, {health['running']} running"
            )
    if not times:
        fail(NO_SERVER, f"no pong at all: {reason}")


def _health(pool: ClientPool) -> dict[str, object] | None:
    """What the server says of itself, if it does."""
    try:
        return health_of(pool)
    except RpcError:
        return None
