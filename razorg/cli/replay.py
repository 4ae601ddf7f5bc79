"""``razorg replay``."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import Any

import click
import gevent
from gevent.pool import Pool

from razorg.api.pools import ClientPool
from razorg.cli.connecting import DECLARED, USAGE, Connect, connection_options, fail
from razorg.cli.figures import rate
from razorg.cli.options import Finite
from razorg.cli.recording import CutOff, Damaged, Recorded, read
from razorg.client.raw import RawRequest
from razorg.core.method import Method
from razorg.errors import RazorError, RpcError
from razorg.wire.encoder import encode_action
from razorg.wire.heads import FLAG_NUMBER, FLAG_OK

_SHOWN = 20


class _Answered(Exception):
    """An error response, as it travelled."""

    def __init__(self, flag: int, payload: Any) -> None:
        super().__init__()
        self.outcome = (
            (flag, payload, None) if flag == FLAG_NUMBER else (flag, b"", payload or None)
        )


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("address", metavar="ADDR")
@click.option("--speed", type=Finite(min=0, min_open=True), help="2: twice as fast.")
@click.option("--in-flight", type=click.IntRange(min=1), default=100, show_default=True)
@connection_options
def command(
    file: Path,
    address: str,
    speed: float | None,
    in_flight: int,
    connect: Connect,
) -> None:
    """Make the calls of a recording again, and compare what comes back; 1 when it differs.

    Without --speed they are made as fast as the server takes them.  A recording
    that is cut off in its last call, as by a crash, is replayed up to there; of
    one that is damaged the calls before the damage are, and the exit code is 2.
    """
    differences: Counter[str] = Counter()
    began = monotonic()
    count = 0
    damage: ValueError | None = None
    with connect(address) as pool:
        callers = Pool(in_flight)
        try:
            for call in read(file):
                if speed:
                    gevent.sleep(max(call.at / speed - (monotonic() - began), 0))
                callers.spawn(_again, pool, call, differences)
                count += 1
        except (Damaged, CutOff) as error:
            damage = error
        except ValueError as error:
            fail(USAGE, str(error))
        callers.join()
    spent = monotonic() - began
    wrong = differences.total()
    click.echo(f"{count:,} calls in {spent:.1f} s ({rate(count / spent)}/s), {wrong:,} differ")
    for text, times in differences.most_common(_SHOWN):
        click.echo(f"  {times:,} × {text}")
    if isinstance(damage, Damaged):
        fail(USAGE, str(damage))
    if damage is not None:
        click.echo(f"razorg: {damage}", err=True)
    sys.exit(DECLARED if wrong else 0)


def _again(pool: ClientPool, call: Recorded, differences: Counter[str]) -> None:
    method = Method(
        name=str(call.action),
        action=encode_action(call.action, pool.config.limits),
        make_reply=lambda msg, blob: (FLAG_OK, bytes(msg), None if blob is None else bytes(blob)),
        decode_error=lambda flag, payload: _Answered(
            flag, payload if flag == FLAG_NUMBER else bytes(payload)
        ),
    )  # fmt: skip
    request = RawRequest(method, call.action, None, call.msg, call.blob, None, None, None)
    outcome: Any
    try:
        outcome = pool._start(request).get()
    except _Answered as error:
        outcome = error.outcome
    except (RazorError, OSError) as error:
        text = error.message if isinstance(error, RpcError) else str(error)
        outcome = (-1, f"{type(error).__name__}: {text}", None)
    if outcome != call.outcome():
        now = Recorded(0.0, call.action, b"", None, *outcome)
        differences[f"{call.action}: was {call.told()}, is {now.told()}"] += 1
