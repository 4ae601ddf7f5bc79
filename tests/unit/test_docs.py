"""The Python blocks of each page of docs/, one after another, are a program that runs to its end.

``<!-- not run: why -->`` before a block leaves it out; ``<!-- run … -->`` holds what a page needs and does not show.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PATIENCE = 40
BLOCK = re.compile(
    r"^(?P<not_run><!-- not run: [^\n]+ -->\n)?```python\n(?P<shown>.*?)^```$|^<!-- run\n(?P<hidden>.*?)^-->$", re.M | re.S
)
PAGES = sorted(path.name for path in DOCS.glob("*.md") if "```python" in path.read_text("utf-8"))


def program(page: Path) -> str:
    """The blocks, each at the line where it stands in the page, so that tracebacks name it."""
    text = page.read_text("utf-8")
    source = ""
    for block in BLOCK.finditer(text):
        group = "shown" if block["shown"] is not None else "hidden"
        if block["not_run"]:
            continue
        source += "\n" * (text.count("\n", 0, block.start(group)) - source.count("\n")) + block[group]
    return source


@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page: str) -> None:
    code = f"exec(compile({program(DOCS / page)!r}, {page!r}, 'exec'))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr


def test_there_are_pages() -> None:
    assert len(PAGES) >= 10
