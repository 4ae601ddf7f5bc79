"""What came of it, for readers."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from typing import Any, NamedTuple

from hostilelib.targets import CALL_SECONDS, CAP_BYTES, VERSION, Result

MEMORY_BYTES = 64 * 2**20


class Row(NamedTuple):
    """An input, and what both did."""

    side: str
    group: str
    name: str
    expected: str
    rust: Result
    razorg: Result


def chosen(table: Sequence[Any], only: str | None, is_quick: bool) -> list[Any]:
    """The inputs that are meant."""
    parts = only.split(",") if only else [""]
    items = [item for item in table if any(part in item.name or part in item.group for part in parts)]
    if not is_quick:
        return items
    seen: dict[str, int] = {}
    few = []
    for item in items:
        seen[item.group] = seen.get(item.group, 0) + 1
        if seen[item.group] <= 3:
            few.append(item)
    return few


def summary(rows: Sequence[Row]) -> str:
    """Counts, as a table of Markdown."""
    lines = ["| | Rust 0.8.0 server | razorg server | Rust 0.8.0 client | razorg client |", "|---|---:|---:|---:|---:|"]
    for text, test in (
        ("inputs", lambda result: True),
        ("panicked", lambda result: result.has_panicked),
        ("took more than 64 MiB", lambda result: result.grown_bytes > MEMORY_BYTES),
        ("others had to wait meanwhile", lambda result: not result.is_well_during),
        ("serves nobody afterwards, or has ended", lambda result: not result.is_well),
        ("the call never ended", lambda result: result.outcome == "hangs"),
    ):
        counts = [
            sum(test(getattr(row, who)) for row in rows if row.side == side)
            for side in ("server", "client") for who in ("rust", "razorg")
        ]
        lines.append(f"| {text} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def page(rows: Sequence[Row]) -> str:
    """The whole of docs/hostile.md."""
    lines = [
        "# Hostile input, beside the reference", "",
        f"The same bytes, thrown at servers and clients of the Rust crates 0.8.0 and of razorg {VERSION}; each with its defaults,",
        f"each input at a fresh process that may have {CAP_BYTES // 2**30} GiB. The crates are good work, and most of this is not",
        "what they are made for: they run among friends. The table is for those who choose limits, and for us, so that nothing",
        "gets worse unnoticed.", "",
        f"Made by `scripts/hostile --markdown docs/hostile.md` ({platform.python_implementation()} {platform.python_version()},"
        f" {platform.system()} {platform.machine()}). `tests/io/test_hostile.py` holds razorg to its column.", "",
        summary(rows), "",
        "*Waits*: the connection stays open for what was announced. *Others waited*: a healthy caller on another connection got",
        "no answer within 3 s meanwhile. Memory is the growth of the peak of resident memory.",
    ]
    for side, title, column in (
        ("server", "At a server", "sent"), ("client", f"At a client, as the answer to its first call (timeout {CALL_SECONDS} s)", "answered"),
    ):
        lines += ["", f"## {title}"]
        for group in dict.fromkeys(row.group for row in rows if row.side == side):
            lines += ["", f"### {group[0].upper()}{group[1:]}", "", f"| {column} | Rust 0.8.0 | razorg |", "|---|---|---|"]
            for row in rows:
                if (row.side, row.group) == (side, group):
                    lines.append(f"| {row.name} | {row.rust.cell()} | {row.razorg.cell()} |")
    return "\n".join(lines) + "\n"
