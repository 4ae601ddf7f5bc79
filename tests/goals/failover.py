"""Three servers, one of which is killed every two seconds: calls that may be repeated succeed."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from support.history import History
from support.killing import RECOVERY_SECONDS, Killing
from support.load import RETRIES, Load, read, slow
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, verdict
from support.vitals import expect_held, vitals

import razorg
from goals.goal import Goal

MODES = ("round_robin", "leader", "least_loaded")
PER_SECOND = 2_000
#: Of that rate, what must be reached for the rest to count.
RATE_SHARE = 0.9
SUCCESS = 0.9999


class Failover(Goal):
    number = 17
    name = "failover"
    promise = "of three servers one is killed every 2 s: 99.99 % of the calls that may be repeated succeed"
    unit = "seconds"
    every_change = 20
    release = 1_800
    portion = 7  # one mode after the other
    is_heavy = True

    def advance(self, count: int, seed: int) -> None:
        mode, history, before = MODES[seed % len(MODES)], History(answer_of), vitals()
        with TemporaryDirectory() as folder, Nodes(Path(folder)) as nodes:
            three = nodes.start("abc")
            addresses = [node.address for node in three]
            with razorg.connect(addresses, mode=mode, retry_limit=RETRIES) as pool:
                witness = pool.client(Witness)
                kinds = [read(witness, RETRIES)] * 9 + [slow(witness, 50, RETRIES)]
                with Load(history, kinds, PER_SECOND):
                    eventually(lambda: history.succeeded > PER_SECOND // 2, PATIENCE, "calls succeed")
                    killing = Killing(three, mode, count)
                    done = [node.executed for node in three]
                    pick = max if mode == "leader" else min
                    eventually(
                        lambda: pick(node.executed - number for node, number in zip(three, done)) > 20,
                        RECOVERY_SECONDS, f"all nodes are used: {pool!r}",
                    )
            figures = verdict(history, three)
            assert all(node.executed > 100 for node in three) or mode == "leader"
        made = figures.calls / (PER_SECOND * count)
        assert made >= RATE_SHARE, f"{mode}: {made:.0%} of the load were made, by this machine or by the pool"
        assert figures.repeated > killing.kills, f"{mode}: hardly anything was cut off"
        expect_held(vitals, before, "the client")
        self.count("kills", killing.kills)
        self.count("calls", figures.calls)
        self.count("failed", figures.calls - figures.succeeded)
        self.count("ran more than once", figures.repeated)
        self.keep_largest("s until a node was used again", round(max(killing.recoveries), 3))

    def verdict(self) -> str:
        share = 1 - self.figures["failed"] / self.figures["calls"]
        assert share >= SUCCESS, f"{share:.4%} succeeded: {self.told()}"
        return f"{self.told()}; {share:.4%} succeeded"
