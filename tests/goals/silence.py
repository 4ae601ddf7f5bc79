"""A server, or the link to it, falls silent without a word: calls end when their time is over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from support import namespaces
from support.history import History, ended
from support.load import Load, note, read
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually, verdict

import razorg
from goals.goal import Goal
from razorg.testing import ChaosProxy

TASK_SECONDS = 2.0
SETTLE_SECONDS = TASK_SECONDS + 2.0
RECOVERY_SECONDS = 2.0
#: So many calls are made in the silence before their ends are waited for: half a second's.
MADE = 200
#: More than the windows of a pool hold, before the first call is given up.
PER_SECOND = 400


class Silence(Goal):
    number = 11
    name = "silence"
    promise = "when a server is stopped, or a link half open or dead, every call ends at its timeout + 2 s at most"
    unit = "silences"
    every_change = 6  # all three kinds, and after each a second one with the same pool
    release = 200
    portion = 6
    is_heavy = True

    def __enter__(self) -> Silence:
        self._no_network = namespaces.missing("nft")
        return self

    def verdict(self) -> str:
        return super().verdict() + (f"; NO dead link: {self._no_network}" if self._no_network else "")

    def advance(self, count: int, seed: int) -> None:
        kinds = [self._stopped, self._half_open] + ([] if self._no_network else [self._dead])
        for kind in kinds:
            with TemporaryDirectory() as folder, Nodes(Path(folder)) as nodes:
                kind(nodes, max(count // len(kinds), 1))

    def _stopped(self, nodes: Nodes, count: int) -> None:
        history = History(answer_of)
        (node,) = nodes.start("a")
        with razorg.connect(node.address, task_timeout=TASK_SECONDS) as pool:
            self._fall_silent(pool, history, count, lambda _: node.stop(), lambda _: node.cont())
        verdict(history, [node])

    def _half_open(self, nodes: Nodes, count: int) -> None:
        """Sometimes the link heals and delivers what it has held back, sometimes it breaks."""
        history = History(answer_of)
        (node,) = nodes.start("a")
        with ChaosProxy(node.address) as proxy:

            def mend(turn: int) -> None:
                if turn % 2:
                    proxy.reset()
                proxy.resume()

            with razorg.connect(proxy.address, task_timeout=TASK_SECONDS) as pool:
                self._fall_silent(pool, history, count, lambda _: proxy.blackhole(), mend)
        verdict(history, [node])

    def _dead(self, nodes: Nodes, count: int) -> None:
        """A link on which each packet is lost, as when a cable is pulled out far away."""
        history = History(answer_of)
        with namespaces.Namespace() as space:
            (node,) = nodes.start("a", space=space)
            with razorg.connect(node.address, task_timeout=TASK_SECONDS) as pool:
                self._fall_silent(pool, history, count, lambda _: space.lose(1), lambda _: space.lose(0))
            verdict(history, [node])

    def _fall_silent(
        self, pool: razorg.ClientPool, history: History, count: int,
        fall_silent: Callable[[int], None], go_on: Callable[[int], None],
    ) -> None:
        """Keep up a load meanwhile; the same pool must work before, between and after."""
        witness = pool.client(Witness)
        kinds = [note(witness), read(witness, retries=0)]
        with Load(history, kinds, PER_SECOND, callers=100, patience=20):
            for turn in range(count):
                done = history.succeeded
                eventually(lambda: history.succeeded > done + 100, PATIENCE, "calls succeed")
                silent_at, begun = monotonic(), len(history.calls)
                fall_silent(turn)
                eventually(lambda: len(history.calls) >= begun + MADE, PATIENCE, "calls are made")
                made = [call for call in history.calls.values() if call.seconds_after(silent_at) > 0]
                eventually(ended(made), SETTLE_SECONDS, "calls end that were made in the silence")
                failed = [call for call in made if call.has_failed]
                assert len(failed) > 100, "there was hardly anything to lose"
                kinds_of_errors = {call.outcomes[0].kind for call in failed}
                assert kinds_of_errors <= {"CallTimeout", "ConnectionLost", "Unreachable"}, kinds_of_errors
                done, resumed_at = history.succeeded, monotonic()
                go_on(turn)
                eventually(lambda: history.succeeded > done, RECOVERY_SECONDS, "it works again")
                self.count("silences")
                self.count("calls that failed in them", len(failed))
                self.keep_largest("s until it works again", round(monotonic() - resumed_at, 3))
        slowest = max(call.seconds_after(0) for call in history.calls.values())
        self.keep_largest("s the slowest call", round(slowest, 2))
        assert slowest <= SETTLE_SECONDS, f"a call took {slowest:.2f} s"
