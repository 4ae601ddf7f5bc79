"""What razorg says of the process, and of hubs that were blocked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import gevent
import pytest
from support.peers import ScriptedServer, wait_until
from support.threads import in_thread

import razorg
from razorg.link import ticker, watch


def test_it_tells_versions_and_where_calls_run() -> None:
    found = razorg.diagnose()
    assert found.versions["razorg"] == razorg.__version__ and "gevent" in found.versions
    assert found.calls_run_in == "hub" and found.patched == () and found.patched_when == "no"
    assert in_thread(razorg.diagnose).calls_run_in == "I/O thread"
    assert "monkey-patched: no" in str(found) and found.forks == 0


@pytest.mark.parametrize("patch, problems", [
    ("patch_all()", []),
    ("patch_all(thread=False, queue=False)", ["only part of the process is patched; not: queue, threading"]),
])
def test_a_process_that_is_patched_has_no_problem_with_that(patch: str, problems: list[str]) -> None:
    program = f"from gevent import monkey; monkey.{patch}; import razorg; print(razorg.diagnose().problems)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == f"{problems}\n"


def test_it_tells_whether_the_hot_path_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    from razorg.wire import parser

    monkeypatch.setattr(parser, "__file__", "razorg/wire/parser.py")
    assert not razorg.diagnose().compiled and "hot path: pure Python" in str(razorg.diagnose())
    monkeypatch.setattr(parser, "__file__", "razorg/wire/parser.cpython-313-x86_64-linux-gnu.so")
    assert razorg.diagnose().compiled and "hot path: compiled" in str(razorg.diagnose())


def test_it_sees_a_loop_of_asyncio() -> None:
    async def main() -> razorg.Diagnosis:
        return razorg.diagnose()

    found = asyncio.run(main())
    assert found.has_asyncio_loop and any("razorg.aio" in problem for problem in found.problems)
    assert not razorg.diagnose().has_asyncio_loop


def block(seconds: float) -> int:
    """Do something that does not wait in gevent; the number of the line that does it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return block.__code__.co_firstlineno


def test_a_timeout_tells_that_the_hub_was_blocked_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "NOTICEABLE", 0.05)
    monkeypatch.setattr(watch, "NOTICEABLE", 0.05)
    monkeypatch.setattr(ticker, "TICK", 0.1)
    with ScriptedServer("tcp://127.0.0.1:0") as server, razorg.connect(server.address) as pool:
        pool.submit("A.b")
        in_thread(razorg.watch_blocking, 0.02)
        server.accept()
        gevent.spawn(block, 0.5)
        with pytest.raises(razorg.CallTimeout) as caught:
            pool.call("A.b", timeout=0.2)
        first = block.__code__.co_firstlineno
        text = str(caught.value)
        assert "the hub of this thread was blocked for 0." in text
        assert any(f"in test_diagnosis.py:{line}" in text for line in range(first, first + 5)), text
        found = razorg.diagnose()
        assert any("test_diagnosis.py" in blocked for blocked in found.blocked.values())
        pool.close(0)


def test_a_timeout_of_a_hub_that_was_not_blocked_says_nothing() -> None:
    with ScriptedServer("tcp://127.0.0.1:0") as server, razorg.connect(server.address) as pool:
        with pytest.raises(razorg.CallTimeout) as caught:
            pool.call("A.b", timeout=0.02)
        assert "blocked" not in str(caught.value)
        server.accept()
        wait_until(lambda: pool.in_flight == 0)
