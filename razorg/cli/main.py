"""The commands by name; the module of one is imported when it is used."""

from __future__ import annotations

import importlib
from typing import Any

import click

from razorg.version import __version__

_COMMANDS = {
    "call": "Call a method of a server.",
    "ls": "List services, methods, signatures and errors of a server.",
    "ping": "Ping a server.",
    "serve": "Serve services, or a Dispatch, of a Python module.",
    "bench": "Measure a server, or a method of it.",
    "top": "Watch the calls of a server, live.",
    "stubgen": "Write the interface of a server as Python or Rust.",
    "record": "Record the calls that go to a server.",
    "replay": "Make recorded calls again, and compare what comes back.",
    "doctor": "Say how this machine and process are set up, and what to do about it.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"razorg.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        connecting = importlib.import_module("razorg.cli.connecting")
        with connecting.errors_told():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli(**_: Any) -> None:
    """Call, look at, serve and measure razorg servers.

    ADDR is tcp://host:port, tls://host:port, unix:///path or host:port.

    \b
    Exit codes: 0 all is well; 1 an error that the method declares (or a
    difference that was looked for); 2 wrong usage; 3 unreachable, or the
    connection was lost; 4 no answer in time; 5 an error of the server; 130
    Ctrl-C, but 0 of serve and record, which end so.

    Completion: eval "$(_RAZORG_COMPLETE=bash_source razorg)", or zsh_source,
    or fish_source.
    """
