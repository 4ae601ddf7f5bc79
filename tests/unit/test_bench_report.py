"""`scripts/bench --report`: Markdown out of what runs have left, and nothing lost on the way."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))

from benchlib.goals import judge
from benchlib.report import markdown, table
from benchlib.schedule import Run
from benchlib.stats import summarize


def made(rate: float, **more: Any) -> dict[str, Any]:
    """What a full run leaves, of one repetition of W2."""
    runs = [
        Run("W2", name, 0, calls, 1.5, 2.5, calls=10, seconds=1.0, p50_ms=0.25, p99_ms=0.5)
        for name, calls in (("bare", 1000.0), ("razorg", rate), ("razorg-compiled", 2 * rate), ("mprpc", 100.0))
    ]
    lines = summarize(runs)
    return {
        "conditions": {"python": "3.99", "cores": 2, "load": "0.1 0.2 0.3"},
        "plan": {"repetitions": 5, "seconds": 0.7},
        "goals": [asdict(verdict) for verdict in judge(lines)],
        "summary": [asdict(line) for line in lines],
        "missing": {"zerorpc": "not there"},
        "failures": [],
        **more,
    }


def row_of(text: str, *starts: str) -> list[str]:
    """The cells of the one row that begins so."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    (found,) = [row for row in rows if tuple(row[: len(starts)]) == starts]
    return found


def test_goals_show_every_run_and_how_many_met_them() -> None:
    text = markdown([made(900.0), made(800.0), made(870.0)])
    assert row_of(text, "W2", "razorg", "≥ 0.85 × bare")[3:] == ["0.90", "0.80", "0.87", "**2** of 3"]
    assert row_of(text, "W2", "razorg-compiled", "≥ 1.25 × bare")[3:] == ["1.80", "1.60", "1.74", "**3** of 3"]
    assert row_of(text, "W2", "razorg", "≥ 3 × best Python peer")[3:] == ["9.00", "8.00", "8.70", "**3** of 3"]
    assert "W3" not in text.partition("## W2")[0]  # not measured


def test_lines_are_medians_over_the_runs() -> None:
    text = markdown([made(900.0), made(800.0), made(870.0)])
    assert row_of(text, "**razorg**") == ["**razorg**", "870", "0.250", "0.500", "1.50", "2.50", "0.87"]
    assert row_of(text, "bare")[-1] == ""
    assert "python 3.99 · cores 2" in text
    assert "0.1 0.2" not in text  # the load of a minute is no condition
    assert "- zerorpc is missing: not there" in text


def test_curves_and_memory_where_they_were_measured() -> None:
    points = [
        {"curve": "callers", "contestant": "razorg", "at": at, "calls_per_second": rate, "p99_ms": 1.0}
        for at, rate in ((10, 5000.0), (1000, 4000.0))
    ]
    memory = {"idle razorg": [{"server": 20_000, "client": 30_000}, {"server": 22_000, "client": 30_000}]}
    text = markdown([made(900.0, points=points, flatness=["falls by 1.25"], stalls=["no stall"], memory=memory)])
    assert row_of(text, "callers: calls/s") == ["callers: calls/s", "10", "1,000"]
    assert ["razorg", "5,000", "4,000"] in [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
    ]
    assert row_of(text, "idle razorg") == ["idle razorg", "21,000", "30,000"]
    assert "- falls by 1.25\n- no stall" in text
    assert "As work grows" not in markdown([made(900.0)])
    alone = markdown([made(900.0), {"conditions": {}, "points": points, "stalls": ["no stall"]}])
    assert "## As work grows" in alone
    assert "from one run of" in alone


def test_a_table_has_a_rule_after_its_head() -> None:
    assert table([["a", "b"], ["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
