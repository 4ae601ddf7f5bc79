"""``with razorg.deadline(…)``: what it bounds, and by how much."""

from __future__ import annotations

import contextvars
from time import monotonic
from typing import Any

import gevent
import pytest
from support.peers import ScriptedServer, memory_url
from support.threads import in_thread

import razorg


def silent() -> Any:
    return ScriptedServer("tcp://127.0.0.1:0")


@pytest.mark.parametrize("many", [False, True])
def test_it_bounds_blocking_calls(many: bool) -> None:
    with silent() as server, razorg.connect([server.address] if many else server.address) as pool:
        started = monotonic()
        with razorg.deadline(0.05), pytest.raises(razorg.CallTimeout) as caught:
            pool.call("A.b")
        assert monotonic() - started < 0.5 and caught.value.sent == "maybe"
        server.accept()
        pool.close(0)


def test_the_earliest_of_nested_ones_holds() -> None:
    with silent() as server, razorg.connect(server.address) as pool:
        for outer, inner, expected in ((0.05, 10, 0.05), (10, 0.05, 0.05)):
            started = monotonic()
            with razorg.deadline(outer), razorg.deadline(inner), pytest.raises(razorg.CallTimeout):
                pool.call("A.b")
            assert expected - 0.01 <= monotonic() - started < expected + 0.5
        server.accept()
        pool.close(0)


def test_a_shorter_timeout_of_the_call_holds() -> None:
    with silent() as server, razorg.connect(server.address) as pool:
        started = monotonic()
        with razorg.deadline(10), pytest.raises(razorg.CallTimeout, match=r"within 0.0[45]\d* s"):
            pool.call("A.b", timeout=0.05)
        assert monotonic() - started < 1
        server.accept()
        pool.close(0)


def test_what_starts_too_late_is_not_sent() -> None:
    with silent() as server, razorg.connect(server.address) as pool:
        stream = razorg.ClientStream(server.address)
        peer = server.accept()
        with razorg.deadline(0.01):
            gevent.sleep(0.02)
            for start in (lambda: pool.call("A.b"), lambda: pool.submit("A.b"), lambda: pool.send(2),
                          lambda: stream.send(2), lambda: stream.send(2, notify=print)):
                with pytest.raises(razorg.CallTimeout, match="deadline") as caught:
                    start()
                assert caught.value.sent == "no"
        assert stream.in_flight == pool.in_flight == 0
        stream.close()
        peer.expect_eof()


def test_futures_and_tasks_get_what_is_left() -> None:
    with silent() as server, razorg.connect(server.address) as pool:
        with razorg.deadline(5):
            futures = [pool.submit("A.b"), pool.send(2), pool.send(2, timeout=100), pool.send(2, timeout=1)]
        assert [4.9 < future.timeout <= 5 for future in futures[:3]] == [True] * 3
        assert futures[3].timeout == 1 and pool.send(2).timeout == 20
        server.accept()
        pool.close(0)


def test_it_holds_for_its_context_only() -> None:
    with silent() as server, razorg.connect(server.address) as pool:
        def timeout() -> float:
            return round(pool.send(2).timeout)

        with razorg.deadline(5):
            elsewhere = gevent.spawn(timeout).get()
            copied = gevent.spawn(contextvars.copy_context().run, timeout).get()
            here = timeout()
        assert (here, elsewhere, copied, timeout()) == (5, 20, 5, 20)
        server.accept()
        pool.close(0)


def test_it_can_be_used_again_and_ends_with_an_error() -> None:
    deadline = razorg.deadline(0.2)
    pool = razorg.connect(memory_url())
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), deadline:
            with deadline:
                1 / 0
    with pytest.raises(razorg.Unreachable):
        pool.call("A.b")


def test_native_threads_have_their_own() -> None:
    with silent() as server, razorg.connect(server.address) as pool:
        def call() -> None:
            with razorg.deadline(0.05):
                pool.call("A.b")

        with pytest.raises(razorg.CallTimeout):
            in_thread(call)
        server.accept()
        pool.close(0)


@pytest.mark.parametrize("seconds", [0, -1, None, "1", True, float("nan")])
def test_what_is_no_deadline(seconds: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        razorg.deadline(seconds)
