"""The calls of one stream: whatever answers come and whoever gives up, each ends once, as it should."""

from __future__ import annotations

import gc
from typing import Any

import gevent
from gevent import get_hub
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.mutants import Outcome, read_all
from support.peers import memory_url, number, reply
from support.strikes import unbalanced

import razorg
from razorg.core.inflight import InFlight
from razorg.errors import RemoteProtocolError
from razorg.transport import registry

WINDOW = 3
#: Far in the future: only a rule lets the time of a call come.
TIMEOUT = 1e6


class Entry:
    def __init__(self, seq: int, deadline: float) -> None:
        self.seq = seq
        self.deadline = deadline


class Table(RuleBasedStateMachine):
    """The table alone, beside a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.table: InFlight[Entry] = InFlight()
        self.model: dict[int, Entry] = {}
        self.given = 0

    @rule(deadline=st.floats(0, 100))
    def register(self, deadline: float) -> None:
        entry = Entry(self.table.next_seq, deadline)
        self.table.register(entry)
        self.given += 1
        assert entry.seq == self.given
        self.model[entry.seq] = entry

    @rule()
    def ping(self) -> None:
        self.given += 1
        assert self.table.take_seq() == self.given

    @rule(seq=st.integers(0, 60))
    def answered(self, seq: int) -> None:
        assert self.table.pop(seq, None) is self.model.pop(seq, None)
        try:
            self.table.check_past(seq)
            assert seq <= self.given
        except RemoteProtocolError:
            assert seq > self.given

    @rule(now=st.floats(0, 100))
    def time_passes(self, now: float) -> None:
        expired = self.table.expired(now)
        assert expired == [entry for entry in self.model.values() if entry.deadline <= now]

    @invariant()
    def the_oldest_first(self) -> None:
        assert list(self.table) == sorted(self.model)


class Pending:
    """One call: what it is, how it has ended, and how it must."""

    def __init__(self, token: int) -> None:
        self.token = token
        self.ends: list[Any] = []
        self.greenlet: Any = None
        self.future: Any = None
        #: Answers that may be its own: ("ok", value), ("error", code).
        self.answers: list[tuple[str, int]] = []
        self.was_struck = self.has_begun = False


class Stream(RuleBasedStateMachine):
    """A ClientStream and a server that answers as the rules say, also twice, and to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.listener = registry.listen(registry.checked_address(memory_url()))
        self.stream = razorg.ClientStream(str(self.listener.address), window=WINDOW, task_timeout=TIMEOUT)
        self.peer = self.listener.accept()
        self.calls: dict[int, Pending] = {}
        self.asked = bytearray()
        self.seqs: dict[int, int] = {}  # seq → token
        self.is_cut = False

    def settle(self) -> None:
        """Let everything happen that can, and read what was asked."""
        for _ in range(8):
            gevent.sleep(0)
        if self.is_cut:
            return
        while data := self.peer.read(65_536):
            self.asked += data
        found: Outcome = read_all("request", bytes(self.asked))
        assert not found.is_error
        for seq, action, _, msg, _ in found.frames:
            if action:
                self.seqs[seq] = int.from_bytes(msg[1:9], "big")
                assert msg[0] == 0xCF

    def open_calls(self) -> list[Pending]:
        return [call for call in self.calls.values() if call.has_begun and not call.ends]

    def new(self) -> Pending:
        call = Pending(2**40 + len(self.calls))
        self.calls[call.token] = call
        return call

    def ask(self, call: Pending, wait: bool) -> None:
        call.has_begun = True
        try:
            future = call.future = self.stream.send(1, call.token)
        except BaseException as error:
            call.ends.append(error)
            return
        if wait:
            try:
                call.ends.append(future.get())
            except BaseException as error:
                future.cancel()
                call.ends.append(error)
        else:
            future.rawlink(lambda future: call.ends.append(future.exception or future.value))

    @rule(wait=st.booleans())
    def call(self, wait: bool) -> None:
        call = self.new()
        call.greenlet = gevent.spawn(self.ask, call, wait)

    @rule(pick=st.randoms(use_true_random=False), copies=st.integers(1, 2), ok=st.booleans(), at_once=st.booleans())
    def answer(self, pick: Any, copies: int, ok: bool, at_once: bool) -> None:
        if not at_once:
            self.settle()
        if self.is_cut or not self.seqs:
            return
        seq = pick.choice(list(self.seqs))
        value = 1_000 + seq
        for _ in range(copies):
            self.peer.write(reply(seq, b"\xcd" + value.to_bytes(2, "big")) if ok else number(seq, value))
        self.calls[self.seqs[seq]].answers.append(("ok" if ok else "error", value))

    @rule()
    def answer_to_nobody(self) -> None:
        if not self.is_cut:
            self.peer.write(reply(0, b"\x01"))

    @precondition(lambda self: any(not call.greenlet.dead for call in self.open_calls()))
    @rule(pick=st.randoms(use_true_random=False), kind=st.sampled_from([gevent.GreenletExit, gevent.Timeout]))
    def strike(self, pick: Any, kind: type[BaseException]) -> None:
        call = pick.choice([call for call in self.open_calls() if not call.greenlet.dead])
        call.was_struck = True
        call.greenlet.kill(kind, block=False)

    @precondition(lambda self: any(call.future for call in self.open_calls()))
    @rule(pick=st.randoms(use_true_random=False))
    def cancel(self, pick: Any) -> None:
        call = pick.choice([call for call in self.open_calls() if call.future])
        call.was_struck = True
        call.future.cancel()

    @rule()
    def the_time_of_all_comes(self) -> None:
        def tick() -> None:
            for call in self.open_calls():
                call.was_struck = True
            self.stream.on_tick(1e12)

        get_hub().loop.run_callback(tick)

    @precondition(lambda self: len(self.calls) > 4)
    @rule()
    def cut(self) -> None:
        self.is_cut = True
        self.peer.close()

    @rule()
    def let_run(self) -> None:
        self.settle()

    @invariant()
    def ended_once(self) -> None:
        assert all(len(call.ends) <= 1 for call in self.calls.values())

    @invariant()
    def within_the_window(self) -> None:
        assert self.stream.in_flight <= WINDOW
        assert self.stream._window.counter == WINDOW - self.stream.in_flight

    def teardown(self) -> None:
        try:
            for _ in range(len(self.calls) + 1):  # the window lets them through one after another
                self.settle()
                if not self.is_cut:
                    for seq, token in self.seqs.items():
                        if not self.calls[token].ends:
                            self.calls[token].answers.append(("ok", 1_000 + seq))
                            self.peer.write(reply(seq, b"\xcd" + (1_000 + seq).to_bytes(2, "big")))
            self.settle()
            for call in self.calls.values():
                self.judge(call)
            assert unbalanced(self.stream) == []
        finally:
            gevent.killall([call.greenlet for call in self.calls.values()])
            self.stream.close(0)
            self.peer.close()
            self.listener.close()
            gevent.sleep(0)
            del self.calls, self.stream
            gc.collect(0)

    def judge(self, call: Pending) -> None:
        if call.was_struck and not call.has_begun:
            return
        assert len(call.ends) == 1, f"{call.token} has ended {len(call.ends)} times"
        end = call.ends[0]
        if isinstance(end, razorg.Reply):
            assert ("ok", end.msg) in call.answers, f"{end} is the answer of another one"
        elif type(end) is OSError:
            assert ("error", end.errno) in call.answers, f"{end!r} is the answer of another one"
        elif isinstance(end, razorg.ConnectionLost):
            assert self.is_cut
        else:
            assert call.was_struck, repr(end)


TestTable, TestStream = Table.TestCase, Stream.TestCase
TestTable.settings = settings(max_examples=50, stateful_step_count=40, derandomize=True, deadline=None)
TestStream.settings = settings(max_examples=100, stateful_step_count=30, derandomize=True, deadline=None)
