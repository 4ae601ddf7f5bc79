"""Plain callables around a call, on either side."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
import gevent.monkey
import pytest
from support.peers import memory_url, wait_until

import razorg
from razorg.client.home import HomeCalls


class Broke(razorg.ErrorCode):
    code = 7


@razorg.service
class Cal:
    def add(self, a: int, b: int) -> int:
        return a + b

    def negate(self, value: Any) -> Any:
        return -value

    def nothing(self) -> None:
        return None

    @razorg.method(raises=Broke)
    def fail(self) -> None:
        raise Broke

    @razorg.method(inline=True)
    def quick(self, a: int) -> int:
        return a

    @razorg.method(idempotent=True, timeout=3)
    def twice(self, pair: tuple[int, int]) -> int:
        return sum(pair)


class Raw(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if request.action == 9:
            raise OSError(5, "no")
        gevent.spawn(respond.ok, request.decode(), blob=request.blob)


@contextmanager
def pair(
    server: list[Any] = [], client: list[Any] = [], **settings: Any
) -> Iterator[razorg.ClientPool]:
    with razorg.RpcServer(memory_url(), [Cal()], dispatch=Raw(), interceptors=server) as running:
        with razorg.connect(running.addresses[0], interceptors=client, **settings) as pool:
            yield pool


class Noting:
    """Notes what goes in and what comes out."""

    def __init__(self, name: str, notes: list[Any]) -> None:
        self.name, self.notes = name, notes

    def __call__(self, call: Any, proceed: Any) -> Any:
        self.notes.append((self.name, call.action))
        try:
            value = proceed(call)
        except BaseException as error:
            self.notes.append((self.name, repr(error)))
            raise
        self.notes.append((self.name, value))
        return value


# the server's

def test_a_server_calls_them_in_order_around_each_handler() -> None:
    notes: list[Any] = []
    with pair(server=[Noting("outer", notes), Noting("inner", notes)]) as pool:
        assert pool.client(Cal).add(1, 2) == 3
        assert notes == [("outer", "Cal.add"), ("inner", "Cal.add"), ("inner", 3), ("outer", 3)]
        notes.clear()
        with pytest.raises(Broke):
            pool.client(Cal).fail()
        assert [note[0] for note in notes] == ["outer", "inner", "inner", "outer"]
        assert "Broke" in notes[2][1]
        notes.clear()
        assert pool.client(Cal).nothing() is None
        assert pool.client(Cal).quick(4) == 4
        assert "Razorg" not in str(notes)
        pool.call("Razorg.describe")
        assert ("inner", "Razorg.describe") in notes


def test_what_a_server_interceptor_sees_and_may_change() -> None:
    seen: list[Any] = []

    def change(call: razorg.ServerCall, proceed: Any) -> Any:
        seen.append((call.action, call.args, str(call.peer)))
        if call.action == "Cal.add":
            call.args = (call.args[0], 10)
        value = proceed(call)
        return value * 2 if call.action == "Cal.negate" else value

    with pair(server=[change]) as pool:
        client = pool.client(Cal)
        assert client.add(1, 2) == 11
        assert client.negate(3) == -6
        assert client.twice((3, 4)) == 7
        assert client.nothing() is None
    assert [entry[1] for entry in seen] == [(1, 2), (3,), ((3, 4),), ()]
    assert {entry[2].partition("-")[0] for entry in seen} == {"memory://scripted"}


def test_a_server_interceptor_may_answer_itself_or_refuse() -> None:
    def gate(call: razorg.ServerCall, proceed: Any) -> Any:
        if call.action == "Cal.add":
            return 42
        if call.action == "Cal.negate":
            raise ValueError("not today")
        if call.action == "Cal.fail":
            raise Broke
        return proceed(call)

    with pair(server=[gate]) as pool:
        assert pool.client(Cal).add(1, 2) == 42
        with pytest.raises(razorg.InternalError):
            pool.client(Cal).negate(1)
        with pytest.raises(Broke):
            pool.client(Cal).fail()
        assert pool.client(Cal).quick(1) == 1


def test_a_raw_dispatch_is_intercepted_too() -> None:
    notes: list[Any] = []
    with pair(server=[Noting("it", notes)]) as pool:
        assert pool.send(2, {"a": 1}, blob=b"xyz").get().msg == {"a": 1}
        with pytest.raises(OSError):
            pool.send(9).get()
    assert [note[1] for note in notes][:2] == [2, None]
    assert notes[2] == ("it", 9)
    assert notes[3] == ("it", repr(OSError(5, "no")))


def test_each_call_of_a_handler_has_its_own_chain() -> None:
    inside: list[int] = []
    most = 0

    def count(call: razorg.ServerCall, proceed: Any) -> Any:
        nonlocal most
        inside.append(1)
        most = max(most, len(inside))
        try:
            gevent.sleep(0)
            return proceed(call)
        finally:
            inside.pop()

    with pair(server=[count]) as pool:
        futures = [razorg.submit(pool.client(Cal).add, n, 1) for n in range(50)]
        assert [future.get(10) for future in futures] == [n + 1 for n in range(50)]
    assert most > 1  # they overlap
    assert inside == []


# the client's

def test_a_client_calls_them_in_order_around_each_call() -> None:
    notes: list[Any] = []
    with pair(client=[Noting("outer", notes), Noting("inner", notes)]) as pool:
        assert pool.client(Cal).add(1, 2) == 3
        assert notes == [("outer", "Cal.add"), ("inner", "Cal.add"), ("inner", 3), ("outer", 3)]
        with pytest.raises(Broke):
            pool.client(Cal).fail()
        notes.clear()
        assert pool.call("Cal.add", 3, 4) == 7
        assert notes[0] == ("outer", "Cal.add")
        notes.clear()
        assert pool.submit("Cal.add", 3, 4).get(10) == 7
        assert pool.send(2, 5).get(10).msg == 5
        assert [note[1] for note in notes if note[0] == "inner"][::2] == ["Cal.add", 2]


def test_what_a_client_interceptor_sees() -> None:
    seen: list[Any] = []

    def look(call: razorg.ClientCall, proceed: Any) -> Any:
        seen.append((call.kind, call.action, call.timeout, call.idempotent, bytes(call.msg), call.blob))
        assert call.address.startswith("memory://")
        assert repr(call.action) in repr(call)
        return proceed(call)

    with pair(client=[look]) as pool:
        client = pool.client(Cal)
        client.add(1, 2)
        client.twice((1, 2))
        razorg.submit(client.add, 1, 2).get(10)
        razorg.with_options(client, timeout=0.7).add(1, 2)
        pool.send(2, 1, blob=b"b", timeout=4, idempotent=True).get(10)
    assert seen == [
        ("call", "Cal.add", None, False, b"\x92\x01\x02", None),
        ("call", "Cal.twice", 3, True, b"\x92\x01\x02", None),
        ("submit", "Cal.add", None, False, b"\x92\x01\x02", None),
        ("call", "Cal.add", 0.7, False, b"\x92\x01\x02", None),
        ("send", 2, 4, True, b"\x01", b"b"),
    ]


def test_a_client_interceptor_sees_futures_and_tasks_end() -> None:
    ended: list[Any] = []
    tasks: list[Any] = []

    def follow(call: razorg.ClientCall, proceed: Any) -> Any:
        result = proceed(call)
        if call.kind != "call" and hasattr(result, "add_done_callback"):
            result.add_done_callback(lambda future: ended.append(future.exception or future.value))
        return result

    with pair(client=[follow]) as pool:
        razorg.submit(pool.client(Cal).add, 1, 2).get(10)
        failing = razorg.submit(pool.client(Cal).fail)
        failing.wait(10)
        wait_until(lambda: len(ended) == 2)
        task = pool.send(2, 5, notify=tasks.append, tag="t")
        wait_until(lambda: tasks)
        assert tasks == [task]
    assert ended[0] == 3
    assert isinstance(ended[1], Broke)


def test_a_client_interceptor_may_change_the_timeout_call_again_or_not_at_all() -> None:
    attempts: list[float | None] = []

    def again(call: razorg.ClientCall, proceed: Any) -> Any:
        if call.action == "Cal.nothing":
            return "cached"
        if call.action == "Cal.fail":
            for timeout in (1.0, 2.0):
                call.timeout = timeout
                attempts.append(timeout)
                try:
                    return proceed(call)
                except Broke:
                    pass
        return proceed(call)

    with pair(client=[again]) as pool:
        assert pool.client(Cal).nothing() == "cached"
        with pytest.raises(Broke):
            pool.client(Cal).fail()
    assert attempts == [1.0, 2.0]


def test_a_changed_timeout_counts() -> None:
    def hurry(call: razorg.ClientCall, proceed: Any) -> Any:
        call.timeout = 0.05
        return proceed(call)

    class Never(razorg.Dispatch):
        def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
            kept.append(respond)

    kept: list[razorg.Respond] = []
    with razorg.RpcServer(memory_url(), dispatch=Never(), stop_timeout=0) as server:
        with razorg.connect(server.addresses[0], interceptors=[hurry]) as pool:
            with pytest.raises(razorg.CallTimeout):
                pool.call("Any.thing")
            with pytest.raises(razorg.CallTimeout):
                pool.send(3).get(10)
        for respond in kept:
            respond.ok()


def test_they_run_in_the_thread_that_calls() -> None:
    where: list[int] = []
    ident = gevent.monkey.get_original("threading", "get_ident")

    def look(call: razorg.ClientCall, proceed: Any) -> Any:
        where.append(ident())
        return proceed(call)

    def call() -> tuple[int, int]:
        return pool.client(Cal).add(1, 2), ident()

    with razorg.RpcServer("tcp://127.0.0.1:0", [Cal()]) as server:
        with razorg.connect(server.addresses[0], interceptors=[look]) as pool:
            here = call()
            there = gevent.get_hub().threadpool.apply(call)
    assert (here[0], there[0]) == (3, 3)
    assert where == [here[1], there[1]]
    assert here[1] != there[1]


def test_a_failover_pool_has_one_call_for_all_attempts() -> None:
    notes: list[Any] = []
    with razorg.RpcServer(memory_url(), [Cal()]) as server:
        with razorg.connect(
            [memory_url(), server.addresses[0]], interceptors=[Noting("it", notes)]
        ) as pool:
            assert [pool.client(Cal).add(1, 1) for _ in range(4)] == [2] * 4
    assert [note for note in notes if note[1] == "Cal.add"] == [("it", "Cal.add")] * 4


def test_a_timeout_that_strikes_in_one_leaves_all_balanced() -> None:
    def slow(call: razorg.ClientCall, proceed: Any) -> Any:
        future = proceed(call)
        gevent.sleep(60)
        return future

    with pair(client=[slow]) as pool:
        with pytest.raises(gevent.Timeout):
            with gevent.Timeout(0.02):
                pool.client(Cal).add(1, 2)
        wait_until(lambda: pool.in_flight == 0)


@pytest.mark.parametrize("wrong", [len, "abc", [3], None, {1: 2}])
def test_what_is_no_interceptor(wrong: Any) -> None:
    with pytest.raises(TypeError, match="interceptor"):
        razorg.connect("tcp://h:1", interceptors=wrong)
    with pytest.raises(TypeError, match="interceptor"):
        razorg.RpcServer(memory_url(), [Cal()], interceptors=wrong)


def test_without_them_nothing_stands_in_the_way() -> None:
    with pair() as pool:
        assert pool.caller is pool
        client: Any = pool.client(Cal)
        assert client.add._call.__self__ is pool
        assert isinstance(pool, HomeCalls)
