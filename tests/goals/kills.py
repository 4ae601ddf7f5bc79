"""The server is killed under load, and started again: every call ends soon, and tells the truth."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import gevent
from support.history import History, ended
from support.load import Load, note, read, slow
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, verdict
from support.vitals import expect_held, vitals

import razorg
from goals.goal import Goal

PER_SECOND = 1500
SETTLE_SECONDS = 2.0  # after the kill
RECOVERY_SECONDS = 2.0  # after the server is ready again


class Kills(Goal):
    number = 10
    name = "kills"
    promise = "when the server is killed under load, every call ends within 2 s, and nothing ran twice"
    unit = "kills"
    every_change = 10
    release = 1_000
    portion = 25

    def advance(self, count: int, seed: int) -> None:
        rng, history, before = Random(seed), History(answer_of), vitals()
        settled, recovered, cut_off = 0.0, 0.0, 0
        with TemporaryDirectory() as folder, Nodes(Path(folder)) as nodes:
            (node,) = nodes.start("a")
            settings = {"window": rng.choice([16, 128]), "max_connections": rng.choice([1, 4])}
            with razorg.connect(node.address, **settings) as pool:
                witness = pool.client(Witness)
                kinds = [read(witness, retries=0), note(witness), slow(witness, ms=60)]
                with Load(history, kinds, PER_SECOND):
                    for _ in range(count):
                        wanted = history.succeeded + rng.randint(20, 300)
                        eventually(lambda: history.succeeded >= wanted, PATIENCE, "calls succeed")
                        gevent.sleep(rng.uniform(0, 0.02))
                        pending = history.open_calls()
                        cut_off += len(pending)
                        killed_at = node.kill()
                        eventually(ended(pending), SETTLE_SECONDS, "the calls of a dead server end")
                        settled = max(settled, *(call.seconds_after(killed_at) for call in pending))
                        node.start()
                        done = history.succeeded
                        recovered = max(recovered, eventually(
                            lambda: history.succeeded > done, RECOVERY_SECONDS, "it works again"
                        ))
            figures = verdict(history, [node])
        assert figures.slowest_seconds <= SETTLE_SECONDS, str(figures)
        assert figures.repeated == 0, str(figures)
        assert cut_off > 5 * count, f"{cut_off} calls cut off by {count} kills: hardly anything"
        expect_held(vitals, before, "the client")
        self.count("kills", count)
        self.count("calls", figures.calls)
        self.count("cut off", cut_off)
        self.keep_largest("s until the last of them had ended", round(settled, 3))
        self.keep_largest("s until the next success after the start", round(recovered, 3))
