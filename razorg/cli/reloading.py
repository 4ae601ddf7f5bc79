"""``razorg serve --reload``: this process only looks at files, another one serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

_LOOK_SECONDS = 0.5
#: What ends this process is passed on.  Ctrl-C as SIGTERM: a terminal has sent its own to the
#: server, which takes a second one for impatience.
_PASSED_ON = {
    signal.SIGINT: signal.SIGTERM,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGHUP,
}


class Reloader:
    """Runs the server that this command line means, anew whenever a source file has changed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._passed_on: signal.Signals | None = None

    def run(self) -> int:
        """Until the server ends by itself, or a signal has ended it; returns its exit code."""
        for number in _PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._told_to_end)
        command = ["--reloaded" if part == "--reload" else part for part in sys.orig_argv]
        while True:
            self._process = subprocess.Popen([sys.executable, *command[1:]])
            if self._passed_on is not None:  # before there was one to tell
                self._process.send_signal(self._passed_on)
            changed = self._wait_for_change(self._process)
            if changed is None:
                return _exit_code(self._process.returncode)
            click.echo(f"razorg: {changed} has changed, starting anew")
            self._process.terminate()
            self._process.wait()

    def _told_to_end(self, number: int, _: object) -> None:
        self._passed_on = _PASSED_ON[signal.Signals(number)]
        if self._process is not None:
            self._process.send_signal(self._passed_on)

    def _wait_for_change(self, process: subprocess.Popen[bytes]) -> str | None:
        """The file that has changed; None when the server has ended, and is not to begin anew."""
        known = dict(_sources())
        while process.poll() is None:
            time.sleep(_LOOK_SECONDS)
            for path, changed_at in _sources():
                if known.setdefault(path, changed_at) != changed_at and self._passed_on is None:
                    return os.path.relpath(path)
        if process.returncode in (0, -signal.SIGTERM):
            return None
        while self._passed_on is None:  # a mistake: it may be mended
            if dict(_sources()) != known:
                return "a source file"
            time.sleep(_LOOK_SECONDS)
        return None


def _exit_code(status: int) -> int:
    """As a shell tells it."""
    return 128 - status if status < 0 else status


def _sources() -> Iterator[tuple[str, float]]:
    """The Python files below the working directory, and when they were changed."""
    folder = Path.cwd()
    for path in folder.rglob("*.py"):
        inside = path.relative_to(folder).parts
        if not any(part.startswith(".") or part == "__pycache__" for part in inside):
            try:
                yield str(path), path.stat().st_mtime
            except OSError:
                pass  # removed meanwhile
