"""The printed table."""

from __future__ import annotations

from collections.abc import Sequence

from benchlib.contestants import CONTESTANTS
from benchlib.schedule import Failure
from benchlib.stats import Line, Spread
from benchlib.workloads import WORKLOADS


def render(lines: Sequence[Line], failures: Sequence[Failure], missing: dict[str, str]) -> str:
    """Everything as text: a block for each workload, the notes, who is missing and why, then the failures."""
    blocks = []
    for name, workload in WORKLOADS.items():
        block_lines = [line for line in lines if line.workload == name]
        if block_lines:
            bases = [base for base in workload.bases if any(base in line.ratios for line in block_lines)]
            blocks.append(f"{name}  {workload.title}\n{_block(block_lines, bases)}")
    shown = dict.fromkeys(line.contestant for line in lines)
    notes = [f"  {name}: {CONTESTANTS[name].note}" for name in shown if CONTESTANTS[name].note]
    notes.append("  MB/s counts the payload once for each way it goes; ratios are of calls/s in the same repetition")
    blocks.append("\n".join(["notes", *notes]))
    blocks.extend(f"MISSING  {name}: {reason}" for name, reason in missing.items())
    for failure in failures:
        where = f"{failure.workload} {failure.contestant}, repetition {failure.repetition + 1}"
        blocks.append(f"FAILED  {where}: {failure.reason}")
    return "\n\n".join(blocks)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts as aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def _block(lines: Sequence[Line], bases: Sequence[str]) -> str:
    has_bytes = any(line.megabytes_per_second for line in lines)
    head = ["contestant", "reps", "calls/s", "min .. max", *(["MB/s"] if has_bytes else [])]
    head += ["p50 ms", "p99 ms", "client µs", "server µs", *(f"/ {base}" for base in bases)]
    return columns([head, *(_row(line, bases, has_bytes) for line in lines)])


def _row(line: Line, bases: Sequence[str], has_bytes: bool) -> list[str]:
    rate, bytes_rate = line.calls_per_second, line.megabytes_per_second
    return [
        line.contestant,
        str(line.repetitions),
        f"{rate.median:,.0f}",
        f"{rate.low:,.0f} .. {rate.high:,.0f}",
        *([f"{bytes_rate.median:,.0f}" if bytes_rate else ""] if has_bytes else []),
        "" if line.p50_ms is None else f"{line.p50_ms:.3f}",
        "" if line.p99_ms is None else f"{line.p99_ms:.3f}",
        f"{line.client_cpu_us:.2f}",
        "?" if line.server_cpu_us is None else f"{line.server_cpu_us:.2f}",
        *(_ratio(line.ratios.get(base)) for base in bases),
    ]


def _ratio(ratio: Spread | None) -> str:
    return "" if ratio is None else f"{ratio.median:.2f} ({ratio.low:.2f} .. {ratio.high:.2f})"
