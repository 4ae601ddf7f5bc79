"""Whatever bytes come, in whatever portions: what a reader made from PROTOCOL.md alone makes of them."""

from __future__ import annotations

from random import Random

import gevent
from support.mutants import PARSERS, Mutator, check_parser

from goals.goal import Goal


class Parser(Goal):
    number = 5
    name = "parser"
    promise = "bent frames give what PROTOCOL.md says, or RemoteProtocolError: whole, byte by byte, in portions"
    unit = "inputs"
    every_change = 200_000
    release = 100_000_000
    portion = 20_000

    def advance(self, count: int, seed: int) -> None:
        for side in PARSERS:
            rng = Random(f"{side} {seed}")
            mutator = Mutator(side, rng)
            frames = errors = partial = 0
            for number in range(count // 2):
                if number % 500 == 0:
                    gevent.sleep(0)  # whatever else lives in this process goes on
                data = mutator.stream()
                outcome = check_parser(side, data, mutator.splits(data))
                frames += len(outcome.frames)
                errors += outcome.is_error
                partial += outcome.is_partial
            self.count("inputs", count // 2)
            self.count("frames", frames)
            self.count("refused", errors)
            self.count("cut", partial)

    def verdict(self) -> str:
        inputs = self.figures["inputs"]
        for name in ("frames", "refused", "cut"):
            assert self.figures[name] > inputs // 20, f"hardly any {name}: the inputs are not varied"
        return super().verdict()
