"""RpcServer: what bounds it, and its end."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import gevent
import pytest
from gevent.event import Event
from support.peers import ScriptedClient, memory_url, request, wait_until
from test_server import Big, Echo, Gate, Keep, check_serves

import razorg
from razorg import (
    ClientStream,
    ConnectionLost,
    InternalError,
    LocalProtocolError,
    RpcServer,
    connect,
)


@pytest.mark.parametrize("limit", [1, 4])
def test_no_more_than_max_running_run_and_the_reader_stops(limit: int) -> None:
    gate = Gate()
    with RpcServer(memory_url(), dispatch=gate, max_running=limit) as server:
        with ScriptedClient(server.addresses[0]) as client:
            frames = b"".join(request(seq, 2, b"\x01", bytes(1000)) for seq in range(1, 1001))
            sending = gevent.spawn(client.send, frames)
            wait_until(lambda: gate.running == limit)
            for _ in range(100):
                gevent.sleep(0)
            assert gate.running == limit
            assert not sending.ready()  # back-pressure
            assert server.running <= limit + 70  # one read
            gate.gate.set()
            assert [reply.seq for reply in client.read_replies(1000)] == list(range(1, 1001))
            sending.get(timeout=5)
            assert (gate.most, gate.total) == (limit, 1000)


def test_answers_held_back_bound_the_handlers_too() -> None:
    keep = Keep()
    with RpcServer(memory_url(), dispatch=keep, max_running=3) as server:
        with ScriptedClient(server.addresses[0]) as client:
            client.send(b"".join(request(seq) for seq in range(1, 101)))
            for answered in range(97):
                wait_until(lambda: len(keep.kept) == 3)
                gevent.sleep(0)
                assert len(keep.kept) == 3
                keep.kept.pop(0).ok()
                assert client.read_reply().seq == answered + 1
            for respond in keep.kept:
                respond.ok()


def test_a_stuck_handler_does_not_keep_others_from_running() -> None:
    gate = Gate()

    class Both(razorg.Dispatch):
        def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
            if request.action == 9:
                gate.dispatch(request, respond)
            else:
                respond.ok(request.decode())

    with RpcServer(memory_url(), [Big()], dispatch=Both()) as server:
        with ClientStream(server.addresses[0]) as stream:
            stuck = stream.send(9, 1)
            assert stream.send(2, 5).get(timeout=5).msg == 5
            assert stream.send("Big.quick", 5).get(timeout=5).msg == 6
            gate.gate.set()
            assert stuck.get(timeout=5).msg == 1


def test_inline_methods_run_in_the_reader() -> None:
    ran: list[Any] = []

    @razorg.service
    class Where:
        @razorg.method(inline=True)
        def inline(self) -> None:
            ran.append(gevent.getcurrent())

        def worker(self) -> None:
            ran.append(gevent.getcurrent())

    with RpcServer(memory_url(), [Where()]) as server, connect(server.addresses[0]) as pool:
        where = pool.client(Where)
        where.inline(), where.worker(), where.inline()
        readers = set(server._sessions.values())
        assert [greenlet in readers for greenlet in ran] == [True, False, True]


def test_stop_lets_accepted_requests_end() -> None:
    gate = Gate()
    server = RpcServer(memory_url(), dispatch=gate)
    server.start()
    address = server.addresses[0]
    client, idle = ScriptedClient(address), ScriptedClient(address)
    client.send(request(1, 2, b"\x01") + request(2, 2, b"\x02"))
    idle.ping(1)
    wait_until(lambda: gate.running == 2)
    stopping = [gevent.spawn(server.stop) for _ in range(2)]
    idle.expect_eof()
    with pytest.raises(razorg.Unreachable):
        ClientStream(address)
    assert not client.has_input()
    assert not any(greenlet.ready() for greenlet in stopping)
    gate.gate.set()
    assert client.read_replies(2) == [(1, 0, b"\x01", b""), (2, 0, b"\x02", b"")]
    client.expect_eof()
    client.close(), idle.close()
    gevent.joinall(stopping, timeout=5, raise_error=True)
    assert all(greenlet.ready() for greenlet in stopping)
    assert gate.total == 2
    server.stop()
    assert "stopped" in repr(server)
    with pytest.raises(LocalProtocolError):
        server.start()


@pytest.mark.parametrize("first, second", [(1, 2), (2000, 1000)])
def test_while_a_slow_request_is_waited_for_its_connection_serves(first: int, second: int) -> None:
    keep = Keep()
    with RpcServer(memory_url(), dispatch=keep) as server, ScriptedClient(server.addresses[0]) as client:
        client.send(request(first) + request(second))
        wait_until(lambda: len(keep.kept) == 2)
        stopping = gevent.spawn(server.stop)
        wait_until(lambda: server.state == "stopping")
        client.ping(3)  # nobody takes the server for dead
        for seq in (4, 5):
            client.send(request(seq))
            wait_until(lambda: len(keep.kept) == 3)
            keep.kept.pop().ok(blob=bytes(100_000) if seq == 4 else b"")
            assert client.read_reply().seq == seq
        client.send(request(6))
        wait_until(lambda: len(keep.kept) == 3)
        keep.kept.pop(0).ok(blob=bytes(100_000))  # an answer in pieces is one, too
        assert client.read_reply().seq == first
        client.ping(7)  # the second is not answered
        keep.kept.pop(0).error("no")
        assert client.read_reply().seq == second
        client.send(request(8))  # too late: those are answered that were waited for
        for _ in range(20):
            gevent.sleep(0)
        assert len(keep.kept) == 1 and not stopping.ready()
        keep.kept.pop().ok()  # it was begun, so it is answered
        assert client.read_reply().seq == 6
        client.expect_eof()
        client.half_close()
        stopping.get(timeout=5)
    assert not keep.kept


def test_a_reader_that_waits_for_room_goes_on_in_a_stop() -> None:
    keep = Keep()
    with RpcServer(memory_url(), dispatch=keep, max_running=2) as server:
        with ScriptedClient(server.addresses[0]) as client:
            client.send(request(1) + request(2))
            wait_until(lambda: len(keep.kept) == 2)
            client.send(request(3))
            stopping = gevent.spawn(server.stop)
            wait_until(lambda: server.state == "stopping")
            keep.kept.pop().ok()
            assert client.read_reply().seq == 2
            wait_until(lambda: len(keep.kept) == 2)  # 3 is read and begun, while 1 is waited for
            keep.kept.pop().ok()
            assert client.read_reply().seq == 3
            keep.kept.pop().ok()
            assert client.read_reply().seq == 1
            client.expect_eof()
            client.half_close()
            stopping.get(timeout=5)


def test_stop_over_tcp_loses_no_reply_though_input_is_unread() -> None:
    gate = Gate()
    with RpcServer("tcp://127.0.0.1:0", dispatch=gate, max_running=1) as server:
        client = ScriptedClient(server.addresses[0])
        client.send(request(1, 2, b"\x01"))
        wait_until(lambda: gate.running == 1)
        client.send(request(2, 2, b"\x02") * 100)
        stopping = gevent.spawn(server.stop)
        wait_until(lambda: server.state == "stopping")
        gate.gate.set()
        assert client.read_reply() == (1, 0, b"\x01", b"")
        client.half_close()
        stopping.get(timeout=5)
        client.close()


@pytest.mark.parametrize("inline", [False, True])
def test_stop_kills_what_does_not_end_in_time(inline: bool) -> None:
    gate = Gate()
    gate.inline = inline
    server = RpcServer(memory_url(), dispatch=gate)
    server.start()
    with ClientStream(server.addresses[0]) as stream:
        future = stream.send(2)
        wait_until(lambda: gate.running == 1)
        started = time.monotonic()
        server.stop(timeout=0.01)
        assert time.monotonic() - started < 5
        assert gate.running == 0 and server.connections == 0
        with pytest.raises(ConnectionLost) as caught:
            future.get(timeout=5)
        assert caught.value.sent == "maybe"


def test_stop_before_start_and_start_twice() -> None:
    server = RpcServer(memory_url(), dispatch=Echo())
    server.stop()
    with pytest.raises(LocalProtocolError):
        server.start()
    with RpcServer(memory_url(), dispatch=Echo()) as server:
        with pytest.raises(LocalProtocolError):
            server.start()
        check_serves(server.addresses[0])


def test_a_server_that_was_stopped_before_its_start_ends_as_often_as_it_is_told() -> None:
    """As by a signal that comes while the program still reads its configuration."""
    server = RpcServer(memory_url(), dispatch=Echo())
    server.stop()
    server.stop()
    server.serve_forever()
    assert server.state == "stopped"


def test_an_address_is_free_again_at_once() -> None:
    with RpcServer("tcp://127.0.0.1:0", dispatch=Echo()) as server:
        address = server.addresses[0]
        check_serves(address)
    with RpcServer(address, dispatch=Echo()) as server:
        assert server.addresses == [address]
        check_serves(address)


def test_serve_forever_until_stop_from_another_greenlet() -> None:
    gate = Gate()
    server = RpcServer(memory_url(), dispatch=gate)
    serving = gevent.spawn(server.serve_forever)
    wait_until(lambda: server.addresses)
    client = ScriptedClient(server.addresses[0])
    client.send(request(1, 2, b"\x01"))
    wait_until(lambda: gate.running)
    stopping = gevent.spawn(server.stop)
    wait_until(lambda: server.state == "stopping")
    assert not serving.ready()  # it returns when all is done, not before
    gate.gate.set()
    assert client.read_reply().seq == 1
    client.close()
    gevent.joinall([serving, stopping], timeout=5, raise_error=True)
    assert serving.ready()


def test_stop_out_of_a_handler_does_not_hang() -> None:
    class Stops(razorg.Dispatch):
        def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
            server.stop()

    server = RpcServer(memory_url(), dispatch=Stops(), stop_timeout=1)
    with server, ClientStream(server.addresses[0]) as stream:
        with pytest.raises((InternalError, ConnectionLost)):
            stream.send(2).get(timeout=5)


def test_a_signal_that_comes_upon_the_greenlet_that_stops_does_not_hang() -> None:
    class Signalled(razorg.RpcServer):
        def _withdraw(self, timeout: float) -> None:
            self.stop()  # as a signal handler in the midst of it

    server = Signalled(memory_url(), dispatch=Keep())
    server.start()
    with gevent.Timeout(5, AssertionError("it waits for itself")):
        server.stop()
    assert server.state == "stopped"


def test_idle_connections_are_closed_and_busy_ones_are_not() -> None:
    gate = Gate()
    with RpcServer(memory_url(), dispatch=gate, idle_timeout=100) as server:
        idle, busy = ScriptedClient(server.addresses[0]), ScriptedClient(server.addresses[0])
        idle.ping(1)
        busy.send(request(1, 2, b"\x01"))
        wait_until(lambda: gate.running)
        now = time.monotonic()
        server.on_tick(now + 99)
        assert not idle.has_input()
        server.on_tick(now + 101)
        idle.expect_eof()
        assert not busy.has_input()
        gate.gate.set()
        assert busy.read_reply() == (1, 0, b"\x01", b"")
        busy.ping(2)
        idle.close(), busy.close()


def test_idle_workers_are_kept_for_reuse_and_trimmed() -> None:
    gate = Gate()
    with RpcServer(memory_url(), dispatch=gate) as server, ScriptedClient(server.addresses[0]) as client:
        client.send(b"".join(request(seq) for seq in range(1, 201)))
        wait_until(lambda: gate.running == 200)
        assert len(server._workers) >= 200
        gate.gate.set()
        client.read_replies(200)
        server.on_tick(time.monotonic())
        wait_until(lambda: len(server._workers) <= 64)
        made = set(server._workers._greenlets)
        client.send(b"".join(request(seq) for seq in range(201, 231)))
        client.read_replies(30)
        assert set(server._workers._greenlets) == made


EXITS = """
import sys, gevent, razorg

