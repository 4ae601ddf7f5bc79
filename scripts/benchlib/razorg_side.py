"""razorg through its public face with its defaults: a typed service, a pool, a client, `razorg.submit`."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any

import razorg
from benchlib.contestants import Client
from benchlib.drive import ARGUMENTS, RIGHT_OPERAND, Tally, wrong_answer
from benchlib.workloads import Workload


@razorg.service
class Bench:
    """The service that is measured."""

    def add(self, a: int, b: int) -> int:
        """a + b."""
        raise NotImplementedError


class BenchServer(Bench):
    """Its implementation."""

    def add(self, a: int, b: int) -> int:
        return a + b


def serve(announce: Callable[[str], None]) -> None:
    """Serve on a free port; never returns."""
    with razorg.RpcServer("tcp://127.0.0.1:0", [BenchServer()]) as server:
        announce(server.addresses[0])
        server.serve_forever()


def connect(address: str, workload: Workload) -> Client:
    """A pool with its defaults, except that every workload here is one connection and W3 needs a window of 1000."""
    settings: dict[str, Any] = {"max_connections": 1}
    if workload.in_flight:
        settings["window"] = 1024
    pool = razorg.connect(address, **settings)
    bench = pool.client(Bench)

    def pipeline(in_flight: int, tally: Tally) -> None:
        submit = razorg.submit
        rounds = in_flight // len(ARGUMENTS)
        futures = deque(submit(bench.add, left, RIGHT_OPERAND) for _ in range(rounds) for left in ARGUMENTS)
        push, pop = futures.append, futures.popleft
        while not tally.stopping:
            for left in ARGUMENTS:
                answer = pop().get()
                if answer != left + RIGHT_OPERAND:
                    raise wrong_answer(left + RIGHT_OPERAND, answer)
                push(submit(bench.add, left, RIGHT_OPERAND))
            tally.counts[0] += len(ARGUMENTS)
        for left, future in zip(itertools.cycle(ARGUMENTS), futures):
            answer = future.get()
            if answer != left + RIGHT_OPERAND:
                raise wrong_answer(left + RIGHT_OPERAND, answer)

    return Client(service=bench, pipeline=pipeline)
