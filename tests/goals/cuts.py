"""A conversation is cut at every byte of either direction: every call ends, and tells the truth."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import gevent
from support.history import Execution, History, check
from support.nodes import PATIENCE, eventually
from support.strikes import unbalanced

import razorg
from goals.goal import Goal
from razorg.testing import ChaosProxy
from razorg.transport.memory import MemoryTransport

CALLS = 5
_names = (f"c{number}" for number in itertools.count())


def answer_of(call_id: int) -> int:
    return call_id * 3 + 1


@razorg.service
class Ledger:
    """Writes down each execution."""

    def __init__(self) -> None:
        self.executions: list[Execution] = []

    def note(self, call_id: int, padding: str) -> int:
        self.executions.append(Execution(call_id, "a"))
        return answer_of(call_id)


class CutTransport(MemoryTransport):
    """Its next connection passes so many bytes, in one direction, and then both ends are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.after = 0
        self.is_up = True

    def connect(self, address: Any, timeout: float) -> Any:
        client: Any = super().connect(address, timeout)
        pipe = client._out if self.is_up else client._in
        left = self.after
        write = pipe.write

        def write_some(data: Any) -> int:
            nonlocal left
            if left <= 0:
                for one in (client._in, client._out):
                    one.end()
                    one.break_off()
                raise BrokenPipeError(32, "cut")
            taken = write(memoryview(data)[:left])
            left -= taken
            return int(taken)

        pipe.write = write_some
        return client


class Cuts(Goal):
    number = 12
    name = "cuts"
    promise = "a conversation cut at every byte loses no call and tells no lie: over memory, TCP with FIN, TCP with RST"
    unit = "cuts"
    every_change = 1_305  # all offsets, in each of the three ways; ``__enter__`` counts
    release = 20_000
    portion = 1_305

    def __enter__(self) -> Cuts:
        self._memory = CutTransport()
        razorg.register_transport("cut", self._memory)
        self._up, self._down = self._measure()
        assert self.every_change == 3 * (self._up + self._down), f"{self._up} bytes up, {self._down} down"
        return self

    def advance(self, count: int, seed: int) -> None:
        memory = [("memory", is_up, at) for is_up, size in ((True, self._up), (False, self._down)) for at in range(size)]
        tcp = [(way, is_up, at) for way in ("fin", "rst") for _, is_up, at in memory]
        Random(seed).shuffle(tcp)
        self.figures["bytes up"], self.figures["bytes down"] = self._up, self._down
        for way, is_up, at in itertools.islice(itertools.cycle(memory + tcp), count):
            self._cut(way, is_up, at)
            self.count(f"cuts over {way}")

    def _cut(self, way: str, is_up: bool, at: int) -> None:
        ledger, history = Ledger(), History(answer_of)
        where = f"{way}, {'up' if is_up else 'down'}, after {at} bytes"
        if way == "memory":
            self._memory.after, self._memory.is_up = at, is_up
            with razorg.RpcServer(f"cut://{next(_names)}:1", [ledger]) as server:
                self._call(server.addresses[0], history, where)
        else:
            with razorg.RpcServer("tcp://127.0.0.1:0", [ledger]) as server:
                with ChaosProxy(server.addresses[0]) as proxy:
                    faults = proxy.up if is_up else proxy.down
                    faults.cut_after_bytes, faults.cut_resets = at, way == "rst"
                    self._call(proxy.address, history, where)
        violations = check(history, [ledger.executions])
        assert not violations, f"{where}: {violations[0]}"

    def _call(self, address: str, history: History, where: str) -> None:
        with razorg.ClientStream(address, task_timeout=PATIENCE) as stream:
            callers = [gevent.spawn(self._caller, stream, history) for _ in range(CALLS)]
            gevent.joinall(callers, timeout=PATIENCE)
            hanging = sum(not caller.ready() for caller in callers)
            gevent.killall(callers)
            assert not hanging, f"{where}: {hanging} calls hang"
            eventually(lambda: unbalanced(stream) == [], PATIENCE, f"{where}: all is balanced")

    def _caller(self, stream: razorg.ClientStream, history: History) -> None:
        call_id = history.begin("Ledger.note")
        try:
            value = stream.send("Ledger.note", [call_id, "x" * 20]).get().msg
        except (razorg.RpcError, razorg.ProtocolError) as error:
            history.failed(call_id, error)
        else:
            history.ok(call_id, value)

    def _measure(self) -> tuple[int, int]:
        """How many bytes the conversation has in each direction."""
        with razorg.RpcServer("tcp://127.0.0.1:0", [Ledger()]) as server:
            with ChaosProxy(server.addresses[0]) as proxy:
                self._call(proxy.address, History(answer_of), "measured")
                return proxy.up.bytes, proxy.down.bytes
