"""Commands as they are typed into a shell: processes that tell where they listen, and never outlive the test."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import razorg
from support.nodes import PATIENCE, eventually

TESTS = Path(__file__).parents[1]
EXAMPLES = TESTS.parent / "examples"
#: Becomes the command, beside a guard that kills the whole process group when standard input ends:
#: when this process does, however that happens.
GUARDED = ["/bin/sh", "-c", 'exec 3<&0; (read _ <&3; kill -KILL 0) & exec "$@" 3<&- </dev/null', "sh"]
_ADDRESS = re.compile(r"\b(?:tcp|http)://[\d.]+:\d+")
_LOG_BYTES = 6000


class Command:
    """``python ARGUMENTS`` in the folder of the examples, in a process group of its own.

    ``address`` is the first that it has written.  As a context it kills at the end whatever is left
    of the group.  ``inside``: what the command line begins with.  What waits here blocks this
    greenlet only.
    """

    def __init__(
        self, arguments: Sequence[str], log: Path, inside: Sequence[str] = (), **environment: str
    ) -> None:
        self._log = log
        self._arguments = arguments
        paths = [str(Path(razorg.__file__).parents[1]), str(TESTS)]
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [*GUARDED, *inside, sys.executable, *arguments],
                cwd=EXAMPLES,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1", **environment},
            )

    @property
    def address(self) -> str:
        """Where it listens; blocks until it has told that, AssertionError when it does not."""
        found: Any = None

        def is_told() -> bool:
            nonlocal found
            found = _ADDRESS.search(self._log.read_text(errors="replace"))
            return bool(found) or self.process.poll() is not None

        eventually(is_told, PATIENCE, f"{self} tells its address")
        assert found, f"it told no address: {self}"
        return str(found.group())

    def log(self) -> str:
        """What it has written, or the end of that."""
        text = self._log.read_text(errors="replace")
        return text if len(text) <= _LOG_BYTES else "…" + text[-_LOG_BYTES:]

    def signal(self, number: signal.Signals) -> None:
        """To the command itself, not to its children."""
        assert self.process.poll() is None, f"it runs no more: {self}"
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit status; AssertionError when it does not end."""
        eventually(lambda: self.process.poll() is not None, PATIENCE, f"{self} ends")
        return int(self.process.returncode)

    def terminate(self) -> None:
        """SIGTERM; it must end, and with status 0."""
        self.signal(signal.SIGTERM)
        status = self.wait()
        assert status == 0, f"status {status}: {self}"
        self.close()

    def close(self) -> None:
        """Kill what is left of the whole group.  Idempotent."""
        assert self.process.stdin is not None
        if self.process.stdin.closed:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        return f"{' '.join(self._arguments)}; it wrote:\n{self.log()}"
