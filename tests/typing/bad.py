# pyright: strict
"""Mistakes that a type checker must find: exactly one on each line marked so, no other."""

from __future__ import annotations

import razorg


@razorg.service
class Calculator:
    def add(self, a: int, b: int) -> int:
        raise NotImplementedError

    @razorg.method(idempotent=True)
    def name(self, number: int) -> str:
        raise NotImplementedError

    @razorg.method(raises=ValueError("x"))  # WRONG
    def no_class(self) -> None:
        raise NotImplementedError

    @razorg.method(raises=[ValueError])  # WRONG
    def no_tuple(self) -> None:
        raise NotImplementedError

    @razorg.method(nonsense=True)  # WRONG
    def no_option(self) -> None:
        raise NotImplementedError


class Cal(Calculator):
    def add(self, a: str, b: int) -> int:  # WRONG
        return b


class Files(razorg.Dispatch):
    def dispatch(self, request: int, respond: razorg.Respond) -> None:  # WRONG
        respond.ok()


def call() -> None:
    pool = razorg.connect("tcp://127.0.0.1:7700")
    cal = pool.client(Calculator)
    cal.add("x", 1)  # WRONG
    cal.add(1)  # WRONG
    cal.add(1, 2, 3)  # WRONG
    cal.sub(1, 2)  # WRONG
    total: str = cal.add(1, 2)  # WRONG
    text: int = cal.name(1)  # WRONG
    future: str = razorg.submit(cal.add, 1, 2).get()  # WRONG
    result: str = razorg.submit(cal.add, 1, 2).result()  # WRONG
    razorg.submit(cal.add, "x", 2)  # WRONG
    razorg.submit(cal.add, 1)  # WRONG
    razorg.submit(cal)  # WRONG
    quick: int = razorg.with_options(cal, timeout=1)  # WRONG
    razorg.with_options(cal, timeout=1).add("x", 1)  # WRONG
    razorg.with_options(cal.add, timeout=1)("x", 1)  # WRONG
    pool.client(cal)  # WRONG
    reply: str = pool.send(2).get()  # WRONG
    task: razorg.RpcFuture[razorg.Reply] = pool.send(2, notify=print)  # WRONG
    pool.send(1.5)  # WRONG
    pool.send(2, blob="text")  # WRONG
    print(total, text, future, result, quick, reply, task)


def serve() -> None:
    razorg.RpcServer("memory://a", [Cal()], dispatch=Cal())  # WRONG
    razorg.RpcServer(5, [Cal()])  # WRONG
    razorg.ClientConfig(window="3")  # WRONG
    razorg.ClientConfig(retry="never")  # WRONG
