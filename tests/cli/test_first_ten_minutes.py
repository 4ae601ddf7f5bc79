"""docs/first-ten-minutes.md, walked: its files are written, its commands typed, what they print is compared."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import razorg

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first-ten-minutes.md"
FOUND_IN = Path(razorg.__file__).parents[1]
STEP = re.compile(
    r'^(?P<note><!-- [^\n]+ -->\n)?```(?P<kind>python title="(?P<name>[^"]+)"|console)\n(?P<text>.*?)^```$', re.M | re.S
)
COMMAND = re.compile(r"^\$ (?P<command>[^\n]+)\n(?P<printed>(?:(?!\$ )[^\n]*\n)*)", re.M)
TOOLS = {"razorg": "-m razorg", "python": "", "mypy": "-m mypy"}
DONE = "<done"


def steps(ports: tuple[int, int]) -> Iterator[re.Match[str]]:
    text = PAGE.read_text("utf-8").replace("7700", str(ports[0])).replace("7701", str(ports[1]))
    for step in STEP.finditer(text):
        if not (step["note"] or "").startswith("<!-- not run"):
            yield step


class Shell:
    """A shell that stays, as a user's does, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        tools = folder / "tools"
        tools.mkdir()
        for name, how in TOOLS.items():
            (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {how} "$@"\n')
            (tools / name).chmod(0o755)
        environment = {
            **os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(FOUND_IN), "MYPYPATH": str(FOUND_IN),
            "PYTHONUNBUFFERED": "1", "COLUMNS": "200",
        }
        self._process = subprocess.Popen(
            ["bash"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )

    def type(self, command: str) -> str:
        """What it prints."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{command}\necho '{DONE}'\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line.startswith(DONE):
                break
            if not line.startswith("bash: "):  # that a job was killed
                lines.append(line.rstrip() + "\n")
        return "".join(lines)

    def close(self) -> None:
        os.killpg(self._process.pid, 9)
        self._process.communicate()


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for sock in (one, other):
            sock.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.timeout(180)
def test_the_page_as_it_stands(tmp_path: Path) -> None:
    ports = free_ports()
    shell = Shell(tmp_path)
    typed = 0
    try:
        for step in steps(ports):
            if step["name"]:
                (tmp_path / step["name"]).write_text(step["text"])
                continue
            for line in COMMAND.finditer(step["text"]):
                command, printed = line["command"], line["printed"]
                found = shell.type(command)
                typed += 1
                if " serve " in command:
                    port = int(re.findall(r"127\.0\.0\.1:(\d+)", command)[-1])
                    while not listens(port):
                        time.sleep(0.05)  # until pytest-timeout ends it
                elif step["note"]:
                    assert bool(found) == bool(printed), (command, found)
                    assert "Traceback" not in found
                else:
                    assert found == printed, command
    finally:
        shell.close()
    assert typed >= 18


def test_what_is_python_is_whole() -> None:
    names = [step["name"] for step in steps((7700, 7701)) if step["name"]]
    assert names == ["shop.py", "client.py", "wrong.py", "both.py"]
