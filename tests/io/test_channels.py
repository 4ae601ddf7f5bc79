"""Tasks for the user's channel: ``send(notify=…)``."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from typing import Any

import gevent
import pytest
from gevent.queue import Queue
from support.peers import ScriptedServer, error, memory_url, reply, wait_until
from support.pools import part_of
from test_server import Echo
from test_stream import check_usable, linked

from razorg import CallTimeout, ClientStream, ConnectionLost, LocalProtocolError, RpcServer, connect

PROMPT = 1.0  # seconds, where the alternative is a timeout of 20


def test_tasks_arrive_on_their_channel_with_what_they_were() -> None:
    with linked(window=3) as (stream, peer):
        channel: Queue[Any] = Queue()
        tag = object()
        task = stream.send(2, {"a": 1}, blob=b"blob", notify=channel, tag=tag)
        failing, bad = stream.send("S.m", notify=channel), stream.send(4, notify=channel)
        assert (task.seq, task.action, task.msg, task.tag) == (1, 2, {"a": 1}, tag)
        assert (failing.seq, failing.action, failing.msg, failing.tag) == (2, "S.m", None, None)
        assert (task.reply, task.error, task.is_finished) == (None, None, False)
        with pytest.raises(LocalProtocolError):
            task.get()
        peer.send(reply(3, b"\xc1") + error(2, b"no") + reply(1, b"\x05", b"data"))
        assert [channel.get(timeout=5) for _ in range(3)] == [bad, failing, task]
        assert (task.get().msg, task.reply.msg, bytes(task.reply.blob)) == (5, 5, b"data")
        assert (task.error, failing.reply) == (None, None)
        assert str(failing.error) == "no"
        with pytest.raises(type(failing.error)):
            failing.get()
        for _ in range(3):
            peer.read_request()
        check_usable(stream, peer)


def test_a_callable_gets_tasks_too_and_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    with linked(window=2) as (stream, peer):
        done: list[Any] = []

        def failing(task: Any) -> None:
            raise ValueError("mine")

        stream.send(2, notify=failing), stream.send(3, notify=done.append)
        peer.send(reply(1) + reply(2))
        wait_until(lambda: done)
        assert done[0].action == 3
        assert "mine" in caplog.text
        peer.read_request(), peer.read_request()
        check_usable(stream, peer)
        with pytest.raises(LocalProtocolError, match="notify"):
            stream.send(2, notify=42)


def test_a_callable_that_raises_what_is_no_exception_gets_the_next_tasks_too(capfd: pytest.CaptureFixture[str]) -> None:
    with linked(window=3) as (stream, peer):
        told: list[int] = []

        def cancelled_once(task: Any) -> None:
            told.append(task.action)
            if len(told) == 1:
                raise asyncio.CancelledError

        for action in (2, 3):
            stream.send(action, notify=cancelled_once)
        peer.send(reply(peer.read_request().seq) + reply(peer.read_request().seq))
        wait_until(lambda: told == [2, 3])
        stream.send(4, notify=cancelled_once)
        peer.send(reply(peer.read_request().seq))
        wait_until(lambda: told == [2, 3, 4])
        assert "CancelledError" in capfd.readouterr().err  # the hub told it
        check_usable(stream, peer)


def test_a_full_channel_holds_permits_back_and_the_reader_goes_on() -> None:
    with linked(window=3) as (stream, peer):
        channel: Queue[Any] = Queue(maxsize=1)
        tasks = [stream.send(2, index, notify=channel) for index in range(3)]
        for _ in tasks:
            peer.send(reply(peer.read_request().seq))
        wait_until(lambda: all(task.is_finished for task in tasks))
        future = stream.send(3)  # one of three permits is free: that of the delivered task
        peer.send(reply(peer.read_request().seq, b"\x01"))
        assert future.get(timeout=5).msg == 1  # so the reader was not blocked
        future = stream.send(4)
        with pytest.raises(CallTimeout, match="window"):
            stream.send(5, timeout=0.01)
        assert [channel.get(timeout=5) for _ in range(3)] == tasks
        peer.send(reply(peer.read_request().seq))
        future.get(timeout=5)
        check_usable(stream, peer)


def test_a_full_channel_loses_nothing_when_the_connection_is_lost() -> None:
    with linked(window=5) as (stream, peer):
        channel: Queue[Any] = Queue(maxsize=1)
        tasks = [stream.send(2, notify=channel) for _ in range(5)]
        peer.send(reply(1) + reply(2))
        wait_until(lambda: tasks[1].is_finished)
        stream.send(3)  # takes the permit of the delivered task
        waiting = gevent.spawn(stream.send, 3)
        gevent.sleep(0)
        peer.close()
        with pytest.raises(ConnectionLost):
            waiting.get(timeout=PROMPT)
        got = [channel.get(timeout=5) for _ in range(5)]
        assert got == tasks
        assert [type(task.error) for task in got] == [type(None)] * 2 + [ConnectionLost] * 3


def test_a_channel_is_forgotten_with_its_last_task() -> None:
    with linked() as (stream, peer):
        done: list[Any] = []
        refs = []
        for _ in range(20):

            def target(task: Any) -> None:
                done.append(task.seq)

            refs.append(weakref.ref(target))
            stream.send(2, notify=target)
            peer.send(reply(peer.read_request().seq))
        del target
        wait_until(lambda: len(done) == 20)
        gevent.sleep(0)
        gc.collect()
        alive = [ref for ref in refs if ref() is not None]
        assert len(alive) <= 1, f"the stream keeps {len(alive)} targets of finished tasks"


def test_a_task_of_a_dropped_stream_still_ends() -> None:
    with ScriptedServer() as server:
        channel: Queue[Any] = Queue()
        task = ClientStream(server.address).send(2, notify=channel)
        peer = server.accept()
        peer.read_request()
        gc.collect()
        gevent.sleep(0)
        try:
            peer.send(reply(1))
        except OSError:
            pass  # closed: then the task ends with ConnectionLost
        assert channel.get(timeout=2) is task


@pytest.mark.parametrize("room", [1, 3])
def test_a_full_queue_behind_a_callable_loses_nothing(room: int) -> None:
    with RpcServer(memory_url(), dispatch=Echo()) as server, ClientStream(server.addresses[0], window=4) as stream:
        queue: Any = Queue(room)
        put = queue.put_nowait
        sending = gevent.spawn(lambda: [stream.send(2, number, notify=put) for number in range(20)])
        wait_until(queue.full)
        for _ in range(50):
            gevent.sleep(0)
        assert not sending.ready()  # those that wait keep their permits
        assert [queue.get(timeout=5).get().msg for _ in range(20)] == list(range(20))
        sending.get(timeout=5)


def test_the_time_to_wait_for_the_channel_is_the_calls_own() -> None:
    """Which has half of its time left when there is room; the peer it meets says nothing."""
    channel: Queue[Any] = Queue(maxsize=1)
    channel.put("full")
    with ScriptedServer() as server, connect([server.address], window=1, max_connections=1) as pool:
        busy = pool.send(1)  # the window is full
        with pytest.raises(CallTimeout):
            pool.send(2, notify=channel, timeout=0.01)
        part = part_of(pool)
        waiting = part._channels.of(channel, lambda: None)
        waiting._waiting.append(waiting_task := object())
        started = time.monotonic()

        def make_room() -> None:
            assert waiting._waiting.popleft() is waiting_task
            waiting._taken.set()

        gevent.spawn_later(0.3, make_room)
        with pytest.raises(CallTimeout, match="window"):
            pool.send(3, notify=channel, timeout=0.6)
        assert 0.55 < time.monotonic() - started < 0.85
        busy.cancel()
