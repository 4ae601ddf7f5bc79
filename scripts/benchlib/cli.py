"""The command line of `scripts/bench`."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchlib import env, goals, rust_side
from benchlib.contestants import CONTESTANTS
from benchlib.options import parse
from benchlib.pair import COMPILED_TREE
from benchlib.schedule import Failure, Plan, Run, carry_out
from benchlib.stats import Line, summarize
from benchlib.table import render
from benchlib.workloads import WORKLOADS

QUICK_BUDGET_SECONDS = 150.0
QUICK_WORKLOADS = ("W1", "W2", "W3", "W4-blob", "W4-bytes", "W5", "W6-8k")
QUICK_CONTESTANTS = (
    "bare",
    "bare-futures",
    "raw",
    "razorg",
    "razorg-msgspec",
    "razorg-plain",
    "razorg-untyped",
    "razorg-compiled",
    "rust",
)
PRINTED_VERSIONS = (
    *("gevent", "greenlet", "msgpack", "msgspec", "zerorpc", "pyzmq", "rpyc", "mprpc", "thriftpy2", "Pyro5"),
    *("grpcio", "protobuf", "requests"),
)


def main(arguments: Sequence[str]) -> int:
    """Run as asked and print the table; 0, or 1 if any measurement failed (`--guard`: or razorg became slower)."""
    options = parse(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a script ignores it otherwise
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every `with` gets to kill its children
    if options.plots and not importlib.util.find_spec("matplotlib"):
        print(
            "--plots needs matplotlib, which .venv-bench has: run scripts/bench without a venv of yours",
            file=sys.stderr,
        )
        return 2
    try:
        _special(options)
        return _compare(options)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except Finished as finished:
        return finished.status


class Finished(Exception):
    """A mode other than comparing has run."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _special(options: argparse.Namespace) -> None:
    """The modes besides comparing; each is imported only if asked for."""
    if options.floor:
        from benchlib.floor import print_floor

        print_floor()
        raise Finished(0)
    mode: Callable[[argparse.Namespace, Callable[[str], None]], int]
    if options.guard:
        from benchlib.guard import main as mode
    elif options.profile:
        from benchlib.profiling import main as mode
    elif options.memory:
        from benchlib.memory import main as mode
    elif options.curves:
        from benchlib.curves import main as mode

        missing_modules(list(CONTESTANTS))  # builds what is built
    else:
        return
    print(conditions_line(), flush=True)
    raise Finished(mode(options, progress))


def _compare(options: argparse.Namespace) -> int:
    quick = options.quick
    wanted = options.contestants or [
        name
        for name, contestant in CONTESTANTS.items()
        if (contestant.core and (not quick or name in QUICK_CONTESTANTS)) or (options.peers and not contestant.core)
    ]
    missing = missing_modules(wanted)
    plan = Plan(
        workloads=tuple(options.only or (QUICK_WORKLOADS if quick else WORKLOADS)),
        contestants=tuple(name for name in wanted if name not in missing),
        repetitions=options.reps or (3 if quick else 5),
        seconds=options.seconds or (0.4 if quick else 1.0),
        warmup=options.warmup or (0.2 if quick else 0.3),
        placement=options.cores,
        budget=QUICK_BUDGET_SECONDS if quick and not options.peers else None,
    )
    print(conditions_line(), flush=True)
    runs, failures = carry_out(plan, progress)
    lines = summarize(runs)
    progress("")
    print(f"\n{render(lines, failures, missing)}")
    verdicts = goals.judge(lines)
    print("\ngoals\n" + "\n".join(verdict.text() for verdict in verdicts))
    if options.json:
        content = {"plan": asdict(plan), "missing": missing, "goals": [asdict(verdict) for verdict in verdicts]}
        _write_json(options.json, content, runs, lines, failures)
    if options.plots:
        from benchlib.plots import draw_comparison

        draw_comparison(runs, options.plots)
    return 1 if failures else 0


def missing_modules(names: Sequence[str]) -> dict[str, str]:
    """The contestants that cannot take part, with the reason. Builds the Rust peer if one of them needs it."""
    missing: dict[str, str] = {}
    for name in names:
        for module in CONTESTANTS[name].needs:
            if module == "rust":
                reason = _need(rust_side.BINARY, env.rust_binary)
            elif module == "compiled":
                reason = _need(COMPILED_TREE, env.compiled_tree)
            else:
                reason = "" if importlib.util.find_spec(module) else env.why_missing(module)
            if reason:
                missing[name] = reason
    return missing


_reasons: dict[str, str] = {}


def _need(variable: str, build: Callable[[], tuple[str, str]]) -> str:
    """Leave in the environment, for the children, where the thing is that gets built; why it is not, or ""."""
    if variable not in _reasons:
        os.environ[variable], _reasons[variable] = build()
    return _reasons[variable]


def conditions() -> dict[str, Any]:
    """What the figures depend on."""
    versions = {}
    for name in PRINTED_VERSIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return {"python": platform.python_version(), **versions, "cores": os.cpu_count(), "load": load}


def conditions_line() -> str:
    """The same as one line."""
    return "  ".join(f"{name} {value}" for name, value in conditions().items())


def progress(text: str) -> None:
    """Say what is being done, on a line that is overwritten where there is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """The figures beside what they depend on."""
    content = {"conditions": conditions(), **content}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_json(
    path: Path, content: dict[str, Any], runs: Sequence[Run], lines: Sequence[Line], failures: Sequence[Failure]
) -> None:
    content["summary"] = [asdict(line) for line in lines]
    content["failures"] = [asdict(failure) for failure in failures]
    every = [{name: value for name, value in asdict(run).items() if name != "latencies"} for run in runs]
    write_json(path, {**content, "runs": every})
