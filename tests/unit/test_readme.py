"""The Python blocks of README.md, one after another, are a program that runs to its end."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"
PATIENCE = 40


def program() -> str:
    """The blocks, each at the line where it stands in README.md, so that tracebacks name it."""
    text = README.read_text("utf-8")
    source = ""
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        begins = text.count("\n", 0, block.start(1))
        source += "\n" * (begins - source.count("\n")) + block[1]
    return source


def test_the_tour_runs() -> None:
    code = f"exec(compile({program()!r}, {str(README)!r}, 'exec'))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE
    )
    assert run.returncode == 0, run.stderr
    assert "tcp://127.0.0.1:" in run.stdout
