"""The rest of a ClientStream's life: ping, flush, close, loss, being dropped, misuse."""

from __future__ import annotations

import gc
import threading
import time
from typing import Any

import gevent
import pytest
from support.peers import ScriptedServer, in_hub, reply, wait_until
from test_stream import BLOCKING_BLOB, ask, check_usable, linked

from razorg import CallTimeout, ClientStream, ConnectionLost, LocalProtocolError, connect

PROMPT = 1.0  # seconds, where the alternative is a timeout of 20


def test_ping_waits_for_its_pong_and_takes_no_permit() -> None:
    with linked(window=1) as (stream, peer):
        future = stream.send(2)
        pinging = gevent.spawn(stream.ping)
        peer.read_request()
        got = peer.read_request()
        assert (got.seq, got.action, got.msg, got.blob) == (2, 0, b"", b"")
        assert not pinging.ready()
        assert stream.in_flight == 1
        peer.send(reply(2))
        assert 0 <= pinging.get(timeout=5) < 5
        assert not future.done()
        with pytest.raises(CallTimeout) as caught:
            stream.ping(timeout=0.01)
        assert caught.value.address == stream.address
        peer.send(reply(peer.read_request().seq))  # a late pong
        peer.send(reply(1))
        future.get(timeout=5)
        assert check_usable(stream, peer) == 4


def test_ping_in_the_hub() -> None:
    with linked() as (stream, _):
        assert isinstance(in_hub(stream.ping), LocalProtocolError)


def test_flush_returns_when_the_kernel_has_all() -> None:
    with linked(write_timeout=1000) as (stream, peer):
        stream.flush()
        stream.send(2, blob=BLOCKING_BLOB), stream.send(3)
        flushing = gevent.spawn(stream.flush)
        assert peer.read_exact(1000)
        assert not flushing.ready()
        peer.read_exact(32 + len(BLOCKING_BLOB) - 1000)
        flushing.get(timeout=5)
        assert peer.read_request().action == 3
        stream.send(2, blob=BLOCKING_BLOB)
        flushing = gevent.spawn(stream.flush)
        wait_until(lambda: not flushing.ready() and flushing.started)
        peer.close()
        with pytest.raises(ConnectionLost):
            flushing.get(timeout=PROMPT)


def test_flush_does_not_say_of_a_stream_that_was_closed_that_all_was_written() -> None:
    with linked(write_timeout=1000) as (stream, _):
        stream.send(2, blob=BLOCKING_BLOB), stream.send(3)
        flushing = gevent.spawn(stream.flush)
        wait_until(lambda: flushing.started and not flushing.ready())
        stream.close(timeout=0)
        with pytest.raises(ConnectionLost, match="closed by this side"):
            flushing.get(timeout=PROMPT)
        with pytest.raises(ConnectionLost):
            stream.flush()


@pytest.mark.parametrize("end", ["cancel", "ping"])
def test_what_has_ended_does_not_wait_for_the_writer_without_bound(end: str) -> None:
    with linked(window=3, write_timeout=1000) as (stream, peer):
        stream.send(2, blob=BLOCKING_BLOB)
        assert peer.read_exact(1000)
        waiting = stream.send(3)
        for _ in range(5000):
            if end == "cancel":
                assert stream.send(4).cancel()
            else:
                with pytest.raises(CallTimeout):
                    stream.ping(timeout=0)
        assert stream.in_flight == 2
        assert len(stream._outbox._open or ()) < 1010
        peer.read_exact(32 + len(BLOCKING_BLOB) - 1000)
        assert peer.read_request().action == 3  # and nothing between
        peer.send(reply(1) + reply(2))
        assert waiting.get(timeout=5).msg is None


def test_close_lets_calls_in_flight_end() -> None:
    with linked() as (stream, peer):
        futures = [stream.send(2) for _ in range(3)]
        closings = [gevent.spawn(stream.close) for _ in range(2)]
        for _ in range(3):
            peer.read_request()
        for call in (stream.send, lambda action: ask(stream, action=action)):
            with pytest.raises(LocalProtocolError, match="closed"):
                call(2)
        with pytest.raises(LocalProtocolError, match="closed"):
            stream.ping()
        peer.send(reply(1, b"\x01") + reply(2, b"\x02"))
        assert futures[1].get(timeout=5).msg == 2
        assert not closings[0].ready()
        peer.send(reply(3, b"\x03"))
        gevent.joinall(closings, timeout=5, raise_error=True)
        assert futures[2].get(timeout=5).msg == 3
        peer.expect_eof()
        assert stream.is_closed
        stream.close()
        assert "closed" in repr(stream)
        with pytest.raises(LocalProtocolError, match="closed"):
            stream.send(2)


def test_close_ends_what_is_not_answered_in_its_time() -> None:
    with linked(window=1) as (stream, peer):
        future, waiting = stream.send(2), gevent.spawn(stream.send, 3)
        wait_until(lambda: waiting.started)
        stream.close(timeout=0.01)
        with pytest.raises(ConnectionLost, match="closed by this side"):
            future.get(timeout=5)
        with pytest.raises(LocalProtocolError, match="closed"):
            waiting.get(timeout=5)
        assert peer.read_request().seq == 1
        peer.expect_eof()


