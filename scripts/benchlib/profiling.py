"""`--profile`: where each microsecond of a call goes, on both sides.

Two runs of razorg: one counts how often each function runs (slowed down, so its batches differ), one looks each
millisecond which function runs and is hardly disturbed. The nanoseconds are the samples' share of the CPU time for each
call. A sample falls on a Python function, which also bears the C that it called; the event loop is gevent's `Hub.run`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePath
from typing import Any

from benchlib.pair import PairFailed, measure_pair
from benchlib.table import columns
from benchlib.workloads import WORKLOADS

WORKLOADS_PROFILED = ("W2", "W3")
SAMPLED_SECONDS, COUNTED_SECONDS = 8.0, 2.0
LEAST_SHARE = 0.004
SYSTEM_CALLS = ("send", "recv", "recv_into", "sendmsg")


@dataclass(frozen=True)
class Piece:
    """One function: `count` times a call, `nanoseconds` of each call, `share` of its side's CPU time."""

    side: str
    room: str
    name: str
    count: float
    nanoseconds: float
    share: float


def main(options: argparse.Namespace, progress: Callable[[str], None]) -> tuple[int, dict[str, Any]]:
    """Measure and print; (1 if it failed, else 0; what goes into the JSON)."""
    tables = {}
    for workload in options.only or WORKLOADS_PROFILED:
        try:
            progress(f"{workload}: counting")
            counted = _run(workload, "count", min(options.seconds or COUNTED_SECONDS, COUNTED_SECONDS), options)
            progress(f"{workload}: sampling")
            sampled = _run(workload, "sample", options.seconds or SAMPLED_SECONDS, options)
        except PairFailed as error:
            print(f"FAILED  {workload}: {error}", file=sys.stderr)
            return 1, {}
        progress("")
        tables[workload] = {side: pieces(side, counted, sampled) for side in ("client", "server")}
        rate = sampled["calls"] / sampled["seconds"]
        print(f"\n{workload}  {WORKLOADS[workload].title}: {rate:,.0f} calls/s while sampled")
        for side, found in tables[workload].items():
            cpu = sampled[f"{side}_cpu_seconds"] / sampled["calls"] * 1e6
            print(
                f"\n{side}: {cpu:.2f} µs of CPU a call\n{_rooms(found)}\n\n{_pieces(found)}\n{_c_calls(side, counted)}"
            )
    return 0, {"profile": {w: [asdict(p) for s in t.values() for p in s] for w, t in tables.items()}}


def _run(workload: str, how: str, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    contestant = (options.contestants or ["razorg"])[0]
    return measure_pair(
        contestant,
        replace(WORKLOADS[workload], title=how),
        warmup=0.5,
        seconds=seconds,
        placement=options.cores,
        task="benchlib.profile_child",
    )


def pieces(side: str, counted: dict[str, Any], sampled: dict[str, Any]) -> list[Piece]:
    """The functions of one side, the dearest first."""
    calls = {(file, name): count / counted["calls"] for file, name, count in counted[side]}
    samples = {(file, name): count for file, name, count in sampled[side]}
    total = sum(samples.values()) or 1
    cpu_ns = sampled[f"{side}_cpu_seconds"] / sampled["calls"] * 1e9
    found = [
        Piece(side, room_of(file), short_name(file, name), calls.get((file, name), 0.0), n / total * cpu_ns, n / total)
        for (file, name), n in samples.items()
    ]
    return sorted(found, key=lambda piece: -piece.nanoseconds)


def room_of(file: str) -> str:
    """The room of razorg that a file belongs to; else the package, or `bench`."""
    parts = PurePath(file).parts
    if "benchlib" in parts:
        return "bench"
    if "razorg" in parts:
        inside = parts[len(parts) - parts[::-1].index("razorg") :]
        return inside[0] if len(inside) > 1 else "razorg"
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    return PurePath(file).stem


def short_name(file: str, name: str) -> str:
    """`module: function`, without `<locals>`."""
    return f"{PurePath(file).stem}: {name.replace('.<locals>', '')}"


def _rooms(found: Iterable[Piece]) -> str:
    sums: dict[str, float] = {}
    shares: dict[str, float] = {}
    for piece in found:
        sums[piece.room] = sums.get(piece.room, 0) + piece.nanoseconds
        shares[piece.room] = shares.get(piece.room, 0) + piece.share
    rows = [[room, f"{sums[room]:,.0f}", f"{shares[room]:.1%}"] for room in sorted(sums, key=lambda room: -sums[room])]
    return columns([["room", "ns a call", "share"], *rows])


def _pieces(found: Sequence[Piece]) -> str:
    rows = [
        [piece.name, piece.room, f"{piece.nanoseconds:,.0f}", f"{piece.count:.3f}", f"{piece.share:.1%}"]
        for piece in found
        if piece.share >= LEAST_SHARE
    ]
    rest = sum(piece.share for piece in found if piece.share < LEAST_SHARE)
    rows.append(["all others", "", "", "", f"{rest:.1%}"])
    return columns([["piece", "room", "ns a call", "times a call", "share"], *rows])


def _c_calls(side: str, counted: dict[str, Any]) -> str:
    """How often builtins and C methods are called; those of sockets are the system calls."""
    found = sorted(
        ((count / counted["calls"], name) for file, name, count in counted[side] if file == "C"), reverse=True
    )
    texts = [f"{name} {times:.3f}" for times, name in found if times >= 0.05 or name.split(".")[-1] in SYSTEM_CALLS]
    return "  C, times a call: " + ", ".join(texts)
