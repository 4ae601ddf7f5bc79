"""Recordings that are not whole, and those that were not written down to the end."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import msgpack
import pytest
from click.testing import CliRunner, Result
from support.peers import memory_url, wait_until
from support.typed import line_of, outcome, start

import razorg
from razorg.cli.main import cli
from razorg.cli.recording import Recorded, read, write, write_header
from razorg.wire.heads import FLAG_NUMBER, FLAG_OK

GOOD = [0.0, 3, b"\x05", None, FLAG_OK, b"\x05", None]


class Echo(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        respond.ok(request.decode(), request.blob)


@pytest.fixture
def server() -> Iterator[razorg.RpcServer]:
    with razorg.RpcServer(["tcp://127.0.0.1:0", memory_url()], dispatch=Echo()) as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Five calls that were answered well."""
    path = tmp_path / "calls.rec"
    with path.open("wb") as file:
        write_header(file, "somewhere")
        for _ in range(5):
            write(file, Recorded(*GOOD))
    return path


def replay(path: Path, server: razorg.RpcServer) -> Result:
    return CliRunner().invoke(cli, ["replay", str(path), server.addresses[1]])


def test_one_that_is_whole(recording: Path, server: razorg.RpcServer) -> None:
    result = replay(recording, server)
    assert (result.exit_code, result.stderr) == (0, "")
    assert re.match(r"5 calls in .*, 0 differ\n", result.stdout)


@pytest.mark.parametrize("damage, words", [
    (b"garbage", "no list of 7 fields"),
    (b"\0" * 100, "no list of 7 fields"),
    (b"\xc1", "damaged"),
    (b"\x81\x90\x00", "damaged"),  # a map whose key is a list
    (b"\x91" * 2000 + b"\x00", "damaged"),  # deep
    (msgpack.packb(GOOD[:6]), "no list of 7 fields"),
    (msgpack.packb({}), "no list of 7 fields"),
    *[
        (msgpack.packb([*GOOD[:place], value, *GOOD[place + 1:]]), words)
        for place, value, words in [
            (0, "now", "the time is 'now'"), (0, float("nan"), "the time is nan"), (1, None, "an action is"),
            (1, -1, "a numeric action is in"), (1, "a" * 5000, "an action of 5000 bytes"), (2, "text", "msg is a str"),
            (3, 1, "blob is a int"), (4, 3, "the flag is 3"), (4, [], "the flag is []"), (5, None, "answer is a NoneType"),
            (4, FLAG_NUMBER, "answer is a bytes"), (6, [], "answer_blob is a list"),
        ]
    ],
])
def test_one_that_is_damaged(recording: Path, server: razorg.RpcServer, damage: bytes, words: str) -> None:
    size = recording.stat().st_size
    recording.write_bytes(recording.read_bytes() + damage + msgpack.packb(GOOD))
    result = replay(recording, server)
    assert result.exit_code == 2
    assert re.match(r"5 calls in .*, 0 differ\n", result.stdout)
    assert result.stderr.startswith(f"razorg: {recording} is damaged at byte {size}, call 6: ")
    assert words in result.stderr and len(result.stderr.splitlines()) == 1


def test_one_that_a_crash_has_cut_off(recording: Path, server: razorg.RpcServer) -> None:
    whole = recording.read_bytes()
    size = len(whole)
    packed: Any = msgpack.packb(GOOD)
    for left in range(1, len(packed)):
        recording.write_bytes(whole + packed[:left])
        result = replay(recording, server)
        assert result.exit_code == 0
        assert re.match(r"5 calls in .*, 0 differ\n", result.stdout)
        assert result.stderr == f"razorg: {recording} is cut off in call 6, which begins at byte {size}\n"


def test_one_that_is_empty(recording: Path, server: razorg.RpcServer) -> None:
    recording.write_bytes(b"")
    result = replay(recording, server)
    assert (result.exit_code, result.stderr) == (2, f"razorg: {recording} is no recording of razorg\n")


def test_record_has_written_down_what_ended_and_sigterm_ends_it(server: razorg.RpcServer, tmp_path: Path) -> None:
    path = tmp_path / "calls.rec"
    process = start("record", "tcp://127.0.0.1:0", server.addresses[0], "--out", str(path))
    found = re.search(r"recording at (\S+)", line_of(process))
    assert found
    with razorg.connect(found[1]) as pool:
        for number in range(3):
            assert pool.send(3, number).get().msg == number
    wait_until(lambda: len(list(read(path))) == 3)
    process.send_signal(signal.SIGTERM)
    assert outcome(process) == (0, f"3 calls in {path}\n", "")


def test_where_a_call_begins_that_is_read_in_pieces(recording: Path, server: razorg.RpcServer) -> None:
    whole, big = recording.read_bytes(), [*GOOD[:2], b"\xc4\x00" + bytes(3_000_000), *GOOD[3:]]
    packed: Any = msgpack.packb(big)
    recording.write_bytes(whole + packed[:-1])
    assert replay(recording, server).stderr.endswith(f"cut off in call 6, which begins at byte {len(whole)}\n")
    recording.write_bytes(whole + packed[:-1] + b"\xc1")
    assert f"is damaged at byte {len(whole)}, call 6: " in replay(recording, server).stderr


def test_an_answer_that_is_an_empty_error_is_the_same_again(tmp_path: Path) -> None:
    class Refuses(razorg.Dispatch):
        def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
            respond.error(razorg.ErrorText("" if request.action == 1 else "no"))

    with razorg.RpcServer(["tcp://127.0.0.1:0", memory_url()], dispatch=Refuses()) as running:
        path = tmp_path / "calls.rec"
        process = start("record", "tcp://127.0.0.1:0", running.addresses[0], "--out", str(path), "--calls", "2")
        found = re.search(r"recording at (\S+)", line_of(process))
        assert found
        with razorg.connect(found[1]) as pool:
            for action in (1, 2):
                with pytest.raises((razorg.RazorError, razorg.ErrorText)):
                    pool.send(action).get().msg
        assert outcome(process)[0] == 0
        result = replay(path, running)
        assert (result.exit_code, result.stderr) == (0, "") and ", 0 differ" in result.stdout


def test_record_goes_on_when_it_had_no_descriptors(server: razorg.RpcServer, tmp_path: Path) -> None:
    code = (
        "import resource, runpy, sys; sys.argv[0] = 'razorg'; "
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); runpy.run_module('razorg', run_name='__main__')"
    )
    process = start(
        "record", "tcp://127.0.0.1:0", server.addresses[0], "--out", str(tmp_path / "calls.rec"), run=["-c", code]
    )
    found = re.search(r"recording at tcp://(\S+):(\d+)", line_of(process))
    assert found
    crowd = [socket.create_connection((found[1], int(found[2]))) for _ in range(60)]
    assert process.stderr is not None
    lines = iter(lambda: gevent.get_hub().threadpool.apply(process.stderr.readline), "")
    assert any(line.startswith("razorg: cannot accept: ") for line in lines)
    for one in crowd:
        one.close()

    def answers() -> bool:
        try:
            return bool(pool.send(3, 5).get().msg == 5)
        except razorg.RpcError:  # some of the crowd are still there
            return False

    with razorg.connect(f"tcp://{found[1]}:{found[2]}") as pool:
        wait_until(answers)
    process.send_signal(signal.SIGTERM)
    assert outcome(process)[0] == 0
