"""The context in which handlers run."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import Any

import gevent
import pytest
from support.peers import memory_url

import razorg

name: ContextVar[str] = ContextVar("name", default="nobody")


@razorg.service
class Service:
    def swap(self, mine: str) -> list[str]:
        before = name.get()
        name.set(mine)
        gevent.sleep(0)
        return [before, name.get()]

    @razorg.method(inline=True)
    def swap_inline(self, mine: str) -> list[str]:
        before = name.get()
        name.set(mine)
        return [before, name.get()]


class Raw(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        before = name.get()
        name.set(str(request.action))
        respond.ok([before, name.get()])


@pytest.mark.parametrize("listen", ["memory", "tcp://127.0.0.1:0"])
def test_each_handler_has_a_fresh_copy_of_that_of_the_server(listen: str) -> None:
    token = name.set("server")
    server: Any = razorg.RpcServer(
        memory_url() if listen == "memory" else listen, [Service()], dispatch=Raw()
    )
    server.start()
    name.reset(token)
    with contextlib.closing(razorg.connect(server.addresses[0])) as pool:
        client = pool.client(Service)
        for action in (client.swap, client.swap_inline):
            futures = [razorg.submit(action, str(number)) for number in range(20)]
            assert [future.get() for future in futures] == [
                ["server", str(number)] for number in range(20)
            ]
        assert [pool.send(number).get().decode() for number in (5, 6)] == [
            ["server", "5"], ["server", "6"]]
    server.stop()
    assert name.get() == "nobody"
