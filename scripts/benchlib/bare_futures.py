"""The bare loop's client for W3 with an object per call: what handing out a future costs at the least."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from greenlet import getcurrent

from benchlib.bare_client import callback_submit
from benchlib.bare_io import open_socket
from benchlib.contestants import Client
from benchlib.drive import ARGUMENTS, RIGHT_OPERAND, Tally, wrong_answer
from benchlib.workloads import Workload

_HUB = gevent.get_hub()


class Future:
    """A value that comes later, for one waiter. No errors, no timeouts, no callbacks."""

    __slots__ = ("value", "waiter")

    def __init__(self) -> None:
        self.value: int | None = None
        self.waiter: Any = None

    def settle(self, value: int) -> None:
        """Called by the reader, once."""
        self.value = value
        if self.waiter is not None:
            _HUB.loop.run_callback(self.waiter.switch)

    def get(self) -> int | None:
        """Block the greenlet until the value is here."""
        if self.value is None:
            self.waiter = getcurrent()
            _HUB.switch()
        return self.value


def connect(address: str, workload: Workload) -> Client:
    """Connect; the pipeline gets the oldest before it submits another."""
    submit = callback_submit(open_socket(address))

    def submit_future(left: int, right: int) -> Future:
        future = Future()
        submit(left, right, future.settle)
        return future

    return Client(pipeline=oldest_first(submit_future))


def oldest_first(submit: Callable[[int, int], Any]) -> Callable[[int, Tally], None]:
    """One greenlet that keeps futures outstanding: it takes the oldest before it submits another."""

    def pipeline(in_flight: int, tally: Tally) -> None:
        rounds = in_flight // len(ARGUMENTS)
        futures = deque(submit(left, RIGHT_OPERAND) for _ in range(rounds) for left in ARGUMENTS)
        push, pop = futures.append, futures.popleft
        while not tally.stopping:
            for left in ARGUMENTS:
                answer = pop().get()
                if answer != left + RIGHT_OPERAND:
                    raise wrong_answer(left + RIGHT_OPERAND, answer)
                push(submit(left, RIGHT_OPERAND))
            tally.counts[0] += len(ARGUMENTS)
        for left, future in zip(itertools.cycle(ARGUMENTS), futures):
            answer = future.get()
            if answer != left + RIGHT_OPERAND:
                raise wrong_answer(left + RIGHT_OPERAND, answer)

    return pipeline
