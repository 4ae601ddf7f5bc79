"""The options of `scripts/bench`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchlib.contestants import CONTESTANTS
from benchlib.pair import PLACEMENTS
from benchlib.workloads import WORKLOADS

GROWTH = ("callers", "connections", "idle")
CURVES = (*GROWTH, "blob-up", "blob-down", "blob-both")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure razorg beside the bare gevent loop and others. Ratios are taken within one repetition; "
        "absolute figures hold for this machine and this minute only.",
    )
    parser.add_argument("--reps", type=_positive_int, help="repetitions (5; 3 when quick, 7 with --guard)")
    parser.add_argument("--seconds", type=_positive_float, help="measured time of each run (0.7; 0.4 when quick)")
    parser.add_argument("--warmup", type=_positive_float, help="time before it (0.25; 0.2 when quick)")
    parser.add_argument("--quick", action="store_true", help="less of everything, under three minutes")
    parser.add_argument(
        "--full", action="store_true", help="all there is: --peers, the growth curves, --memory; about twenty minutes"
    )
    parser.add_argument("--peers", action="store_true", help="other libraries too; installs them into .venv-bench")
    parser.add_argument("--only", type=_names(WORKLOADS), metavar="W1,W2,…", help=", ".join(WORKLOADS))
    parser.add_argument(
        "--contestants", type=_names(CONTESTANTS), metavar="NAME,…", help=f"instead of all: {', '.join(CONTESTANTS)}"
    )
    parser.add_argument("--cores", choices=PLACEMENTS, default="apart", help="where server and client run (apart)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run and the summary there")
    parser.add_argument("--plots", type=Path, metavar="DIRECTORY", help="draw SVGs there; the published: docs/bench")
    modes = parser.add_argument_group("instead of comparing").add_mutually_exclusive_group()
    modes.add_argument(
        "--curves",
        nargs="?",
        const=",".join(CURVES),
        type=_names(dict.fromkeys(CURVES)),
        metavar="NAME,…",
        help=f"how cost grows: {', '.join(CURVES)}",
    )
    modes.add_argument("--memory", action="store_true", help="bytes for an idle connection and for a call in flight")
    modes.add_argument("--guard", metavar="COMMIT", help="razorg here against razorg there; 1 if it became slower")
    parser.add_argument("--compiled", action="store_true", help="--guard compares the compiled packages of both")
    modes.add_argument("--profile", action="store_true", help="where the time of a call goes, on both sides")
    modes.add_argument("--report", nargs="+", type=Path, metavar="RUN.json", help="Markdown of what --full has left")
    modes.add_argument("--floor", action="store_true", help="only show what the pieces of one bare call cost")
    options = parser.parse_args(arguments)
    options.peers = options.peers or options.full
    return options


def _names(known: dict[str, Any]) -> Any:
    def split(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",")]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return [name for name in known if name in names]

    return split


def _positive_int(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _positive_float(text: str) -> float:
    number = float(text)
    if not 0 < number <= 600:
        raise argparse.ArgumentTypeError("seconds, more than 0 and at most 600")
    return number
