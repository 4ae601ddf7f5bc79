"""Servers are replaced under load, as they should be: what a server has begun it also answers."""

from __future__ import annotations

import socket
from pathlib import Path
from tempfile import TemporaryDirectory

from support.history import Figures, History, check
from support.line import Line, Newcomers, free_port, who
from support.load import Load, note, read, slow
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, verdict
from support.vitals import expect_held, vitals

import razorg
from goals.goal import Goal

PER_SECOND = 400


class Restarts(Goal):
    number = 16
    name = "restarts"
    promise = "servers restart under load, with a successor or without: no call that was begun is lost"
    unit = "restarts"
    every_change = 5
    release = 1_000
    portion = 20

    @classmethod
    def missing(cls) -> str | None:
        return None if Path("/proc/self/fd").is_dir() else "its servers look into /proc"

    def advance(self, count: int, seed: int) -> None:
        before = vitals()
        with TemporaryDirectory() as folder:
            self._hand_over(count - count // 2, Path(folder))
            self._stop_and_start(count // 2, Path(folder))
        expect_held(vitals, before, "the client")
        self.count("restarts", count)
        self.figures["begun and lost"] = 0  # or it would not have come here

    def _hand_over(self, count: int, folder: Path) -> None:
        """To a successor: nobody is refused either, and what may be repeated succeeds."""
        address = f"tcp://127.0.0.1:{free_port()}"
        history, line = History(answer_of), Line(folder, "good", address)
        try:
            with razorg.connect([address]) as pool:
                witness = pool.client(Witness)
                kinds = [read(witness), note(witness), slow(witness, ms=20)]
                with Newcomers(address, history) as newcomers, Load(history, kinds, PER_SECOND):
                    for _ in range(count):
                        wanted, connected = history.succeeded + 100, newcomers.connected + 20
                        old = line.hand_over()
                        eventually(
                            lambda: history.succeeded > wanted and newcomers.connected > connected,
                            PATIENCE, f"calls go on: {line}",
                        )
                        line.has_ended(old)
                        assert who(address) == line.pid
            line.end()
            executed = line.executions()
        finally:
            line.close()
        violations = check(history, [executed])
        assert not violations, violations[:5]
        assert not newcomers.refused, newcomers.refused[:3]
        with socket.socket() as probe:  # the last one has closed what it had inherited
            assert probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2])))
        lost = [call for call in history.calls.values() if call.has_failed and call.idempotent]
        assert not lost, f"{len(lost)} calls that may be repeated failed, as {lost[0]}"
        self._judge(history, Figures.of(history, [executed]))
        self.count("newcomers", newcomers.connected)

    def _stop_and_start(self, count: int, folder: Path) -> None:
        """Without: nobody is there for a moment, and calls fail that nobody has begun."""
        history = History(answer_of)
        with Nodes(folder) as nodes:
            (node,) = nodes.start("a")
            with razorg.connect(node.address) as pool:
                witness = pool.client(Witness)
                kinds = [note(witness), slow(witness, ms=20), read(witness, retries=0)]
                with Load(history, kinds, PER_SECOND):
                    for _ in range(count):
                        wanted = history.succeeded + 100
                        eventually(lambda: history.succeeded > wanted, PATIENCE, "calls succeed")
                        node.restart()
                    wanted = history.succeeded + 100
                    eventually(lambda: history.succeeded > wanted, PATIENCE, "calls succeed again")
            self._judge(history, verdict(history, [node]))

    def _judge(self, history: History, figures: Figures) -> None:
        assert not figures.repeated, f"what a server has begun need not run twice: {figures}"
        begun = sum(number for (_, was_executed), number in figures.failures.items() if was_executed)
        assert not begun, f"{begun} calls were begun and lost: {figures}"
        self.count("calls", figures.calls)
        self.count("not begun by anybody", figures.calls - figures.succeeded)
