"""Many callers contend for one small window."""

from __future__ import annotations

from random import Random
from typing import Any

import gevent
from gevent.event import Event
from support.peers import memory_url, wait_until
from support.strikes import unbalanced

import razorg
from goals.goal import Goal

WINDOW = 128
#: Every how many-th call is given up by a kill.
GIVEN_UP = 10


class Contended(razorg.Dispatch):
    """Answers nothing until it may, and notes how many at once waited for their answers."""

    def __init__(self) -> None:
        self.may_answer = Event()
        self.unanswered: set[int] = set()
        #: Those whose callers wait no more; their permits are others' by now.
        self.given_up: set[int] = set()
        self.most = 0

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        number = request.decode(int)
        if number not in self.given_up:
            self.unanswered.add(number)
            self.most = max(self.most, len(self.unanswered))
        self.may_answer.wait()
        for _ in range(number % 10):
            gevent.sleep(0)
        self.unanswered.discard(number)
        respond.ok(number)

    def give_up(self, numbers: list[int]) -> None:
        self.given_up.update(numbers)
        self.unanswered.difference_update(numbers)


class Window(Goal):
    number = 2
    name = "window"
    promise = "callers that contend for a window of 128 never exceed it, and all settle"
    unit = "callers"
    every_change = 2_000
    release = 10_000
    portion = 2_000

    def __enter__(self) -> Window:
        self._dispatch = Contended()
        # Room for more than the window: it is the client that has to keep it.
        self._server = razorg.RpcServer(memory_url(), dispatch=self._dispatch, max_running=4 * WINDOW)
        self._server.start()
        self.opened.callback(self._server.stop, 0)
        self._stream = razorg.ClientStream(self._server.addresses[0], window=WINDOW, task_timeout=60)
        self.opened.callback(self._stream.close)
        return self

    def advance(self, count: int, seed: int) -> None:
        dispatch = self._dispatch
        dispatch.may_answer.clear()
        dispatch.given_up.clear()
        settled: list[Any] = []
        callers = [gevent.spawn(self._call, number, settled) for number in range(count)]
        # All stand there before the first is answered, and before anybody gives up.
        wait_until(lambda: len(dispatch.unanswered) >= min(count, WINDOW))
        gevent.idle()
        given_up = Random(seed).sample(range(count), count // GIVEN_UP)
        dispatch.give_up(given_up)
        gevent.killall([callers[number] for number in given_up], block=False)
        dispatch.may_answer.set()
        gevent.joinall(callers, timeout=60)
        hanging = sum(not caller.dead for caller in callers)
        gevent.killall(callers)
        assert not hanging, f"{hanging} of {count} callers hang"
        assert len(settled) == count, f"{len(settled)} outcomes of {count} callers"
        wrong = [pair for pair in settled if pair[1] not in (pair[0], "killed")]
        assert not wrong, f"wrong outcomes: {wrong[:5]}"
        assert unbalanced(self._stream) == []
        wait_until(lambda: not self._server.running)  # the given up ones, too
        self.count("callers", count)
        self.count("given up", sum(outcome == "killed" for _, outcome in settled))
        self.keep_largest("in flight at most", dispatch.most)
        assert dispatch.most <= WINDOW, f"{dispatch.most} in flight with a window of {WINDOW}"

    def _call(self, number: int, settled: list[Any]) -> None:
        try:
            settled.append((number, self._stream.send(1, number).get().msg))
        except gevent.GreenletExit:
            settled.append((number, "killed"))

    def verdict(self) -> str:
        most = self.figures["in flight at most"]
        assert most == WINDOW, f"at most {most} in flight: no contention for {WINDOW}"
        return super().verdict()
