"""The matrix: every cell a process.  ``python -m support.matrix`` prints it as Markdown."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import razorg

SETTINGS = ("unpatched", "patched first", "patched late")
PLACES = ("main greenlet", "greenlet pool", "native thread", "forked child", "gunicorn preload", "asyncio")
ACTIONS = ("call", "future", "notify", "timeout", "server restart")
#: A cell that takes longer hangs.
LIMIT = 15.0
#: So many processes at a time: most of the time they wait.
AT_ONCE = 4
#: Linux connects to it from 127.0.0.1: its port can be lent to nobody's outgoing connection.
HOST = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"


class Cell(NamedTuple):
    setting: str
    place: str
    action: str

    def __str__(self) -> str:
        return " - ".join(self)


CELLS = [Cell(setting, place, action) for setting in SETTINGS for place in PLACES for action in ACTIONS]


class Outcome(NamedTuple):
    """How a cell ended."""

    #: "works", the name of the error's class, or "hangs".
    kind: str
    text: str
    #: What the action took, and the whole process.
    seconds: float
    total_seconds: float
    #: What it wrote to standard error.
    log: str

    def __str__(self) -> str:
        return f"{self.kind} {self.text} after {self.seconds:.2f} s ({self.total_seconds:.2f} s in all)\n{self.log[-6000:]}"


class LivingServer:
    """A server process; when it dies it is started again at the same port."""

    def __init__(self) -> None:
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((HOST, 0))
        self.address = f"tcp://{HOST}:{self._reserved.getsockname()[1]}"
        if sys.platform != "linux":
            self._reserved.close()  # others let nobody else have it as well
        self._lock = threading.Lock()
        self._is_closed = False
        self._lives = 0
        self._start()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "support.matrix_server", self.address, str(self._lives)]
        self._lives += 1
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment())
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.decode().strip() == self.address, f"the server does not start: {line!r}"

    def _watch(self) -> None:
        while True:
            self._process.wait()
            with self._lock:
                self._drop()
                if self._is_closed:
                    return
                self._start()

    def _drop(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            self._process.kill()
        self._thread.join()
        self._reserved.close()


class Runner:
    """Runs cells, some at a time; what waits for them may be any thread."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(AT_ONCE)
        self._server = LivingServer()
        self._outcomes: dict[Cell, Future[Outcome]] = {}

    def start(self, cells: Iterable[Cell]) -> None:
        for cell in cells:
            self._outcomes[cell] = self._executor.submit(self._run, cell)

    def outcome(self, cell: Cell) -> Outcome:
        """Wait for the end of the cell."""
        return self._outcomes[cell].result()

    def known(self) -> dict[Cell, Outcome]:
        """How all cells ended that have ended."""
        return {cell: future.result() for cell, future in self._outcomes.items() if future.done()}

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)
        self._server.close()

    def _run(self, cell: Cell) -> Outcome:
        if cell.action != "server restart":
            return run_cell(cell, self._server.address)
        server = LivingServer()  # of its own: the others shall not lose theirs
        try:
            return run_cell(cell, server.address)
        finally:
            server.close()

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def run_cell(cell: Cell, address: str) -> Outcome:
    """Run the process of a cell, with a server at the address."""
    started = monotonic()
    environment = _environment()
    if cell.place == "forked child":  # its own waitpid misses the end of a child now and then
        environment["GEVENT_NOWAITPID"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-m", "support.matrix_cell", *cell, address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    hangs = False
    try:
        out, log = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        hangs = True
    finally:
        with contextlib.suppress(ProcessLookupError):  # with all that it has started
            os.killpg(process.pid, signal.SIGKILL)
    if hangs:
        out, log = process.communicate()
    total = monotonic() - started
    lines = out.splitlines()
    if hangs:
        return Outcome("hangs", f"at its end; it had printed {out!r}" if lines else "", total, total, log)
    if len(lines) != 1 or process.returncode:
        return Outcome("breaks", f"with status {process.returncode}, having printed {out!r}", total, total, log)
    result: dict[str, Any] = json.loads(lines[0])
    kind = result.get("type", result["outcome"])
    return Outcome(kind, result.get("text", ""), result["seconds"], total, log)


def as_markdown(outcomes: dict[Cell, Outcome]) -> str:
    """A table of two header lines and a line for each place and setting."""
    lines = ["| | | " + " | ".join(ACTIONS) + " |", "|---" * (2 + len(ACTIONS)) + "|"]
    for place in PLACES:
        for setting in SETTINGS:
            row = [outcomes.get(Cell(setting, place, action)) for action in ACTIONS]
            if any(row):
                kinds = [outcome.kind if outcome else "–" for outcome in row]
                lines.append(f"| {place} | {setting} | " + " | ".join(kinds) + " |")
    return "\n".join(lines)


def _environment() -> dict[str, str]:
    paths = [str(Path(razorg.__file__).parents[1]), str(Path(__file__).parents[1])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def main() -> None:
    with Runner() as runner:
        runner.start(CELLS)
        outcomes = {cell: runner.outcome(cell) for cell in CELLS}
    print(as_markdown(outcomes))
    for cell, outcome in outcomes.items():
        if outcome.kind != "works":
            print(f"\n{cell}: {outcome}", file=sys.stderr)


if __name__ == "__main__":
    main()
