"""``razorg ARGUMENTS``, as typed into a shell: a process with pipes, and how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gevent

import razorg

ROOT = Path(razorg.__file__).parents[1]
PATIENCE = 20.0


def start(
    *arguments: str, stdout: Any = subprocess.PIPE, run: Sequence[str] = ("-m", "razorg"), **environment: str
) -> subprocess.Popen[str]:
    """In a session of its own; ``FOLDER`` is where it works."""
    return subprocess.Popen(
        [sys.executable, *run, *arguments], stdout=stdout, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, cwd=environment.get("FOLDER"), start_new_session=True,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    """What it prints next; blocks this greenlet only."""
    assert process.stdout is not None
    return str(gevent.get_hub().threadpool.apply(process.stdout.readline))


def ended(process: subprocess.Popen[str]) -> int:
    """Its exit code."""
    return outcome(process)[0]


def outcome(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code, and what it and its children had still to print; killed when they do not end."""
    try:
        out, err = gevent.get_hub().threadpool.apply(process.communicate, (None, PATIENCE))
    except BaseException:
        os.killpg(process.pid, 9)
        process.communicate()
        raise
    return process.returncode, out, err
