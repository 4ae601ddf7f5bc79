"""Where the command begins: without click it says what is missing, in one line."""

from __future__ import annotations

import importlib.util
import io
import signal
import sys

import gevent

USAGE_ERROR = 2


def main() -> None:
    """The command ``razorg``; ends the process."""
    missing = [name for name in ("click", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"razorg: the command line needs {' and '.join(missing)}: pip install 'razorg[cli]'",
            file=sys.stderr,
        )
        sys.exit(USAGE_ERROR)
    from razorg.cli.connecting import errors_told
    from razorg.cli.main import cli

    interrupt_here()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what it has no letters for is shown all the same
            stream.reconfigure(errors="backslashreplace")
    with errors_told():
        cli(prog_name="razorg")


def interrupt_here() -> None:
    """The first Ctrl-C is for this greenlet, which alone knows how to end the command.

    Python raises it in whichever runs: one that reads or writes for all would be gone, or take it
    for an error of its connection.  Another Ctrl-C is raised wherever it comes, so that it helps
    against a greenlet that never switches, too.
    """
    here, hub = gevent.getcurrent(), gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, KeyboardInterrupt)  # no traceback of the hub's

    def interrupted(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if gevent.getcurrent() is here:
            raise KeyboardInterrupt
        hub.loop.run_callback(here.throw, KeyboardInterrupt)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it is not ignored
        signal.signal(signal.SIGINT, interrupted)
