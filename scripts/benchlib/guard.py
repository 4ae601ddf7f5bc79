"""`--guard COMMIT`: razorg of this tree against razorg of another commit, in turns; has it become slower?

Each repetition gives two ratios for each workload, both above 1 where the new one is better: calls/s new over old, and
CPU time a call (client and server) old over new, which others on the machine disturb less. Both sides are measured
within seconds of each other. A workload is slower when even the upper quartile of one of them is below
0.9: then three quarters of all repetitions saw a loss of more than a tenth, which noise that strikes both sides alike
does not make. A median below 0.95 with an upper quartile
below 1 is only said.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchlib import env
from benchlib.pair import SCRIPTS, PairFailed, measure_pair
from benchlib.schedule import rotated
from benchlib.stats import quartiles
from benchlib.table import columns
from benchlib.workloads import WORKLOADS

GUARDED = ("W1", "W2", "W3", "W4-blob", "W4-bytes", "W5")
REPETITIONS = 7
SECONDS, WARMUP = 1.0, 0.3
LOSS = 0.9
DOUBT = 0.95
NOT_MEASURED = 2
RATE, CPU = "calls/s", "CPU µs"


@dataclass(frozen=True)
class Judgement:
    """What the ratios of one quantity say (above 1 is better): `verdict` is "slower", "perhaps slower" or "holds"."""

    workload: str
    low: float
    lower_quartile: float
    median: float
    upper_quartile: float
    high: float
    verdict: str


def judge(workload: str, ratios: Sequence[float]) -> Judgement:
    """The judgement on at least one ratio."""
    lower, median, upper = quartiles(ratios)
    verdict = "holds"
    if upper < LOSS:
        verdict = "slower"
    elif median < DOUBT and upper < 1:
        verdict = "perhaps slower"
    return Judgement(workload, min(ratios), lower, median, upper, max(ratios), verdict)


#: The C library gives memory back when enough is free at the end of its heap, and takes it again for the next blob;
#: whether that happens depends on what lies behind, and so on changes that have nothing to do with it.
STEADY_MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(64 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}


def main(options: argparse.Namespace, progress: Callable[[str], None]) -> tuple[int, dict[str, Any]]:
    """Measure and print; (0 all hold, 1 something is slower, 2 it could not be measured; what goes into the JSON)."""
    names = options.only or GUARDED
    for name, value in STEADY_MALLOC.items():
        os.environ.setdefault(name, value)
    try:
        with checkout(options.guard) as old:
            measured = _measure(options, names, old, progress)
    except (PairFailed, RuntimeError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return NOT_MEASURED, {}
    progress("")
    judgements = []
    rows = [["workload", "quantity", "new", "old", "ratio", "quartiles", "min .. max", ""]]
    for name in names:
        for quantity, values in measured[name].items():
            ratios = [better / worse for better, worse in zip(values["new"], values["old"])]
            judgements.append(judge(f"{name} {quantity}", ratios))
            rows.append(_row(name, quantity, values, judgements[-1]))
    print(f"\nrazorg of this tree over razorg of {options.guard}; ratios above 1 are better\n" + columns(rows))
    content = {"guard": options.guard, "runs": measured, "judgements": [asdict(item) for item in judgements]}
    return 1 if any(judgement.verdict == "slower" for judgement in judgements) else 0, content


def _row(name: str, quantity: str, values: dict[str, list[float]], judgement: Judgement) -> list[str]:
    new, old = (quartiles(values[side])[1] for side in ("new", "old"))
    shown = [f"{new:,.0f}", f"{old:,.0f}"] if quantity == RATE else [f"{1e6 / new:.2f}", f"{1e6 / old:.2f}"]
    return [
        name,
        quantity,
        *shown,
        f"{judgement.median:.3f}",
        f"{judgement.lower_quartile:.3f} .. {judgement.upper_quartile:.3f}",
        f"{judgement.low:.3f} .. {judgement.high:.3f}",
        judgement.verdict,
    ]


def _measure(
    options: argparse.Namespace, names: Sequence[str], old: Path, progress: Callable[[str], None]
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """By workload, quantity and side: a number for each repetition, higher is better (CPU as calls for a second of it)."""
    trees = {"new": SCRIPTS.parent, "old": old}
    contestant = "razorg"
    if options.compiled:
        contestant = "razorg-compiled"
        trees = {side: _compiled(tree) for side, tree in trees.items()}
    for tree in trees.values():
        _check_import(tree)
    measured: dict[str, dict[str, dict[str, list[float]]]] = {
        name: {quantity: {"new": [], "old": []} for quantity in (RATE, CPU)} for name in names
    }
    repetitions = options.reps or REPETITIONS
    for repetition in range(repetitions):
        for name in names:
            for side in rotated(("new", "old"), repetition):
                progress(f"repetition {repetition + 1}/{repetitions}  {name}  {side}")
                result = measure_pair(
                    contestant,
                    WORKLOADS[name],
                    warmup=options.warmup or WARMUP,
                    seconds=options.seconds or SECONDS,
                    placement=options.cores,
                    tree=trees[side],
                )
                cpu = result["client_cpu_seconds"] + (result["server_cpu_seconds"] or 0)
                measured[name][RATE][side].append(result["calls"] / result["seconds"])
                measured[name][CPU][side].append(result["calls"] / cpu)
    return measured


def _compiled(tree: Path) -> Path:
    """The compiled package of a checkout; RuntimeError when there is none."""
    directory, reason = env.compiled_tree(tree)
    if reason:
        raise RuntimeError(f"razorg of {tree.name} cannot be compiled: {reason}")
    return Path(directory)


def _check_import(tree: Path) -> None:
    """RuntimeError unless a child for this tree imports the razorg of this tree."""
    done = subprocess.run(
        [sys.executable, "-c", "import razorg; print(razorg.__file__)"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
    )
    where = Path(done.stdout.strip() or ".")
    if done.returncode or tree.resolve() not in where.resolve().parents:
        raise RuntimeError(f"in {tree} another razorg is imported: {done.stdout}{done.stderr[-500:]}")


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """A worktree of that commit in a temporary directory, removed at the end; RuntimeError if there is no such commit."""
    root = SCRIPTS.parent
    if shutil.which("git") is None:
        raise RuntimeError("there is no git here")
    with tempfile.TemporaryDirectory(prefix="razorg-guard-") as directory:
        tree = Path(directory) / f"tree-{os.getpid()}-{time.monotonic_ns()}"  # git remembers worktrees by name
        done = subprocess.run(
            ["git", "-C", str(root), "worktree", "add", "--detach", "--quiet", str(tree), commit],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        try:
            yield tree
        finally:
            subprocess.run(["git", "-C", str(root), "worktree", "remove", "--force", str(tree)], check=False)
