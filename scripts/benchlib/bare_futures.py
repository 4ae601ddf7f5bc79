"""The bare loop's client for W3 with an object per call: what handing out a future costs at the least."""

from __future__ import annotations

import itertools
from collections import deque
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
    """Connect; the pipeline keeps a queue of futures and takes the oldest before it submits another."""
    submit = callback_submit(open_socket(address))

    def pipeline(in_flight: int, tally: Tally) -> None:
        def submit_future(left: int) -> Future:
            future = Future()
            submit(left, RIGHT_OPERAND, future.settle)
            return future

        futures = deque(submit_future(left) for _ in range(in_flight // len(ARGUMENTS)) for left in ARGUMENTS)
        push, pop = futures.append, futures.popleft
        while not tally.stopping:
            for left in ARGUMENTS:
                answer = pop().get()
                if answer != left + RIGHT_OPERAND:
                    raise wrong_answer(left + RIGHT_OPERAND, answer)
                future = Future()
                submit(left, RIGHT_OPERAND, future.settle)
                push(future)
            tally.counts[0] += len(ARGUMENTS)
        for left, future in zip(itertools.cycle(ARGUMENTS), futures):
            answer = future.get()
            if answer != left + RIGHT_OPERAND:
                raise wrong_answer(left + RIGHT_OPERAND, answer)

    return Client(pipeline=pipeline)
