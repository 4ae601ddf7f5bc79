"""Runs scripts/soak with goals made for its tests: ``python -m support.planted ARGUMENTS``.

They look for files in the directory ``PLANTED``: what was done is noted there.
"""

from __future__ import annotations

import os
import runpy
import time
from pathlib import Path

import goals
from goals.goal import Goal, Unable

FOLDER = Path(os.environ["PLANTED"])
PATIENCE = 30.0


class Sound(Goal):
    """Notes each portion; hangs in that of seed 4 while there is a file ``hang``."""

    number = 90
    name = "sound"
    promise = "units are counted"
    unit = "units"
    every_change = 10
    release = 60
    portion = 10

    def advance(self, count: int, seed: int) -> None:
        if seed == 4 and (FOLDER / "hang").exists():
            (FOLDER / "hangs").touch()
            time.sleep(PATIENCE)
        with (FOLDER / "done").open("a") as file:
            file.write(f"{seed} {count}\n")
        self.count("units", count)
        self.count("_sum of seeds", seed)
        self.keep_largest("seed", seed)
        time.sleep(0.01)

    def verdict(self) -> str:
        assert self.figures["units"] != 50, "fifty are too many"
        return f"{self.told()}, {self.figures['_sum of seeds']} in all"


class Broken(Sound):
    number = 91
    name = "broken"

    def advance(self, count: int, seed: int) -> None:
        assert seed != 3, "call 17 was lost"
        super().advance(count, seed)


class Crashing(Sound):
    number = 92
    name = "crashing"

    def advance(self, count: int, seed: int) -> None:
        raise ZeroDivisionError("the goal itself is wrong")


class Missing(Sound):
    number = 93
    name = "missing"

    @classmethod
    def missing(cls) -> str | None:
        return "there is no moon"


class TooBig(Sound):
    number = 94
    name = "toobig"

    def advance(self, count: int, seed: int) -> None:
        raise Unable("too small a machine")


if __name__ == "__main__":
    planted = [Sound, Broken, Crashing, Missing, TooBig]
    goals.all_goals = lambda: {goal.name: goal for goal in planted}
    runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "soak"), run_name="__main__")
