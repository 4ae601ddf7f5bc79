"""Forks, and the end of the interpreter: real processes, which run ``support/fork_programs.py``."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import gevent
import gevent.event
import pytest
from gevent.socket import wait_read
from support.fork_programs import Fork
from support.nodes import eventually
from support.peers import PATIENCE

import razorg

pytestmark = [
    pytest.mark.timeout(30),
    pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc"),
]

SETTINGS = ["unpatched", "patched"]
#: Python 3.12 and later say so of every fork of a process with threads.
FORKS_KNOWN = "ignore:This process:DeprecationWarning"
#: How long a process may take to end.
END_SECONDS = 3.0


def wait_until(condition: Callable[[], Any]) -> None:
    eventually(condition, PATIENCE, "it never came true")


class Serving(Fork):
    """The service of the programs, in this process, which counts what it runs."""

    def __init__(self) -> None:
        self.gate = gevent.event.Event()
        self.runs: Counter[int] = Counter()

    def double(self, value: int) -> int:
        return 2 * value

    def wait(self, number: int) -> int:
        self.runs[number] += 1
        self.gate.wait()
        return number

    def read(self, number: int) -> int:
        return self.wait(number)

    def open(self) -> None:
        self.gate.set()


class Program:
    """A program of ``support.fork_programs`` that runs; killed at the end if it still does."""

    def __init__(self, setting: str, name: str, *arguments: str, flags: tuple[str, ...] = ()) -> None:
        paths = [str(Path(razorg.__file__).parents[1]), str(Path(__file__).parents[1])]
        self._process = subprocess.Popen(
            [sys.executable, *flags, "-m", "support.fork_programs", setting, name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONWARNINGS": FORKS_KNOWN},
            start_new_session=True,
        )
        self.pid = self._process.pid
        self._reading = gevent.spawn(self._read_errors)

    def _read_errors(self) -> str:
        assert self._process.stderr is not None
        data = b""
        while True:
            wait_read(self._process.stderr.fileno())
            more = os.read(self._process.stderr.fileno(), 65536)
            data += more
            if not more:
                return data.decode()

    def line(self) -> str:
        """The next line that it prints; "" at its end."""
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            wait_read(self._process.stdout.fileno(), PATIENCE, AssertionError("it prints nothing"))
            more = os.read(self._process.stdout.fileno(), 1)
            if not more:
                break
            line += more
        return line.decode().strip()

    def go_on(self) -> None:
        """Let it go on after ``await_word``."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def end(self, status: int = 0) -> str:
        """Wait for its end; what it wrote to standard error."""
        wait_until(lambda: self.has_ended)
        errors = self._reading.get(timeout=PATIENCE)
        assert self._process.returncode == status, f"status {self._process.returncode}\n{errors}"
        return str(errors)

    def succeed(self) -> None:
        """Wait for its end, with status 0 and without a word."""
        errors = self.end()
        assert errors == "", errors

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self.pid, 9)
        except ProcessLookupError:
            pass
        self._process.wait()
        self._reading.get(timeout=PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def served() -> Iterator[tuple[Serving, razorg.RpcServer]]:
    service = Serving()
    with razorg.RpcServer("tcp://127.0.0.1:0", [service]) as server:
        try:
            yield service, server
        finally:
            service.gate.set()


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("how", ["_exit", "sys.exit", "exception", "close", "thread", "failed", "killed"])
def test_the_parent_goes_on_whatever_the_child_does(how: str, setting: str, served: Any) -> None:
    service, server = served
    with Program(setting, "parent_goes_on", how, server.addresses[0]) as program:
        errors = program.end()
    if how == "exception":
        assert errors.count("Traceback") == 1 and "on purpose" in errors
    else:
        assert errors == ""
    assert set(service.runs.values()) == {1} and len(service.runs) == 18
    wait_until(lambda: server.connections == 0)


def test_the_server_sees_the_end_though_a_child_lives(setting: str, served: Any) -> None:
    server = served[1]
    with Program(setting, "child_does_nothing", server.addresses[0]) as program:
        assert program.line() == "closed", program.end()
        wait_until(lambda: server.connections == 0)
        program.go_on()
        program.succeed()


def test_all_that_waits_fails_at_once_in_the_child(setting: str, served: Any) -> None:
    service, server = served
    with Program(setting, "child_loses_all", server.addresses[0]) as program:
        program.succeed()
    assert set(service.runs.values()) == {1}, service.runs


def test_all_of_a_native_thread_fails_at_once_in_its_child(setting: str, served: Any) -> None:
    """Whose os.fork() returns, whatever the user's callbacks wait for."""
    service, server = served
    with Program(setting, "native_child_loses_all", server.addresses[0]) as program:
        program.succeed()
    assert set(service.runs.values()) == {1}, service.runs


@pytest.mark.parametrize("form", ["future", "task"])
def test_what_looks_for_another_address_fails_at_once_in_the_child(form: str, setting: str, served: Any) -> None:
    service, server = served
    with gevent.socket.socket() as closes:
        closes.bind(("127.0.0.1", 0))
        closes.listen()

        def close_each() -> None:
            while True:
                conn, _ = closes.accept()
                conn.recv(100)
                conn.close()

        closing = gevent.spawn(close_each)
        address = f"tcp://127.0.0.1:{closes.getsockname()[1]}"
        try:
            with Program(setting, "native_child_loses_traveller", form, server.addresses[0], address) as program:
                assert program.line() == "open", program.end()
                service.gate.set()
                program.succeed()
        finally:
            closing.kill()


def test_a_ping_fails_at_once_in_the_child(setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        with Program(setting, "child_loses_ping", f"tcp://127.0.0.1:{deaf.getsockname()[1]}") as program:
            program.succeed()


def test_a_child_repeats_no_calls_of_its_parent(setting: str) -> None:
    services = [Serving(), Serving()]
    one, two = (razorg.RpcServer("tcp://127.0.0.1:0", [service]) for service in services)
    with one, two:
        with Program(setting, "child_repeats_nothing", *one.addresses, *two.addresses) as program:
            wait_until(lambda: any(service.gate.is_set() for service in services) or program.has_ended)
            for service in services:
                service.gate.set()
            program.succeed()
    runs = services[0].runs + services[1].runs
    assert sorted(runs) == [0, 1, 2, 3, 10, 11, 12, 13] and set(runs.values()) == {1}, runs
    assert all(service.runs for service in services)


PLACES = [
    "main greenlet", "greenlet", "gevent.fork", "with the I/O thread", "native thread",
    "native thread that never called", "grandchild", "grandchild of an idle child",
]  # fmt: skip


@pytest.mark.parametrize("where", PLACES)
def test_a_fork_anywhere(where: str, setting: str, served: Any) -> None:
    server = served[1]
    with Program(setting, "fork_anywhere", where, server.addresses[0]) as program:
        program.succeed()
    wait_until(lambda: server.connections == 0)


def test_many_forks_leave_nothing(setting: str, served: Any) -> None:
    with Program(setting, "many_forks", served[1].addresses[0]) as program:
        program.succeed()


def test_workers_of_multiprocessing(served: Any) -> None:
    with Program("unpatched", "workers", served[1].addresses[0]) as program:
        program.succeed()


def test_a_stream_is_closed_in_the_child(setting: str, served: Any) -> None:
    with Program(setting, "stream_in_child", served[1].addresses[0]) as program:
        program.succeed()
    assert served[0].runs == {1: 1, 2: 1}


def test_the_memory_transport_in_the_child(setting: str) -> None:
    with Program(setting, "memory_in_child") as program:
        program.succeed()


def test_unix_sockets_in_the_child(setting: str, tmp_path: Path) -> None:
    service = Serving()
    with razorg.RpcServer(f"unix://{tmp_path}/fork.sock", [service]) as server:
        for arguments in (["fork_anywhere", "native thread"], ["parent_goes_on", "close"]):
            with Program(setting, *arguments, server.addresses[0]) as program:
                program.succeed()
        wait_until(lambda: server.connections == 0)
    assert set(service.runs.values()) == {1}


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_a_server_stays_with_the_parent(scheme: str, setting: str, tmp_path: Path) -> None:
    address = "tcp://127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/parent.sock"
    with Program(setting, "server_in_parent", address) as program:
        address = program.line()
        with razorg.connect(address) as old, razorg.ClientStream(address) as stream:
            assert old.client(Fork).double(1) == 2
            waiting = stream.send("Fork.wait", 1)
            assert stream.ping() >= 0
            program.go_on()
            parent = program.line()
            assert parent == str(program.pid), program.end()
            for _ in range(20):  # each with a new connection
                with razorg.connect(address) as new:
                    assert new.client(Fork).process() == program.pid
                assert old.client(Fork).process() == program.pid
            old.client(Fork).open()
            assert waiting.get(timeout=PATIENCE).decode(int) == 1
            program.go_on()
            assert program.line() == "stopped"
            wait_until(lambda: stream.is_closed)  # though the child lives
            with pytest.raises(razorg.Unreachable):
                razorg.ClientStream(address)
            program.go_on()
            assert program.line() == "ended"
        program.succeed()


def test_socket_files_stay_with_the_parent(setting: str, tmp_path: Path) -> None:
    with Program(setting, "socket_files", str(tmp_path)) as program:
        program.succeed()


def test_a_handler_that_forks(setting: str) -> None:
    with Program(setting, "fork_in_handler", "tcp://127.0.0.1:0") as program:
        with razorg.connect(program.line()) as pool:
            assert pool.client(Fork).wait(7) == 7 and pool.client(Fork).double(2) == 4
            program.go_on()
            program.succeed()


def test_handlers_end_in_the_child_without_a_word(setting: str) -> None:
    with Program(setting, "handlers_in_child") as program:
        program.succeed()


ENDS = {"end": 0, "global": 0, "exit 3": 3, "error": 1, "atexit": 0, "late atexit": 7, "closed": 0, "exit in greenlet": 3}


@pytest.mark.parametrize("flags", [(), ("-X", "dev")], ids=["", "dev"])
@pytest.mark.parametrize("how", ENDS)
def test_the_interpreter_ends(how: str, flags: tuple[str, ...], setting: str, served: Any) -> None:
    service, server = served
    with Program(setting, "ends", how, server.addresses[0], flags=flags) as program:
        wait_until(lambda: sum(service.runs.values()) >= 11 or program.has_ended)
        started = monotonic()
        errors = program.end(ENDS[how])
        assert monotonic() - started < END_SECONDS
    assert errors.count("Traceback") == (how == "error"), errors
    service.gate.set()  # it still waits for the calls that the process has left
    wait_until(lambda: server.connections == 0)


@pytest.mark.parametrize("flags", [(), ("-X", "dev")], ids=["", "dev"])
def test_a_child_ends(flags: tuple[str, ...], setting: str, served: Any) -> None:
    with Program(setting, "ends_in_child", served[1].addresses[0], flags=flags) as program:
        errors = program.end()
    assert "Traceback" not in errors, errors
    served[0].gate.set()
    wait_until(lambda: served[1].connections == 0)
