"""A stream against a model of it: any order of calls, answers, cancels, kills and timeouts.

The server is scripted, so that the model says what comes when.
"""

from __future__ import annotations

from typing import Any

import gevent
import msgpack
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from support.peers import ScriptedServer, error, number, reply

import razorg

WINDOW = 4


def settle() -> None:
    for _ in range(12):
        gevent.sleep(0)


class Pending:
    """A call as the model knows it."""

    def __init__(self, kind: str, value: int) -> None:
        self.kind, self.value = kind, value
        self.future: Any = None
        self.greenlet: Any = None
        self.seq: int | None = None
        self.expected: Any = None  # its outcome, once that is known

    @property
    def outcome(self) -> Any:
        """What has become of it; None as long as it runs."""
        if self.greenlet is not None:
            if not self.greenlet.ready():
                return None
            return self.greenlet.value if self.greenlet.successful() else self.greenlet.exception
        if not self.future.ready():
            return None
        return self.future.value.msg if self.future.successful() else self.future.exception


class StreamModel(RuleBasedStateMachine):
    sent = Bundle("sent")  # calls that the server has read, and that were not answered

    @initialize()
    def connect(self) -> None:
        self.server = ScriptedServer()
        accepting = gevent.spawn(self.server.accept)
        self.stream = razorg.ClientStream(self.server.address, window=WINDOW, task_timeout=600)
        self.peer = accepting.get(5)
        self.calls: list[Pending] = []
        self.waiting: list[Pending] = []  # for a permit, in order
        self.open: list[Pending] = []  # with a permit
        self.value = 0
        self.answered_seqs: list[int] = []

    def teardown(self) -> None:
        if not hasattr(self, "stream"):
            return
        self.stream.lose(ConnectionError("the end of the model"))
        settle()
        for call in self.calls:
            assert call.outcome is not None, f"{call.kind} {call.value} never ended"
        gevent.killall([call.greenlet for call in self.calls if call.greenlet is not None])
        self.server.close()
        settle()

    def admit(self) -> list[Pending]:
        """Those of the waiting for whom there is a permit now."""
        admitted = []
        while self.waiting and len(self.open) < WINDOW:
            call = self.waiting.pop(0)
            self.open.append(call)
            admitted.append(call)
        return admitted

    def read(self, calls: list[Pending]) -> Any:
        """The requests of these calls arrive, in order."""
        settle()
        for call in calls:
            request = self.peer.read_request()
            assert msgpack.unpackb(request.msg) == call.value
            call.seq = request.seq
        return multiple(*calls)

    @rule(target=sent)
    def begin_a_future(self) -> Any:
        if len(self.open) >= WINDOW or self.waiting:
            return multiple()  # it would block
        self.value += 1
        call = Pending("future", self.value)
        call.future = self.stream.send(5, self.value)
        self.calls.append(call)
        self.open.append(call)
        return self.read([call])

    @rule(target=sent)
    def begin_a_blocking_call(self) -> Any:
        self.value += 1
        call = Pending("blocking", self.value)
        value = self.value

        def block() -> Any:
            return self.stream.send(5, value).get().msg

        call.greenlet = gevent.spawn(block)
        self.calls.append(call)
        self.waiting.append(call)
        return self.read(self.admit())

    @rule(target=sent, call=consumes(sent), how=st.sampled_from(["ok", "number", "text"]))
    def answer(self, call: Pending, how: str) -> Any:
        if call not in self.open:
            return multiple()
        assert call.seq is not None
        frame = {
            "ok": reply(call.seq, msgpack.packb([call.value])),
            "number": number(call.seq, 5),
            "text": error(call.seq, b"bad"),
        }[how]
        self.peer.send(frame)
        call.expected = how
        self.open.remove(call)
        self.answered_seqs.append(call.seq)
        return self.read(self.admit())

    @rule(target=sent, call=sent)
    def cancel(self, call: Pending) -> Any:
        if call.kind != "future" or call not in self.open:
            return multiple()
        assert call.future.cancel()
        call.expected = "cancelled"
        self.open.remove(call)
        self.answered_seqs.append(call.seq or 0)
        return self.read(self.admit())

    @precondition(lambda self: any(call.greenlet is not None for call in self.waiting))
    @rule()
    def kill_one_that_waits(self) -> None:
        call = next(call for call in self.waiting if call.greenlet is not None)
        call.greenlet.kill()
        call.expected = "killed"
        self.waiting.remove(call)
        settle()

    @precondition(lambda self: self.answered_seqs)
    @rule(data=st.data())
    def answer_twice(self, data: Any) -> None:
        """Late, and to nobody: it is dropped."""
        seq = data.draw(st.sampled_from(self.answered_seqs))
        self.peer.send(reply(seq, msgpack.packb("nobody's")))
        settle()

    @rule()
    def ping(self) -> None:
        pinging = gevent.spawn(self.stream.ping, 5)
        settle()
        request = self.peer.read_request()
        assert (request.action, request.msg) == (0, b"")
        self.peer.send(reply(request.seq))
        assert pinging.get(5) >= 0

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        if not hasattr(self, "stream"):
            return
        settle()
        assert self.stream.in_flight == len(self.open)
        assert self.stream._window.counter == WINDOW - len(self.open)
        assert len(self.stream._line) == len(self.waiting)
        for call in self.calls:
            outcome, expected = call.outcome, call.expected
            if expected is None:
                assert outcome is None, f"{call.value} ended with {outcome!r}"
            elif expected == "ok":
                assert outcome == [call.value]
            elif expected == "number":
                assert isinstance(outcome, OSError) and outcome.errno == 5
            elif expected == "text":
                assert isinstance(outcome, razorg.ErrorText) and str(outcome) == "bad"
            elif expected == "cancelled":
                assert type(outcome).__name__ == "CancelledError"
            else:
                assert isinstance(outcome, gevent.GreenletExit)


TestStreamModel = pytest.mark.timeout(120)(StreamModel.TestCase)
TestStreamModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
