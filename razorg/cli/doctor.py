"""``razorg doctor``."""

from __future__ import annotations

import os
import resource
import sys
from typing import NamedTuple

import click
from rich.console import Console
from rich.text import Text

from razorg.cli.connecting import DECLARED, Connect, connection_options
from razorg.cli.described import health_of
from razorg.cli.values import to_json
from razorg.diagnosis import diagnose
from razorg.errors import RpcError

_DESCRIPTORS = 4096


class Finding(NamedTuple):
    """One thing that was looked at, and what to do when it is not well."""

    is_well: bool
    text: str
    advice: str = ""


@click.command()
@click.argument("address", metavar="[ADDR]", required=False)
@click.option("--json", "as_json", is_flag=True)
@connection_options
def command(address: str | None, as_json: bool, connect: Connect) -> None:
    """Say how this process is set up, whether ADDR can be reached, and what to do about it.

    Exit code 1 when something is not well.
    """
    diagnosis = diagnose()
    findings = [
        Finding(
            diagnosis.compiled,
            "compiled" if diagnosis.compiled else "pure Python",
            "with a C compiler, pip install compiles the hot modules: calls cost a third less",
        ),
        _descriptors(),
        _python(),
    ]
    if address is not None:
        findings += _reached(address, connect)
    if as_json:
        click.echo(to_json([finding._asdict() for finding in findings]))
    else:
        console = Console(highlight=False, soft_wrap=True)
        for finding in findings:
            mark = Text("well ", "green") if finding.is_well else Text("look ", "yellow")
            console.print(mark, finding.text, sep=" ")
            if not finding.is_well and finding.advice:
                console.print("     →", finding.advice)
        console.print(Text(f"\n{diagnosis}", "dim"))
    sys.exit(0 if all(finding.is_well for finding in findings[1:]) else DECLARED)


def _descriptors() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Finding(
        soft >= _DESCRIPTORS,
        f"{soft} descriptors (at most {hard})",
        f"a server has one for each connection: ulimit -n {min(hard, 65536)}",
    )


def _python() -> Finding:
    patched = os.environ.get("GEVENT_NOWAITPID") is None
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(patched, f"Python {version}", "GEVENT_NOWAITPID changes how gevent forks")


def _reached(address: str, connect: Connect) -> list[Finding]:
    with connect(address, connect_timeout=5.0) as pool:
        try:
            seconds = pool.ping(5.0)
        except RpcError as error:
            advice = (
                "check the address, the firewall, and that the server listens at more than "
                "127.0.0.1; for TLS, that both ends are tls://"
            )
            return [Finding(False, f"{address}: {type(error).__name__}: {error.message}", advice)]
        found = [Finding(True, f"{address} answers a ping in {1000 * seconds:.2f} ms")]
        try:
            health = health_of(pool)
        except RpcError as error:
            advice = "a server with services and reflection=True tells about itself"
            found.append(Finding(True, f"it does not tell about itself: {error.message}", advice))
        else:
            text = f"{health['status']}, razorg {health['version']}, pid {health['pid']}"
            found.append(Finding(health["status"] == "serving", text, "it is about to stop"))
    return found
