"""Links that take and give a little at a time, or lose what they are given: every answer is right."""

from __future__ import annotations

from contextlib import ExitStack

import gevent
from support import namespaces
from support.counted import COUNT, Counted, answer_of, payload
from support.small_sockets import SmallSockets
from support.tally import Tally

import razorg
from goals.goal import Goal
from razorg.testing import ChaosProxy

CALLERS = 64
MTU = 100
LOST_ONE_IN = 50


class Narrow(Goal):
    number = 15
    name = "narrow"
    promise = "byte by byte, through 4 KiB buffers, at an MTU of 100 and with 2 % loss every answer is right"
    unit = "calls"
    every_change = 5_000
    release = 1_000_000
    portion = 5_000
    is_heavy = True

    def __enter__(self) -> Narrow:
        razorg.register_transport("small", SmallSockets())
        self._ways = {"byte by byte": self._sliced, "through small buffers": self._small}
        self._absent = namespaces.missing()
        self._no_loss = namespaces.missing("nft")
        if self._absent is None:
            self._ways["at a small MTU"] = lambda opened: self._in_namespace(opened, 0)
        if self._no_loss is None:
            self._ways["with losses"] = lambda opened: self._in_namespace(opened, LOST_ONE_IN)
        return self

    def advance(self, count: int, seed: int) -> None:
        for way, prepare in self._ways.items():
            with ExitStack() as opened:
                server, address = prepare(opened)
                self._call(server, address, count // len(self._ways))
                self.count(f"calls {way}", count // len(self._ways))

    def verdict(self) -> str:
        assert self._no_loss or self.figures["packets lost"] > 0, "no packet was lost"
        absent = self._absent or self._no_loss
        return super().verdict() + (f"; NOT run in namespaces: {absent}" if absent else "")

    def _sliced(self, opened: ExitStack) -> tuple[Counted, str]:
        server = opened.enter_context(Counted("tcp://127.0.0.1:0"))
        proxy = opened.enter_context(ChaosProxy(server.addresses[0]))
        proxy.up.slice_bytes = proxy.down.slice_bytes = 1
        return server, proxy.address

    def _small(self, opened: ExitStack) -> tuple[Counted, str]:
        server = opened.enter_context(Counted("small://127.0.0.1:0"))
        return server, server.addresses[0]

    def _in_namespace(self, opened: ExitStack, lost_one_in: int) -> tuple[Counted, str]:
        space = opened.enter_context(namespaces.Namespace())
        server = opened.enter_context(Counted(f"tcp://{space.there}:7700", inside=space.inside))
        space.narrow(MTU)
        if lost_one_in:
            space.lose(lost_one_in)
            opened.callback(lambda: self.count("packets lost", space.lost()))
        return server, server.addresses[0]

    def _call(self, server: Counted, address: str, count: int) -> None:
        tally = Tally(answer_of)
        left = list(range(count))
        with razorg.connect(address, task_timeout=60, max_connections=1) as pool:

            def call() -> None:
                while left:
                    left.pop()
                    call_id = tally.begin()
                    try:
                        tally.ok(call_id, bytes(pool.send(COUNT, None, payload(call_id)).get().blob or b""))
                    except razorg.RpcError as error:
                        tally.failed(call_id, error)

            callers = [gevent.spawn(call) for _ in range(CALLERS)]
            gevent.joinall(callers, timeout=120)
            hanging = sum(not caller.ready() for caller in callers)
            gevent.killall(callers)
        assert not hanging, f"{hanging} callers hang, {len(left)} calls are left"
        server.check(tally)
