"""Servers and clients in processes of their own, which may do what they like with an input."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import gevent.subprocess
from support.hostile import Answer, Answering, Hostile, Seen, throw
from support.peers import ScriptedClient, request

import razorg

ROOT = Path(__file__).resolve().parents[2]
#: A target that wants more memory than this gets none.
CAP_BYTES = 6 * 2**30
#: Longer than razorg's read timeout.
WATCHED_SECONDS = 8.0
HEALTHY_SECONDS = 3.0
CLIENT_SECONDS = 12.0
CALL_SECONDS = 3

SERVER_CODE = """
import sys, gevent
from interop import actions
server = actions.stream_server("tcp://127.0.0.1:0")
print("LISTENING", server.addresses[0].removeprefix("tcp://"), flush=True)
gevent.get_hub().threadpool.apply(sys.stdin.read)
"""
CLIENT_CODE = """
import sys, json
import razorg
from interop import actions
try:
    with razorg.ClientStream(sys.argv[1], task_timeout=float(sys.argv[2])) as stream:
        got = stream.send(5, {"ms": 5, "id": 1}).get().decode(actions.Delay)
    text = "ok" if got == actions.Delay(5, 1) else f"value {got!r}"
except Exception as error:
    text = f"{type(error).__name__}: {str(error)[:120]}"
print(json.dumps({"got": text}))
"""


class Result(NamedTuple):
    """What a target did with an input."""

    outcome: str
    grown_bytes: int
    #: Whether it serves others while the hostile connection is there, and after it.
    is_well_during: bool
    is_well_after: bool
    has_panicked: bool
    has_ended: bool

    @property
    def is_well(self) -> bool:
        return self.is_well_after and not self.has_ended

    def cell(self) -> str:
        """For a table."""
        words = [self.outcome.replace("|", "/")]
        if self.has_panicked:
            words.append("**panicked**")
        if self.grown_bytes > 64 * 2**20:
            words.append(f"**+{self.grown_bytes / 2**20:,.0f} MiB**")
        if self.has_ended:
            words.append("**the process ended**")
        elif not self.is_well_after:
            words.append("**serves nobody any more**")
        elif not self.is_well_during:
            words.append("others waited")
        return "; ".join(words)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (CAP_BYTES, CAP_BYTES))


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError, TypeError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


def _is_well(address: str) -> bool:
    """Whether somebody who does nothing wrong gets an answer."""
    try:
        with gevent.Timeout(HEALTHY_SECONDS, False), ScriptedClient(f"tcp://{address}") as client:
            client.send(request(1, 6, b"\x2a"))
            return client.read_reply().msg == b"\x2a"
    except (OSError, AssertionError):
        pass
    return False


def at_server(command: list[str], item: Hostile) -> Result:
    """Throw the input at a server that this command starts."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            preexec_fn=_limit, env=_environment(),
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("LISTENING "), f"{command} said {line!r}"
            address = line.split()[1]
            _is_well(address)
            before, during = _peak(process.pid), [True]

            def look() -> None:
                gevent.sleep(0.3)
                during[0] = _is_well(address)

            looking = gevent.spawn(look)
            seconds = 3.0 if item.expected == "waits" else WATCHED_SECONDS
            seen = throw(f"tcp://{address}", item, seconds)
            looking.join()
            grown = max(_peak(process.pid) - before, 0)
            after = _is_well(address)
            ended = process.poll() is not None
            errors.seek(0)
            panicked = b"panicked" in errors.read()
            return Result(_outcome(seen), grown, during[0], after, panicked, ended)
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()


def _outcome(seen: Seen) -> str:
    if seen.answers:
        kinds = " ".join(dict.fromkeys(seen.answers))[:40]
        return f"{kinds} × {len(seen.answers):,}" if len(seen.answers) > 2 else kinds
    if seen.closed_after is None:
        return "waits"
    return "closed" if seen.closed_after < 2.0 else f"closed after {seen.closed_after:.0f} s"


def at_client(command: list[str], answer: Answer) -> Result:
    """Give the answer to a client that this command starts with an address."""
    with tempfile.TemporaryFile() as errors, Answering(answer) as server:
        process = gevent.subprocess.Popen(
            [part.replace("ADDRESS", server.address) for part in command], stdout=subprocess.PIPE, stderr=errors,
            preexec_fn=_limit, env=_environment(),
        )
        peak = 0
        waited = 0.0
        while process.poll() is None and waited < CLIENT_SECONDS:
            peak = max(peak, _peak(process.pid))
            gevent.sleep(0.02)
            waited += 0.02
        hung = process.poll() is None
        process.kill()
        output = process.communicate()[0].decode(errors="replace")
        errors.seek(0)
        panicked = b"panicked" in errors.read()
        if hung:
            outcome = "hangs" if waited >= CLIENT_SECONDS else "?"
        else:
            outcome = _told(output) or f"exit {process.returncode}, no word"
        # A client that does nothing needs this much.
        grown = max(peak - 48 * 2**20, 0)
        return Result(outcome, grown, True, True, panicked, False)


def _told(output: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        return ""
    said: dict[str, Any] = json.loads(lines[-1])
    text = str(said["got"])
    if said.get("ok"):
        return "ok"
    found = re.search(r"Err\((\w+(?:\([^)]{0,60}\))?)", text)
    return found[1] if found else text.split("; want")[0][:90]


def rust_server(binary: str) -> list[str]:
    return [binary, "stream-server", "127.0.0.1:0"]


def rust_client(binary: str) -> list[str]:
    return [binary, "stream-client", "ADDRESS", "--only", "delay.5", "--timeout-ms", str(CALL_SECONDS * 1000)]


def razorg_server() -> list[str]:
    return [sys.executable, "-c", SERVER_CODE]


def razorg_client() -> list[str]:
    return [sys.executable, "-c", CLIENT_CODE, "ADDRESS", str(CALL_SECONDS)]


VERSION = razorg.__version__
