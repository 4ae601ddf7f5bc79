"""What a pool of several addresses sends again, how often, and what it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from gevent.queue import Queue
from support.cluster import Cluster, Node
from support.peers import ScriptedServer, error, memory_url, reply, wait_until

import razorg


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.stop(*cluster.servers)


def lose_after_request(server: ScriptedServer) -> Any:
    """Read one request and hang up."""

    def run() -> None:
        peer = server.accept()
        peer.read_request()
        peer.close()

    return gevent.spawn(run)


class Mirror(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        respond.ok(request.decode(), blob=request.blob)


def notified(pool: Any, idempotent: bool) -> Any:
    channel: Queue[razorg.ClientTask] = Queue()
    task = pool.send("Mirror.say", "hello", idempotent=idempotent, notify=channel, tag="mine")
    assert channel.get(timeout=5) is task and task.tag == "mine"
    return task.get().msg


FORMS: dict[str, Callable[[Any, bool], Any]] = {
    "call": lambda pool, idempotent: pool.call("Mirror.say", "hello", idempotent=idempotent),
    "submit": lambda pool, idempotent: pool.submit("Mirror.say", "hello", idempotent=idempotent).get(timeout=5),
    "send": lambda pool, idempotent: pool.send("Mirror.say", "hello", idempotent=idempotent).get(timeout=5).msg,
    "notify": notified,
}


@pytest.mark.parametrize(
    "idempotent, retry, goes_on", [(True, "safe", True), (False, "safe", False), (False, "always", True)]
)
@pytest.mark.parametrize("form", ["call", "submit", "send", "notify"])
def test_what_may_have_run_is_sent_again_only_if_it_may(
    cluster: Cluster, idempotent: bool, retry: Any, goes_on: bool, form: str
) -> None:
    with ScriptedServer() as first, razorg.RpcServer(url := memory_url(), dispatch=Mirror()):
        lose_after_request(first)
        with razorg.connect([first.address, url], retry=retry) as pool:
            use = FORMS[form]
            if goes_on:
                assert use(pool, idempotent) == "hello"
            else:
                with pytest.raises(razorg.ConnectionLost) as caught:
                    use(pool, idempotent)
                assert (caught.value.sent, caught.value.address) == ("maybe", first.address)


def test_blobs_go_on_too() -> None:
    with ScriptedServer() as first, razorg.RpcServer(url := memory_url(), dispatch=Mirror()):
        lose_after_request(first)
        with razorg.connect([first.address, url]) as pool:
            reply_of_second = pool.send(7, "x", blob=b"b" * 100_000, idempotent=True).get(timeout=5)
            assert bytes(reply_of_second.blob) == b"b" * 100_000


@pytest.mark.parametrize("form", ["call", "submit"])
@pytest.mark.parametrize("limit", [0, 1, 3])
def test_the_retry_limit_counts_retries(limit: int, form: str) -> None:
    sends = 0

    def hang_up(server: ScriptedServer) -> None:
        nonlocal sends
        while True:
            peer = server.accept()
            gevent.spawn(serve, peer)

    def serve(peer: Any) -> None:
        nonlocal sends
        peer.send(reply(0))  # it answers pings and the like: no failed attempt
        peer.read_request()
        sends += 1
        peer.close()

    with ExitStack() as stack:
        servers = [stack.enter_context(ScriptedServer()) for _ in range(5)]
        loops = [gevent.spawn(hang_up, server) for server in servers]
        pool = stack.enter_context(razorg.connect([server.address for server in servers], retry_limit=limit))
        with pytest.raises(razorg.ConnectionLost) as caught:
            FORMS[form](pool, True)
        assert (sends, caught.value.sent) == (limit + 1, "maybe")
        gevent.killall(loops)


def test_an_option_of_the_call_overrules_the_limit(cluster: Cluster) -> None:
    with ScriptedServer() as first:
        lose_after_request(first)
        with razorg.connect([first.address, *cluster.start("a")]) as pool:
            node = razorg.with_options(pool.client(Node), idempotent=True, retry_limit=0)
            with pytest.raises(razorg.ConnectionLost):
                node.who()


def test_other_errors_are_not_retried(cluster: Cluster) -> None:
    with razorg.connect(cluster.start("a", "b")) as pool:
        with pytest.raises(razorg.MethodNotFound) as caught:
            pool.call("Node.nothing", idempotent=True)
        assert caught.value.sent == "yes"


def test_retries_end_with_the_callers_time() -> None:
    with ScriptedServer() as first, ScriptedServer() as second:
        lose_after_request(first)
        accepting = gevent.spawn(second.accept)
        with razorg.connect([first.address, second.address]) as pool:
            started = gevent.get_hub().loop.now()
            with pytest.raises(razorg.CallTimeout) as caught:
                pool.call("Mirror.say", "hello", idempotent=True, timeout=0.2)
            assert caught.value.sent == "maybe"
            gevent.get_hub().loop.update_now()
            assert 0.15 < gevent.get_hub().loop.now() - started < 1
        accepting.get()


def test_the_budget_keeps_a_dying_cluster_from_a_storm() -> None:
    sends = 0

    def serve(peer: Any) -> None:
        nonlocal sends
        peer.send(reply(0))
        while True:
            request = peer.read_request()
            sends += 1
            peer.send(error(request.seq, b"rpc_io_err"))  # it cannot reach its own servers

    def accept(server: ScriptedServer) -> None:
        while True:
            greenlets.append(gevent.spawn(serve, server.accept()))

    greenlets: list[Any] = []
    with ScriptedServer() as one, ScriptedServer() as two:
        greenlets += [gevent.spawn(accept, server) for server in (one, two)]
        with razorg.connect([one.address, two.address], window=10, retry_limit=3) as pool:
            for _ in range(500):
                with pytest.raises(razorg.ConnectionLost):
                    pool.call("Mirror.say", "hello", idempotent=True)
        gevent.killall(greenlets)
    # 20 % of 500 calls (which is the least that is allowed, too), and one window.
    assert sends == 500 + 100 + 10


def test_a_future_cancelled_between_two_attempts_stays_cancelled() -> None:
    with ScriptedServer() as first, ScriptedServer() as second:
        with razorg.connect([first.address, second.address], window=1, max_connections=1) as pool:
            future = pool.submit("Node.who", idempotent=True)
            peer = first.accept()
            peer.read_request()
            busy = razorg.submit(pool.client(Node).who)
            other = second.accept()
            other.read_request()
            peer.close()
            wait_until(lambda: "1 queued" in repr(pool))  # its second attempt
            assert future.cancel() and future.cancelled()
            other.send(reply(1, b"\xa1x"))
            assert busy.get(timeout=5) == "x"
            assert future.cancelled() and not other.has_input()
