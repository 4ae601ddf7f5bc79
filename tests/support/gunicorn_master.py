"""A real gunicorn in processes of its own, and what its log says of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import razorg
from support.history import Execution
from support.nodes import PATIENCE, eventually

APP = "support.gunicorn_app:server"
#: Read from the folder that gunicorn runs in; of no meaning to versions without these settings.
CONF = """
control_socket_disable = True
keepalive = 0

def _note(text):
    with open("hooks", "a") as file:
        file.write(text + "\\n")

def post_fork(server, worker):
    _note(f"post_fork {worker.pid}")

def post_worker_init(worker):
    _note(f"ready {worker.pid}")

def worker_exit(server, worker):
    _note(f"worker_exit {worker.pid}")
"""


class Gunicorn:
    """One master; as a context it is killed with its workers at the end.

    What waits in here blocks this greenlet only.
    """

    def __init__(self, folder: Path, *options: str, app: str = APP, worker: str = "razorg.gunicorn.Worker") -> None:
        self.folder = folder
        self._log = folder / "log"
        (folder / "gunicorn.conf.py").write_text(CONF)
        self.ledger = folder / "ledger"
        self.ledger.touch()
        paths = [str(Path(__file__).parents[1]), str(Path(razorg.__file__).parents[1])]
        binds = [] if {"-b", "--bind"} & set(options) else ["-b", "127.0.0.1:0"]
        command = [sys.executable, "-m", "gunicorn", "-k", worker, *binds, *options, app]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "LEDGER": str(self.ledger)},
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def addresses(self) -> list[str]:
        """As razorg's URLs; waits until gunicorn listens."""
        pattern = r"Listening at: (\S+) \("
        eventually(lambda: re.search(pattern, self.log) or self._process.poll() is not None, PATIENCE, "it listens")
        found = re.search(pattern, self.log)
        assert found, self.log
        return [
            item.replace("http://", "tcp://").replace("unix:", "unix://")
            for item in found[1].split(",")
        ]

    @property
    def booted(self) -> list[int]:
        """The pids of all workers so far."""
        return [int(pid) for pid in re.findall(r"Booting worker with pid: (\d+)", self.log)]

    @property
    def exited(self) -> list[int]:
        """The pids of the workers that have ended of themselves."""
        return [int(pid) for pid in re.findall(r"Worker exiting \(pid: (\d+)\)", self.log)]

    def workers(self, count: int) -> list[int]:
        """The pids of the workers that run; waits until there are so many, and they take signals.

        A signal that comes before that is lost, and gunicorn does not repeat it at its own end.
        """
        hooks = self.folder / "hooks"

        def running() -> list[int]:
            ready = re.findall(r"ready (\d+)", hooks.read_text()) if hooks.exists() else []
            return [int(pid) for pid in ready if int(pid) not in self.exited]

        self.until(lambda: len(running()) == count, f"{count} workers run")
        return running()

    def signal(self, number: signal.Signals) -> None:
        """To the master."""
        self._process.send_signal(number)

    def reload(self, count: int) -> list[int]:
        """HUP, and wait until each of ``count`` workers was replaced; the pids of the old ones."""
        old = self.workers(count)
        self.signal(signal.SIGHUP)
        self.until(lambda: set(old) <= set(self.exited), f"{old} end")
        self.workers(count)
        return old

    def wait(self) -> int:
        """The exit code of the master."""
        self.until(lambda: self._process.poll() is not None, "gunicorn ends")
        return int(self._process.returncode)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """As ``eventually``, and shows the log when it never comes true."""
        try:
            eventually(condition, PATIENCE, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def executions(self) -> list[Execution]:
        """What all workers together have executed."""
        lines = (line.split() for line in self.ledger.read_text().splitlines())
        return [Execution(int(call_id), name) for call_id, name in lines]

    def __enter__(self) -> Gunicorn:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)  # its own session: the workers too
        except ProcessLookupError:
            pass
        eventually(lambda: self._process.poll() is not None, PATIENCE, "it ends")
