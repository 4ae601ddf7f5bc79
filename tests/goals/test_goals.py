"""Every goal at the size of every change; conftest.py takes out those that run elsewhere."""

from __future__ import annotations

import pytest

from goals import all_goals
from goals.goal import Goal, Unable


@pytest.mark.timeout(180)
@pytest.mark.parametrize("goal", all_goals().values(), ids=lambda goal: goal.name)
def test_a_goal(goal: type[Goal]) -> None:
    if reason := goal.missing():
        pytest.skip(reason)
    try:
        with goal() as running:
            for count, seed in goal.portions(goal.every_change):
                running.advance(count, seed)
            print(f"\n{goal.number:2} {goal.name}: {running.verdict()}")
    except Unable as reason:
        pytest.skip(str(reason))
