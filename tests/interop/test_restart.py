"""A node that dies and comes back, under the pools of both languages: no call may notice."""

from __future__ import annotations

import gevent
import gevent.subprocess
import pytest

import razorg

from . import contract
from .contract import KvService
from .peers import RustServer, World

PATIENCE = 60


def within(condition: object, seconds: float = 10) -> None:
    with gevent.Timeout(seconds, AssertionError("it never came true")):
        while not condition():  # type: ignore[operator]
            gevent.sleep(0.01)


@pytest.mark.parametrize("mode", ["round_robin", "leader", "least_loaded"])
def test_a_restarted_rust_node_is_used_again(world: World, mode: str) -> None:
    with gevent.Timeout(PATIENCE):
        first = RustServer(world.binary, "api", "127.0.0.1:0", "a")
        second = RustServer(world.binary, "api", "127.0.0.1:0", "b")
        try:
            with razorg.connect([first.url, second.url], mode=mode) as pool:  # type: ignore[call-overload]
                who = razorg.with_options(pool.client(KvService).who, idempotent=True)
                seen = {who() for _ in range(20)}
                assert seen == ({"a"} if mode == "leader" else {"a", "b"})
                first.process.kill()
                first.stop()
                assert {who() for _ in range(20)} == {"b"}
                first = RustServer(world.binary, "api", contract.bare(first.url), "a")
                within(lambda: "unhealthy" not in repr(pool))
                if mode == "leader":
                    second.process.kill()
                    second.stop()
                    assert {who() for _ in range(20)} == {"a"}
                else:
                    within(lambda: {who() for _ in range(20)} == {"a", "b"})
        finally:
            for server in (first, second):
                if server.process.poll() is None:
                    server.stop()


def test_the_rust_pool_outlives_a_restart_of_a_razorg_node(world: World) -> None:
    """It goes on with the node that lives; that it comes back to the other is not its habit."""
    with gevent.Timeout(PATIENCE):
        servers = [contract.api_server("tcp://127.0.0.1:0", name) for name in "ab"]
        urls = [server.addresses[0] for server in servers]
        client = gevent.subprocess.Popen(
            [world.binary, "failover-client", *map(contract.bare, urls)],
            stdin=gevent.subprocess.PIPE, stdout=gevent.subprocess.PIPE,
        )

        def who() -> str:
            client.stdin.write(b"\n")
            client.stdin.flush()
            return client.stdout.readline().decode().strip()

        try:
            assert {who() for _ in range(20)} == {"ok a", "ok b"}
            servers[0].stop(0)
            assert {who() for _ in range(20)} == {"ok b"}
            servers[0] = contract.api_server(urls[0], "a")
            assert {who() for _ in range(20)} <= {"ok a", "ok b"}
        finally:
            client.stdin.close()
            client.stdout.close()
            client.wait(timeout=10)
            for server in servers:
                server.stop(5)
