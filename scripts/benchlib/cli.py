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
from benchlib.options import GROWTH, parse
from benchlib.pair import COMPILED_TREE
from benchlib.report import report
from benchlib.schedule import Plan, carry_out
from benchlib.stats import summarize
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
    if options.report:
        print(report(options.report), end="")
        return 0
    if options.floor:
        from benchlib.floor import print_floor

        print_floor()
        return 0
    print(conditions_line(), flush=True)
    status, content = 0, {"conditions": conditions()}
    try:
        for mode in _modes(options):
            failed, more = mode(options, progress)
            status = status or failed
            content.update(more)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    if options.json:
        options.json.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return status


Mode = Callable[[argparse.Namespace, Callable[[str], None]], tuple[int, dict[str, Any]]]


def _modes(options: argparse.Namespace) -> list[Mode]:
    """What is asked for, in turn; each is imported only then."""
    if options.guard:
        from benchlib import guard

        return [guard.main]
    from benchlib import curves, memory, profiling

    if options.curves or options.memory or options.profile or options.full:
        missing_modules(list(CONTESTANTS))  # builds what is built
    if options.full:
        options.curves = options.curves or list(GROWTH)
        return [_compare, curves.main, memory.main]
    if options.profile:
        return [profiling.main]
    if options.memory:
        return [memory.main]
    return [curves.main] if options.curves else [_compare]


def _compare(options: argparse.Namespace, progress: Callable[[str], None]) -> tuple[int, dict[str, Any]]:
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
        seconds=options.seconds or (0.4 if quick else 0.7),
        warmup=options.warmup or (0.2 if quick else 0.25),
        placement=options.cores,
        budget=QUICK_BUDGET_SECONDS if quick and not options.peers else None,
    )
    runs, failures = carry_out(plan, progress)
    lines = summarize(runs)
    progress("")
    print(f"\n{render(lines, failures, missing)}")
    verdicts = goals.judge(lines)
    print("\ngoals\n" + "\n".join(verdict.text() for verdict in verdicts))
    if options.plots:
        from benchlib.plots import draw_comparison

        draw_comparison(runs, options.plots)
    content = {
        "plan": asdict(plan),
        "missing": missing,
        "goals": [asdict(verdict) for verdict in verdicts],
        "summary": [asdict(line) for line in lines],
        "failures": [asdict(failure) for failure in failures],
        "runs": [{name: value for name, value in asdict(run).items() if name != "latencies"} for run in runs],
    }
    return 1 if failures else 0, content


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
    return {"python": platform.python_version(), **versions, "cpu": _cpu(), "cores": os.cpu_count(), "load": load}


def _cpu() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def conditions_line() -> str:
    """The same as one line."""
    return "  ".join(f"{name} {value}" for name, value in conditions().items())


def progress(text: str) -> None:
    """Say what is being done, on a line that is overwritten where there is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)
