"""Calls on one ClientStream: order, window, timeouts, cancelling, futures."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import gevent
import pytest
from gevent.event import Event
from support.peers import Peer, ScriptedServer, error, in_hub, number, reply, wait_until

from razorg import (
    CallTimeout,
    ClientStream,
    EncodeError,
    ErrorText,
    LocalProtocolError,
    MethodNotFound,
    Unreachable,
)

BLOCKING_BLOB = bytes(400_000)  # more than the memory transport holds
CALLERS = 2000


@contextmanager
def linked(**settings: Any) -> Iterator[tuple[ClientStream, Peer]]:
    with ScriptedServer() as server:
        stream = ClientStream(server.address, **settings)
        try:
            yield stream, server.accept()
        finally:
            stream.close(0)


def ask(stream: ClientStream, timeout: float | None = None, action: int = 2) -> Any:
    """A blocking call."""
    return stream.call(stream.raw_method(action), b"\xc0", None, timeout, monotonic())


def check_usable(stream: ClientStream, peer: Peer) -> int:
    """One more call works, with the whole window free; returns its seq."""
    assert stream.in_flight == 0
    futures = [stream.send(9, timeout=5) for _ in range(stream.config.window)]
    seqs = [peer.read_request().seq for _ in futures]
    peer.send(b"".join(reply(seq, b"\x07") for seq in seqs))
    assert [future.get(timeout=5).msg for future in futures] == [7] * len(futures)
    return seqs[0]


def test_a_request_is_registered_before_its_first_byte_leaves() -> None:
    with linked() as (stream, peer):
        conn: Any = stream._conn
        write, registered = conn.write, []

        def answer_before_returning(data: bytes) -> int:
            registered.append(stream.in_flight)
            taken = write(data)
            for _ in range(taken // 32):
                peer.send(reply(peer.read_request().seq, b"\x01"))
            return int(taken)

        conn.write = answer_before_returning
        alone = stream.send(2)
        assert registered == [1]
        burst = [alone, *(stream.send(2) for _ in range(9))]
        assert [future.get(timeout=5).msg for future in burst] == [1] * 10
        assert sum(registered) >= 10


def test_requests_leave_in_the_order_of_their_calls() -> None:
    with linked(client_id=77) as (stream, peer):
        for index in range(100):
            stream.send(index + 1, index, blob=bytes(20_000) if index % 10 == 5 else None)
        for index in range(100):
            got = peer.read_request()
            assert (got.seq, got.action, got.client_id, got.format) == (index + 1, index + 1, 77, 0)
            assert got.msg == bytes([index])


def test_replies_in_any_order_find_their_calls() -> None:
    with linked() as (stream, peer):
        futures = [stream.send(2) for _ in range(20)]
        callers = [gevent.spawn(ask, stream) for _ in range(20)]
        seqs = [peer.read_request().seq for _ in range(40)]
        peer.send(b"".join(reply(seq, bytes([seq])) for seq in reversed(seqs)))
        assert [future.get(timeout=5).msg for future in futures] == seqs[:20]
        assert [caller.get(timeout=5).msg for caller in callers] == seqs[20:]


def test_exactly_the_window_is_unanswered_and_every_caller_is_served() -> None:
    window = 8
    with linked(window=window) as (stream, peer):
        callers = [gevent.spawn(ask, stream) for _ in range(CALLERS)]
        for _ in range(CALLERS // window):
            seqs = [peer.read_request().seq for _ in range(window)]  # so many do come …
            assert not peer.has_input()  # … and no more
            assert stream.in_flight == window
            peer.send(b"".join(reply(seq, b"\x01") for seq in reversed(seqs)))
        gevent.joinall(callers, timeout=10, raise_error=True)
        assert [caller.value.msg for caller in callers] == [1] * CALLERS
        check_usable(stream, peer)


def test_a_call_that_finds_no_room_in_the_window_times_out_unsent() -> None:
    with linked(window=1) as (stream, peer):
        first = stream.send(2)
        for call in (stream.send, lambda action, timeout: ask(stream, timeout, action)):
            with pytest.raises(CallTimeout, match="window") as caught:
                call(3, timeout=0.01)
            assert caught.value.sent == "no"
            assert caught.value.method == "action 3"
            assert caught.value.address == stream.address
        peer.send(reply(peer.read_request().seq))
        first.get(timeout=5)
        assert check_usable(stream, peer) == 2  # nothing of the two was ever sent


def test_the_timeout_of_a_blocking_call_is_exact() -> None:
    with linked(window=2) as (stream, peer):
        started = time.monotonic()
        with pytest.raises(CallTimeout, match=r"0\.05 s") as caught:
            ask(stream, 0.05)
        assert 0.05 <= time.monotonic() - started < 0.5
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.sent == "maybe"
        peer.send(reply(peer.read_request().seq))  # late: dropped
        check_usable(stream, peer)


def test_the_ticker_ends_what_is_due_and_a_late_reply_is_dropped() -> None:
    with linked(window=2) as (stream, peer):
        due, later = stream.send(2, timeout=5), stream.send(3, timeout=10)
        stream.on_tick(due.deadline - 0.001)
        assert not due.done()
        stream.on_tick(due.deadline)
        assert due.done()
        assert not later.done()
        assert stream.in_flight == 1
        with pytest.raises(CallTimeout) as caught:
            due.get()
        assert (caught.value.method, caught.value.address) == ("action 2", stream.address)
        peer.send(reply(1, b"\x01") + reply(2, b"\x02"))
        assert later.get(timeout=5).msg == 2
        peer.read_request(), peer.read_request()
        check_usable(stream, peer)


@pytest.mark.parametrize("how", ["kill", "timeout"])
def test_a_caller_that_goes_away_leaves_the_stream_whole(how: str) -> None:
    with linked(window=1) as (stream, peer):

        def impatient() -> None:
            with gevent.Timeout(0.01 if how == "timeout" else None):
                ask(stream)

        caller = gevent.spawn(impatient)
        seq = peer.read_request().seq
        if how == "kill":
            caller.kill()
        else:
            with pytest.raises(gevent.Timeout):
                caller.get(timeout=5)
        assert stream.in_flight == 0
        peer.send(reply(seq, b"\x55"))
        check_usable(stream, peer)


def test_what_is_cancelled_before_it_was_written_is_never_sent() -> None:
    with linked(window=3, write_timeout=1000) as (stream, peer):
        first = stream.send(2, blob=BLOCKING_BLOB)
        second = stream.send(3)
        caller = gevent.spawn(ask, stream)
        wait_until(lambda: stream.in_flight == 3)
        assert second.cancel()
        caller.kill()
        with pytest.raises(CallTimeout) as caught:
            ask(stream, 0.01)
        assert caught.value.sent == "no"
        expired = stream.send(4, timeout=5)
        stream.on_tick(expired.deadline)
        with pytest.raises(CallTimeout) as caught:
            expired.get()
        assert caught.value.sent == "no"
        assert peer.read_request().blob == BLOCKING_BLOB
        peer.send(reply(1))
        first.get(timeout=5)
        assert check_usable(stream, peer) == 6


def test_cancel_ends_a_future_and_frees_its_permit() -> None:
    with linked(window=1) as (stream, peer):
        future = stream.send(2)
        assert not future.cancelled()
        assert future.cancel()
        assert future.cancelled()
        assert future.done()
        assert not future.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            future.get()
        peer.send(reply(peer.read_request().seq))
        check_usable(stream, peer)
        answered = stream.send(2)
        peer.send(reply(peer.read_request().seq))
        answered.get(timeout=5)
        assert not answered.cancel()
        assert not answered.cancelled()


def test_waiting_in_vain_leaves_a_future_running() -> None:
    with linked() as (stream, peer):
        future = stream.send(2)
        with pytest.raises(TimeoutError, match="action 2") as caught:
            future.result(timeout=0.01)
        assert not isinstance(caught.value, CallTimeout)
        with pytest.raises(gevent.Timeout):
            future.get(timeout=0.01)
        waiter = gevent.spawn(future.get)
        peer.read_request()
        waiter.kill()
        assert not future.done()
        assert "pending" in repr(future)
        peer.send(reply(1, b"\x2a"))
        assert future.result(timeout=5).msg == 42
        assert "done" in repr(future)


def test_callbacks_run_in_the_hub_and_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    with linked() as (stream, peer):
        future, ran = stream.send(2), Event()
        seen: list[Any] = []

        def failing(_: Any) -> None:
            raise ValueError("mine")

        future.add_done_callback(failing)
        future.add_done_callback(lambda done: seen.append((done, gevent.getcurrent())))
        gevent.sleep(0)
        assert seen == []
        peer.send(reply(1))
        future.get(timeout=5)
        future.add_done_callback(lambda _: ran.set())  # it has ended already
        assert ran.wait(5)
        assert seen == [(future, gevent.get_hub())]
        assert "mine" in caplog.text


def test_as_concurrent_ends_as_the_future_does() -> None:
    with linked() as (stream, peer):
        futures = [stream.send(2).as_concurrent() for _ in range(2)]
        peer.send(reply(1, b"\x05") + error(2, b"bad"))
        wait_until(lambda: all(future.done() for future in futures))
        assert concurrent.futures.wait(futures, timeout=0).not_done == set()
        assert futures[0].result(0).msg == 5
        assert isinstance(futures[1].exception(0), ErrorText)
        future = stream.send(2)
        other = future.as_concurrent()
        assert future.cancel()
        wait_until(other.done)
        assert other.cancelled() and concurrent.futures.wait([other], timeout=0).done == {other}


def test_errors_of_every_form_of_call_tell_where_they_happened() -> None:
    with linked() as (stream, peer):
        caller, task = gevent.spawn(ask, stream), stream.send(2, notify=[].append)
        future = stream.send(2)
        for _ in range(3):
            peer.send(error(peer.read_request().seq, b"rpc_method_notfound"))
        for get in (lambda: caller.get(timeout=5), lambda: future.get(timeout=5), task.get):
            with pytest.raises(MethodNotFound) as caught:
                get()
            assert (caught.value.sent, caught.value.method) == ("yes", "action 2")
            assert caught.value.address == stream.address


def test_what_cannot_be_sent_takes_no_permit_and_no_seq() -> None:
    with linked(window=1) as (stream, peer):
        for wrong, kind in (((-1,), LocalProtocolError), ((2, object()), EncodeError),
                            ((2, None, "text"), EncodeError), ((2**31,), LocalProtocolError)):
            with pytest.raises(kind):
                stream.send(*wrong)
        assert check_usable(stream, peer) == 1


def test_the_hub_may_send_but_not_wait() -> None:
    with linked(window=2) as (stream, peer):
        future = in_hub(lambda: stream.send(2))
        assert isinstance(in_hub(lambda: ask(stream)), LocalProtocolError)
        other = in_hub(lambda: stream.send(3))
        assert isinstance(in_hub(lambda: stream.send(4)), LocalProtocolError)
        peer.send(number(1, 5) + reply(2))
        with pytest.raises(OSError, match="Input/output"):
            future.get(timeout=5)
        other.get(timeout=5)


def test_nobody_listens() -> None:
    with pytest.raises(Unreachable) as caught:
        ClientStream("memory://nobody")
    assert (caught.value.sent, caught.value.address) == ("no", "memory://nobody")
