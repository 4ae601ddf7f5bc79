# pyright: strict
"""What users write; must type-check under strict rules.  tests/unit/test_typing.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import razorg


class DivideByZero(razorg.ErrorText):
    pass


class Busy(razorg.ErrorCode):
    code = 3


@dataclass
class Detail(razorg.ErrorValue):
    code: int
    hint: Optional[str] = None


class NotLeader(razorg.ErrorText):
    def failover(self) -> Optional[str]:
        return str(self) or None


@razorg.service
class Calculator:
    def add(self, a: int, b: int) -> int:
        raise NotImplementedError

    @razorg.method(raises=DivideByZero, idempotent=True, timeout=2.0)
    def div(self, a: int, b: int) -> int:
        raise NotImplementedError

    @razorg.method(raises=(DivideByZero, Busy, Detail))
    def many(self, numbers: list[int], name: str = "x") -> dict[str, int]:
        raise NotImplementedError

    @razorg.method
    def plain(self) -> None:
        raise NotImplementedError


@razorg.service(name="CalService")
class Named:
    def hello(self, name: str) -> str:
        raise NotImplementedError


class Cal(Calculator):
    def add(self, a: int, b: int) -> int:
        return a + b

    def div(self, a: int, b: int) -> int:
        if b == 0:
            raise DivideByZero("divide by zero")
        return a // b


class Files(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if request.action == 1:
            respond.ok({"inode": 1}, blob=b"data")
        else:
            respond.error(OSError(5, "io"))


def serve() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Cal()], max_running=3) as server:
        addresses: list[str] = server.addresses
        print(addresses)
    both = razorg.RpcServer(["memory://a", ("127.0.0.1", 0)], [Cal()], dispatch=Files())
    both.start()
    both.stop(timeout=1.0)


def call() -> None:
    with razorg.connect("tcp://127.0.0.1:7700", window=10) as pool:
        cal = pool.client(Calculator)
        total: int = cal.add(1, 2)
        total = cal.add(a=1, b=2)
        future: razorg.RpcFuture[int] = razorg.submit(cal.add, 1, 2)
        total = future.get()
        total = future.result(timeout=1.0)
        total = razorg.submit(cal.add, 1, b=2).get(timeout=1)
        table: dict[str, int] = razorg.submit(cal.many, [total]).get()
        quick: Calculator = razorg.with_options(cal, timeout=0.2, idempotent=True)
        total = razorg.with_options(cal.add, timeout=0.2)(1, 2)
        total = razorg.submit(quick.add, 1, 2).get()
        text: str = pool.client(Named).hello("x")
        print(table, text)
        pool.call("Calculator.add", 1, 2, raises=DivideByZero, timeout=1)
        reply: razorg.Reply = pool.send(2, {"inode": 1}, blob=memoryview(b"x")).get()
        print(reply.blob)


def stream() -> None:
    with razorg.ClientStream("memory://a", config=razorg.ClientConfig(window=3)) as opened:
        task: razorg.ClientTask = opened.send(2, razorg.NIL, notify=print, tag=1)
        seconds: float = opened.ping(timeout=1.0)
        print(task.tag, seconds)
        opened.flush()
    try:
        opened.send("x").get()
    except razorg.CallTimeout as error:
        sent: str = error.sent
        print(sent)
