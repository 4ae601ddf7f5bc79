"""The printed table."""

from __future__ import annotations

from collections.abc import Sequence

from benchlib.schedule import Failure
from benchlib.stats import Line, Spread
from benchlib.workloads import WORKLOADS


def render(lines: Sequence[Line], failures: Sequence[Failure]) -> str:
    """Everything as text: a block for each workload, then the failures with their reasons."""
    blocks = []
    for name, workload in WORKLOADS.items():
        block_lines = [line for line in lines if line.workload == name]
        if block_lines:
            bases = [base for base in workload.bases if any(base in line.ratios for line in block_lines)]
            blocks.append(f"{name}  {workload.title}\n{_block(block_lines, bases)}")
    for failure in failures:
        where = f"{failure.workload} {failure.contestant}, repetition {failure.repetition + 1}"
        blocks.append(f"FAILED  {where}: {failure.reason}")
    return "\n\n".join(blocks)


def _block(lines: Sequence[Line], bases: Sequence[str]) -> str:
    head = ["contestant", "reps", "calls/s", "min .. max", "client µs", "server µs", *(f"/ {base}" for base in bases)]
    rows = [head, *(_row(line, bases) for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows
    )


def _row(line: Line, bases: Sequence[str]) -> list[str]:
    rate = line.calls_per_second
    return [
        line.contestant,
        str(line.repetitions),
        f"{rate.median:,.0f}",
        f"{rate.low:,.0f} .. {rate.high:,.0f}",
        f"{line.client_cpu_us:.2f}",
        "?" if line.server_cpu_us is None else f"{line.server_cpu_us:.2f}",
        *(_ratio(line.ratios.get(base)) for base in bases),
    ]


def _ratio(ratio: Spread | None) -> str:
    return "" if ratio is None else f"{ratio.median:.2f} ({ratio.low:.2f} .. {ratio.high:.2f})"
