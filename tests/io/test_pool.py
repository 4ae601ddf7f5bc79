"""The pool of one address: lazy, reconnecting, and honest where it cannot connect."""

import gevent
import pytest
from gevent.queue import Queue
from support.peers import wait_until

import razorg


@razorg.service
class Echo:
    def say(self, text: str) -> str:
        return text


def test_nothing_is_opened_before_the_first_call() -> None:
    pool = razorg.connect("memory://pool")
    assert repr(pool) == "<ClientPool memory://pool not connected, 0 connections, 0 in flight, 0 queued>"
    with pytest.raises(razorg.Unreachable) as caught:
        pool.client(Echo).say("hello")
    assert (caught.value.sent, caught.value.method) == ("no", "Echo.say")
    assert caught.value.address == "memory://pool"


def test_futures_and_tasks_hold_what_keeps_them_from_being_sent() -> None:
    pool = razorg.connect("memory://pool")
    future = razorg.submit(pool.client(Echo).say, "hello")
    with pytest.raises(razorg.Unreachable):
        future.get(timeout=5)
    with pytest.raises(razorg.Unreachable):
        pool.send(2, "hello").get(timeout=5)
    channel: Queue[razorg.ClientTask] = Queue()
    task = pool.send(2, "hello", notify=channel, tag="mine")
    assert channel.get(timeout=5) is task
    assert (type(task.error), task.tag, task.reply) == (razorg.Unreachable, "mine", None)


@pytest.mark.parametrize("url", ["memory://pool", "tcp://127.0.0.1:0", "unix://"])
def test_it_reconnects_after_a_restart_of_the_server(url: str, tmp_path: object) -> None:
    if url.startswith("unix"):
        url = f"unix://{tmp_path}/socket"
    with razorg.RpcServer(url, [Echo()]) as server:
        address = server.addresses[0]
        pool = razorg.connect(address)
        echo = pool.client(Echo)
        assert echo.say("one") == "one"
    with pytest.raises(razorg.Unreachable):
        echo.say("nobody is there")
    with razorg.RpcServer(address, [Echo()]), pool:
        wait_until(lambda: " healthy" in repr(pool))
        assert echo.say("two") == "two"
        assert razorg.submit(echo.say, "three").get(timeout=5) == "three"


def test_the_first_call_after_a_restart_succeeds() -> None:
    server = razorg.RpcServer("tcp://127.0.0.1:0", [Echo()])
    server.start()
    with razorg.connect(server.addresses[0]) as pool:
        say = pool.client(Echo).say
        assert say("one") == "one"
        server.stop(0)
        with razorg.RpcServer(server.addresses[0], [Echo()]):
            assert say("two") == "two"


def test_many_greenlets_share_one_connection() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Echo()]) as server:
        with razorg.connect(server.addresses[0], window=200) as pool:
            say = pool.client(Echo).say
            callers = [gevent.spawn(say, str(number)) for number in range(200)]
            gevent.joinall(callers, timeout=5)
            assert [caller.value for caller in callers] == [str(number) for number in range(200)]
            assert server.connections == 1


def test_closed_is_closed() -> None:
    with razorg.RpcServer("memory://pool", [Echo()]):
        with razorg.connect("memory://pool") as pool:
            say = pool.client(Echo).say
            say("hello")
        for use in (lambda: say("late"), lambda: razorg.submit(say, "late"), lambda: pool.send(2)):
            with pytest.raises(razorg.LocalProtocolError, match="closed"):
                use()
        pool.close()