@razorg.service
class Exits:
    def end(self) -> None:
        sys.exit(7)

    @razorg.method(inline=True)
    def end_inline(self) -> None:
        sys.exit(7)

def call():
    with razorg.connect("memory://exits") as pool:
        pool.call("Exits." + sys.argv[1])

server = razorg.RpcServer("memory://exits", [Exits()])
server.start()
gevent.spawn(call)
try:
    server.serve_forever()
finally:
    print(server.state)
"""


@pytest.mark.parametrize("method", ["end", "end_inline"])
def test_sys_exit_in_a_handler_ends_the_server(method: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", EXITS, method], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout.strip()) == (7, "stopped"), ended.stderr
    assert "the handler of" in ended.stderr  # so it is known who did it


def test_stop_does_not_wait_for_a_handler_that_will_not_be_killed() -> None:
    running, may_end = Event(), Event()

    class Stubborn(razorg.Dispatch):
        def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
            running.set()
            while not may_end.is_set():
                try:
                    may_end.wait()
                except gevent.GreenletExit:
                    pass

    server = razorg.RpcServer("memory://stubborn", dispatch=Stubborn())
    server.start()
    with razorg.ClientStream("memory://stubborn") as stream:
        future = stream.send(2)
        running.wait()
        with gevent.Timeout(10):
            server.stop(0.05)
        with pytest.raises(razorg.ConnectionLost):
            future.get(timeout=5)
    may_end.set()
