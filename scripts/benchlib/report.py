"""`--report RUN.json …`: the Markdown of docs/performance-figures.md out of what full runs left in their JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchlib.contestants import CONTESTANTS
from benchlib.goals import Goal, wanted
from benchlib.workloads import WORKLOADS

Run = dict[str, Any]


def report(paths: Sequence[Path]) -> str:
    """The whole text, from one or more runs of the same plan."""
    return markdown([json.loads(path.read_text(encoding="utf-8")) for path in paths])


def markdown(runs: Sequence[Run]) -> str:
    """The same from their contents; those of `--curves` or `--memory` alone may be among them."""
    full = [run for run in runs if "summary" in run]
    parts = [_head(full), _goals(full), *_workloads(full), _curves(runs), _memory(runs), _missing(full)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(runs: Sequence[Run]) -> str:
    count = "one run" if len(runs) == 1 else f"{len(runs)} runs"
    known = " · ".join(f"{name} {value}" for name, value in runs[0]["conditions"].items() if name != "load")
    plan = runs[0]["plan"]
    return (
        f"# Figures\n\nMade by `scripts/bench --report` from {count} of `scripts/bench --full`: {plan['repetitions']} "
        f"repetitions a run, in each of which all contestants take turns, {plan['seconds']:g} s each. Values are medians "
        "over the runs' medians; ratios are taken within a repetition. What each contestant is stands in "
        f"[bench/README.md](bench/README.md), what the figures mean in [performance.md](performance.md).\n\n{known}"
    )


def _goals(runs: Sequence[Run]) -> str:
    verdicts = [{_key(verdict["goal"]): verdict for verdict in run["goals"]} for run in runs]
    rows = [["work", "of", "wanted", *(f"run {n}" for n, _ in enumerate(runs, 1)), "in"]]
    for key in verdicts[0]:
        goal = Goal(**verdicts[0][key]["goal"])
        found = [run[key] for run in verdicts if key in run and run[key]["value"] is not None]
        if found:
            met = sum(bool(verdict["met"]) for verdict in found)
            values = [f"{verdict['value']:.2f}" for verdict in found]
            rows.append([goal.workload, goal.of, wanted(goal), *values, f"**{met}** of {len(found)}"])
    return "## Goals\n\n" + table(rows)


def _key(goal: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(goal.values())


def _workloads(runs: Sequence[Run]) -> Iterable[str]:
    for name, workload in WORKLOADS.items():
        lines: dict[str, list[dict[str, Any]]] = {}
        for run in runs:
            for line in run["summary"]:
                if line["workload"] == name:
                    lines.setdefault(line["contestant"], []).append(line)
        if lines:
            yield f"## {name}: {workload.title}\n\n{_lines(lines, bool(workload.payload))}"


def _lines(lines: dict[str, list[dict[str, Any]]], has_bytes: bool) -> str:
    bases = list(dict.fromkeys(base for found in lines.values() for line in found for base in line["ratios"]))
    head = ["", "calls/s", *(["MB/s"] if has_bytes else []), "p50 ms", "p99 ms", "client µs", "server µs"]
    rows = [[*head, *(f"/ {base}" for base in bases)]]
    for name, found in lines.items():
        row = [f"**{name}**" if name.startswith("razorg") and ">" not in name else name]
        row.append(_median((line["calls_per_second"]["median"] for line in found), ",.0f"))
        if has_bytes:
            rates = (line["megabytes_per_second"] for line in found)
            row.append(_median((rate and rate["median"] for rate in rates), ",.0f"))
        row += [_median((line[what] for line in found), ".3f") for what in ("p50_ms", "p99_ms")]
        row += [_median((line[what] for line in found), ".2f") for what in ("client_cpu_us", "server_cpu_us")]
        row += [_median((line["ratios"].get(base, {}).get("median") for line in found), ".2f") for base in bases]
        rows.append(row)
    return table(rows)


def _curves(runs: Sequence[Run]) -> str:
    places: dict[tuple[str, str], dict[int, list[dict[str, Any]]]] = {}
    for run in runs:
        for point in run.get("points", ()):
            key = point["curve"], point["contestant"]
            places.setdefault(key, {}).setdefault(point["at"], []).append(point)
    parts = []
    for curve in dict.fromkeys(curve for curve, _ in places):
        mine = {name: at for (other, name), at in places.items() if other == curve}
        steps = sorted({step for at in mine.values() for step in at})
        for what, title, form in (("calls_per_second", "calls/s", ",.0f"), ("p99_ms", "p99 in ms", ".3f")):
            rows = [[f"{curve}: {title}", *(f"{step:,}" for step in steps)]]
            for name, at in mine.items():
                rows.append([name, *(_median((point[what] for point in at.get(step, ())), form) for step in steps)])
            parts.append(table(rows))
    verdicts = [f"- {text}" for run in runs for text in run.get("flatness", ())]
    stalls = dict.fromkeys(f"- {text}" for run in runs for text in run.get("stalls", ()))
    return "\n\n".join(["## As work grows", *parts, "\n".join([*verdicts, *stalls])]).rstrip() if parts else ""


def _memory(runs: Sequence[Run]) -> str:
    found: dict[str, list[dict[str, float]]] = {}
    for run in runs:
        for key, results in run.get("memory", {}).items():
            found.setdefault(key, []).extend(results)
    if not found:
        return ""
    rows = [["bytes each", "server", "client"]]
    for key, results in found.items():
        rows.append([key, *(_median((result[side] for result in results), ",.0f") for side in ("server", "client"))])
    return "## Memory\n\n" + table(rows)


def _missing(runs: Sequence[Run]) -> str:
    missing = {name: reason for run in runs for name, reason in run.get("missing", {}).items()}
    failures = [
        f"- {failure['contestant']} failed on {failure['workload']}: {failure['reason'].splitlines()[0]}"
        for run in runs
        for failure in run.get("failures", ())
        if isinstance(failure, dict)
    ]
    lines = [f"- {name} is missing: {reason}" for name, reason in missing.items()] + failures
    notes = [f"- {name}: {contestant.note}" for name, contestant in CONTESTANTS.items() if contestant.note]
    return "## Who is who\n\n" + "\n".join([*notes, *lines])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown: the first row is the head, the first column stands to the left, the others to the right."""
    rule = ["---", *("---:" for _ in rows[0][1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]])


def _median(values: Iterable[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return format(statistics.median(known), form) if known else ""
