"""What the child processes of `--profile` do: count calls of functions, or sample where the CPU time goes.

The client starts and ends the server's recording by signals; the server leaves its record in a file for the client.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from benchlib.contestants import CONTESTANTS

SAMPLE_SECONDS = 0.001
START, END = signal.SIGUSR1, signal.SIGUSR2
FILE_PATIENCE_SECONDS = 10.0


class Counter:
    """How often each function was called: Python's by file and name, C's by name alone."""

    def __init__(self) -> None:
        self.found: collections.Counter[tuple[str, str]] = collections.Counter()
        self._codes: collections.Counter[Any] = collections.Counter()
        self._running = False
        sys.setprofile(self._event)  # before there are greenlets: each inherits it

    def _event(self, frame: FrameType, event: str, argument: Any) -> None:
        if not self._running:
            return
        if event == "call":
            self._codes[frame.f_code] += 1
        elif event == "c_call":
            self._codes[getattr(argument, "__qualname__", argument.__class__.__name__)] += 1

    def start(self) -> None:
        """From now on."""
        self._codes.clear()
        self._running = True

    def stop(self) -> None:
        """Until now."""
        self._running = False
        for code, count in self._codes.items():
            self.found[name_of(code)] += count


class Sampler:
    """Which function was running, each millisecond, with the CPU time since the last look as its weight.

    (A timer of CPU time would be simpler, but the kernel looks at those only in its own ticks.)
    """

    def __init__(self) -> None:
        self.found: collections.Counter[tuple[str, str]] = collections.Counter()
        self._codes: collections.Counter[Any] = collections.Counter()
        self._last = 0
        signal.signal(signal.SIGALRM, self._sample)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        now = time.process_time_ns()
        if frame is not None:
            self._codes[frame.f_code] += now - self._last
        self._last = now

    def start(self) -> None:
        """From now on."""
        self._codes.clear()
        self._last = time.process_time_ns()
        signal.setitimer(signal.ITIMER_REAL, SAMPLE_SECONDS, SAMPLE_SECONDS)

    def stop(self) -> None:
        """Until now."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for code, nanoseconds in self._codes.items():
            self.found[name_of(code)] += nanoseconds


def name_of(code: Any) -> tuple[str, str]:
    """(file, function) of a code object; ("C", name) of a builtin."""
    if isinstance(code, str):
        return "C", code
    return code.co_filename, getattr(code, "co_qualname", code.co_name)


def _recorder(options: argparse.Namespace) -> Counter | Sampler:
    return Counter() if options.workload.title == "count" else Sampler()


def run_server(options: argparse.Namespace, report: Callable[[dict[str, Any]], None]) -> None:
    """The contestant's server under a recorder."""
    recorder = _recorder(options)

    def end(*_: Any) -> None:
        recorder.stop()
        path = _file()
        path.with_suffix(".new").write_text(json.dumps(_plain(recorder)))
        path.with_suffix(".new").rename(path)

    signal.signal(START, lambda *_: recorder.start())
    signal.signal(END, end)
    module = importlib.import_module(CONTESTANTS[options.contestant].server_module)
    module.serve(lambda address: report({"address": address}), options.workload)


def run_client(options: argparse.Namespace, report: Callable[[dict[str, Any]], None]) -> None:
    """The usual load under a recorder; the measurement with both records."""
    from benchlib import drive

    recorder = _recorder(options)
    module = importlib.import_module(CONTESTANTS[options.contestant].client_module)
    client = module.connect(options.address, options.workload)
    usual = drive._readings
    spans = []

    def readings(tally: drive.Tally, server_pid: int) -> Any:
        if not spans:
            spans.append(True)
            os.kill(server_pid, START)
            recorder.start()
            return usual(tally, server_pid)
        found = usual(tally, server_pid)
        recorder.stop()
        os.kill(server_pid, END)
        return found

    drive._readings = readings  # type: ignore[assignment]
    measurement = drive.measure(client, options.workload, options.server_pid, options.warmup, options.seconds)
    deadline = time.monotonic() + FILE_PATIENCE_SECONDS
    while not _file().exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    report({**drive.as_json(measurement), "server": json.loads(_file().read_text()), "client": _plain(recorder)})


def _file() -> Path:
    return Path(os.environ["RAZORG_BENCH_DIR"]) / "server.json"


def _plain(recorder: Counter | Sampler) -> list[list[Any]]:
    return [[file, name, count] for (file, name), count in recorder.found.items()]