def test_close_in_the_hub_waits_for_nothing() -> None:
    with linked(write_timeout=1000) as (stream, _):
        first, second = stream.send(2, blob=BLOCKING_BLOB), stream.send(3)
        gevent.sleep(0)
        assert in_hub(stream.close) is None
        for future, sent in ((first, "maybe"), (second, "no")):
            with pytest.raises(ConnectionLost) as caught:
                future.get(timeout=5)
            assert caught.value.sent == sent
    with linked(write_timeout=1000) as (stream, _):
        future = stream.send(2, blob=BLOCKING_BLOB)
        gevent.sleep(0)
        future.cancel()  # nothing in flight, and still something to write
        assert in_hub(stream.close) is None


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_lost_connection_ends_every_call_promptly(how: str) -> None:
    with ScriptedServer("tcp://127.0.0.1:0") as server:
        stream = ClientStream(server.address, window=4)
        peer = server.accept()
        future, task = stream.send(2), stream.send(3, notify=[].append)
        caller, pinging = gevent.spawn(ask, stream), gevent.spawn(stream.ping)
        for _ in range(4):
            peer.read_request()
        stream.send(4)
        waiting = gevent.spawn(stream.send, 5)
        peer.read_request()
        started = time.monotonic()
        peer.close() if how == "close" else peer.reset()
        for get, sent in ((lambda: future.get(timeout=5), "maybe"), (caller.get, "maybe"),
                          (task.get, "maybe"), (pinging.get, "maybe"), (waiting.get, "no")):
            with pytest.raises(ConnectionLost) as caught:
                get()
            assert caught.value.sent == sent
            assert caught.value.address == stream.address
        assert time.monotonic() - started < PROMPT
        assert stream.is_closed
        assert stream.in_flight == 0
        with pytest.raises(ConnectionLost) as caught:
            stream.send(2)
        assert caught.value.sent == "no"
        stream.close()


def test_what_was_queued_behind_a_blocked_write_says_that_it_was_not_sent() -> None:
    with linked(write_timeout=1000) as (stream, peer):
        futures = [stream.send(2, blob=BLOCKING_BLOB), stream.send(3), stream.send(4)]
        peer.read_exact(10)
        peer.close()
        for future, sent in zip(futures, ("maybe", "no", "no")):
            with pytest.raises(ConnectionLost) as caught:
                future.get(timeout=5)
            assert caught.value.sent == sent


@pytest.mark.parametrize("what", ["reads", "sends"])
def test_a_peer_that_stops_in_the_middle_is_cut_by_the_ticker(what: str) -> None:
    with linked(read_timeout=5, write_timeout=5) as (stream, peer):
        future = stream.send(2, blob=BLOCKING_BLOB if what == "reads" else None, timeout=100)
        if what == "sends":
            peer.send(reply(1, b"\x01")[:7])
        wait_until(lambda: (stream._reader._frame_since or stream._writer._blocked_since) is not None)
        now = time.monotonic()
        stream.on_tick(now + 4)
        assert not future.done()
        stream.on_tick(now + 30)
        with pytest.raises(ConnectionLost, match="read" if what == "reads" else "frame"):
            future.get(timeout=5)


@pytest.mark.parametrize("state", ["idle", "answered", "in flight"])
def test_a_dropped_stream_closes_its_connection(state: str) -> None:
    with ScriptedServer("tcp://127.0.0.1:0") as server:
        for made in (ClientStream, connect):
            user: Any = made(server.address)
            future = user.send(2) if state != "idle" or made is connect else None
            peer = server.accept()
            if future is not None:
                peer.read_request()
                if state != "in flight":
                    peer.send(reply(1))
                    future.get(timeout=5)
            del user, future
            gc.collect()
            if state == "in flight":  # the call that still runs may keep it
                peer.send(reply(1))
            peer.expect_eof()


@pytest.mark.parametrize("use", ["send", "ping", "close"])
def test_another_thread_is_told_to_keep_away(use: str) -> None:
    with linked() as (stream, peer):
        raised: list[BaseException] = []
        uses = {"send": lambda: stream.send(2), "ping": lambda: stream.ping(timeout=0.1), "close": lambda: stream.close(0.1)}

        def run() -> None:
            try:
                uses[use]()
            except BaseException as error:
                raised.append(error)
            finally:
                gevent.get_hub().destroy(destroy_loop=True)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert [type(error) for error in raised] == [LocalProtocolError]
        assert "thread" in str(raised[0])
        check_usable(stream, peer)


def test_a_batch_that_fails_as_a_whole_was_not_sent() -> None:
    with linked() as (stream, peer):
        futures = [stream.send(2)]  # at once; the others in one batch
        peer.read_request()

        def write(data: Any) -> int:
            raise BrokenPipeError("gone")

        conn: Any = stream._conn
        conn.write = write
        futures += [stream.send(2) for _ in range(3)]
        for future, sent in zip(futures, ("maybe", "no", "no", "no")):
            with pytest.raises(ConnectionLost) as caught:
                future.get(timeout=5)
            assert caught.value.sent == sent
