"""Child processes that announce an address and never outlive the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

START_SECONDS = 30
STOP_SECONDS = 10
LONGEST_SECONDS = 3600


def announce(address: str) -> None:
    """In a child: tell the parent where this process listens."""
    print(address, flush=True)


def wait_for_end() -> None:
    """In a child: serve until the parent closes our standard input, or is gone."""
    import gevent.os  # not above: web.py patches before it imports

    signal.alarm(LONGEST_SECONDS)  # whatever goes wrong, this process ends
    while gevent.os.tp_read(0, 1024):
        pass


class Child:
    """One running `python -m demolib.<module>`; `address` is what it announced."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.module = module
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"demolib.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        try:
            self.address = self._process.stdout.readline().strip()
        finally:
            watchdog.cancel()
        if not self.address:
            self.stop()
            raise RuntimeError(f"demolib.{module} did not start:\n{self.log()}")

    def log(self) -> str:
        """What the process has written to standard error so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def stop(self) -> int:
        """Let the process finish, kill it when it does not; its exit status."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._process.stdout.close()
        return status

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
