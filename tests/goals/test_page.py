"""The table of docs/reliability.md says of each goal what the goal says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from goals import all_goals
from goals.goal import Goal

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def rows() -> dict[int, list[str]]:
    """The cells of each row, by its number."""
    lines = (line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| "))
    return {int(cells[0]): cells for cells in lines if cells[0].isdigit()}


def test_every_row_is_there() -> None:
    assert list(rows()) == list(range(1, 21))


@pytest.mark.parametrize("row", all_goals().values(), ids=lambda goal: goal.name)
def test_a_row_says_what_the_goal_says(row: type[Goal]) -> None:
    _, _, every_change, release, where, measured = rows()[row.number]
    assert every_change == f"{row.every_change:,} {row.unit}"
    assert release == f"{row.release:,} {row.unit}"
    assert f"`{row.name}`" in where
    assert measured != "—"
