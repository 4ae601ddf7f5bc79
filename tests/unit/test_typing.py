"""User code under mypy --strict and pyright strict: what must pass, and what must not."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SNIPPETS = ROOT / "tests" / "typing"
MARK = "# WRONG"
SECONDS = 50  # a pyright that cannot run offline tries for minutes


def skip(reason: str) -> Any:
    print(f"typing: {reason}")
    pytest.skip(reason)


def run(module: str, *args: str, cwd: Path) -> str:
    """What the tool prints, run where the repository's own settings do not reach."""
    if importlib.util.find_spec(module) is None:
        skip(f"{module} is not installed")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    try:
        done = subprocess.run(
            [sys.executable, "-m", module, *args], cwd=cwd, env=environment, timeout=SECONDS,
            capture_output=True, text=True, check=False,
        )
    except subprocess.TimeoutExpired:
        skip(f"{module} did not end within {SECONDS} s")
    if done.returncode not in (0, 1):
        skip(f"{module} cannot run: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def mypy(snippet: Path, folder: Path) -> dict[int, str]:
    """The errors in the snippet by line."""
    (folder / "mypy.ini").write_text("[mypy]\n[mypy-gevent.*,greenlet.*,msgpack.*]\nignore_missing_imports = true\n")
    output = run("mypy", "--strict", "--config-file", "mypy.ini", "--cache-dir", "cache",
                 "--python-version", "3.10", "--no-error-summary", "--follow-imports=silent",
                 str(snippet), cwd=folder)
    found = re.findall(rf"{re.escape(snippet.name)}:(\d+): error: (.*)", output)
    return {int(line): text for line, text in found}


def pyright(snippet: Path, folder: Path) -> dict[int, str]:
    """The errors in the snippet by line."""
    copy = folder / snippet.name  # it only looks inside its folder
    copy.write_text(snippet.read_text())
    settings = {"include": [copy.name], "extraPaths": [str(ROOT)], "pythonVersion": "3.10"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    output = run("pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder), cwd=folder)
    try:
        report = json.loads(output[output.index("{") :])
    except ValueError:
        skip(f"pyright cannot run: {output[-300:]}")
    assert report["summary"]["filesAnalyzed"] >= 1
    return {
        item["range"]["start"]["line"] + 1: item["message"]
        for item in report["generalDiagnostics"]
        if item["severity"] == "error" and item["file"].endswith(snippet.name)
    }


@pytest.mark.parametrize("check", [mypy, pyright])
def test_what_users_write_passes(check: Any, tmp_path: Path) -> None:
    assert check(SNIPPETS / "good.py", tmp_path) == {}


@pytest.mark.parametrize("check", [mypy, pyright])
def test_mistakes_are_found(check: Any, tmp_path: Path) -> None:
    snippet = SNIPPETS / "bad.py"
    lines = snippet.read_text().splitlines()
    expected = {number for number, line in enumerate(lines, 1) if MARK in line}
    assert len(expected) >= 25
    found = check(snippet, tmp_path)
    missed = [lines[number - 1].strip() for number in sorted(expected - set(found))]
    surplus = {number: text for number, text in found.items() if number not in expected}
    assert (missed, surplus) == ([], {})
