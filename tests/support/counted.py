"""The process of ``support.counting_main``, as a test sees it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import razorg
from support.commands import Command
from support.counting_main import COUNT, Inside, answer_of, payload
from support.nodes import PATIENCE, eventually
from support.tally import Tally
from support.vitals import Vitals, expect_held, vitals

__all__ = ["COUNT", "Counted", "answer_of", "payload"]


class Counted:
    """A server in a process of its own, and the connection on which it is asked about itself.

    As a context: starts, and kills.  What waits here blocks this greenlet only.
    """

    def __init__(self, *listen: str, inside: Sequence[str] = (), **settings: float) -> None:
        self._inside_of = inside
        self._listen = [*listen, *(f"{name}={value}" for name, value in settings.items())]
        self._opened = ExitStack()
        self.addresses: list[str] = []

    def __enter__(self) -> Counted:
        with ExitStack() as opened:
            folder = Path(opened.enter_context(TemporaryDirectory()))
            listen = [url.replace("FOLDER", str(folder)) for url in self._listen]
            command = Command(["-m", "support.counting_main", *listen], folder / "log", self._inside_of)
            self._command = opened.enter_context(command)
            eventually(self._has_told, PATIENCE, f"it serves: {command}")
            pool = opened.enter_context(razorg.connect(self.addresses[0], max_connections=1))
            self._inside: Any = pool.client(Inside)
            self._inside.workers()
            self._opened = opened.pop_all()
        #: Of this process and of the server, with nothing but this connection open.
        self.before = vitals(), self.vitals()
        return self

    def _has_told(self) -> bool:
        assert self._command.process.poll() is None, f"it has ended: {self._command}"
        found = re.search(r"^serves (.+)\n", self._command.log(), re.M)
        if found:
            self.addresses = found[1].split()
        return bool(found)

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self._command.process.pid

    def vitals(self) -> Vitals:
        return Vitals(*self._inside.vitals())

    @property
    def workers(self) -> int:
        """How many greenlets the server keeps for handlers."""
        return int(self._inside.workers())

    @property
    def connections(self) -> int:
        """How many are open at the server, without the one of this object."""
        return int(self._inside.connections()) - 1

    def check(self, tally: Tally) -> Tally:
        """Compare the client's records with the server's; a tally for the calls that come.

        AssertionError with the first violations.
        """
        follower = Tally(tally.answer_of, tally.first_id + len(tally))
        violations = tally.check(self._inside.take_ledger(follower.first_id))
        first = "\n".join(map(str, violations[:10]))
        assert not violations, f"{len(violations)} violations, as in:\n{first}"
        errors = tally.errors()
        assert not errors, f"{len(errors)} of {len(tally)} calls failed, as in: {errors[0]}"
        return follower

    def expect_held(self, before: tuple[Vitals, Vitals]) -> tuple[Vitals, Vitals]:
        """Neither side holds more than before, or AssertionError."""
        client = expect_held(vitals, before[0], "the client")
        return client, expect_held(self.vitals, before[1], "the server")
