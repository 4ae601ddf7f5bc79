"""What a cell of the matrix does at its place; AssertionError when something is not as it should be.

Each action is called once at a time by each of several greenlets, threads, processes or tasks that
share a pool.  ``first`` is true for one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import gevent

import razorg
from support.matrix_server import Matrix, Refused

PATIENCE = 10.0
SHORT = 0.2
#: Longer than any cell lives.
LONG = 60.0
#: How much later than it should something may happen on a busy machine; futures may take 1 s more.
LATE = 1.5
#: The life that the server has after the restart, at least: it may have been through others already.
life_after = 1


@dataclass(frozen=True)
class Way:
    """How one waits at a place."""

    #: Makes a queue of a size, with ``put_nowait`` and ``get``.
    queue: Callable[[int], Any]
    sleep: Callable[[float], Any]
    #: Whether it is a greenlet, which ``gevent.Timeout`` and ``kill`` reach.
    is_green: bool = True


class Took:
    """Asserts that the block takes so many seconds, and not many more."""

    def __init__(self, least: float, tolerance: float = LATE) -> None:
        self._least = least
        self._most = least + tolerance

    def __enter__(self) -> None:
        self._started = monotonic()

    def __exit__(self, kind: Any, *_: object) -> None:
        seconds = monotonic() - self._started
        if kind is None:
            assert self._least - 0.02 <= seconds <= self._most, f"took {seconds:.2f} s, not {self._least} to {self._most}"


def raised(kind: type[BaseException], function: Callable[..., Any], *args: Any) -> Any:
    """The error of that kind that the function raises."""
    try:
        value = function(*args)
    except kind as error:
        return error
    raise AssertionError(f"{value!r} instead of {kind.__name__}")


def call(pool: Any, way: Way, first: bool) -> None:
    client = pool.client(Matrix)
    for number in range(30):
        assert client.double(number) == 2 * number
    assert client.double(value=21) == 42 and pool.call("Matrix.double", 4) == 8
    assert str(raised(Refused, client.refuse, "no")) == "no"
    raised(razorg.EncodeError, client.double, object())


def future(pool: Any, way: Way, first: bool) -> None:
    client = pool.client(Matrix)
    futures = [razorg.submit(client.double, number) for number in range(40)]
    assert [each.get() for each in futures[::2]] == list(range(0, 80, 4))
    assert [each.result(PATIENCE) for each in futures[1::2]] == list(range(2, 80, 4))
    assert str(raised(Refused, razorg.submit(client.refuse, "no").result, PATIENCE)) == "no"
    told = way.queue(10)
    for number in range(3):
        razorg.submit(client.double, number).add_done_callback(told.put_nowait)
    assert sorted(told.get().result() for _ in range(3)) == [0, 2, 4]
    slow = razorg.submit(client.wait, LONG)
    with Took(0.1):
        raised(TimeoutError, slow.result, 0.1)
    with Took(0.1):
        raised(gevent.Timeout, slow.get, True, 0.1)
    assert not slow.done() and slow.cancel() and slow.cancelled() and not slow.cancel()
    assert client.double(3) == 6


def notify(pool: Any, way: Way, first: bool) -> None:
    channel = way.queue(4)  # soon full: tasks wait in front of it, and keep their permits
    done = []
    for start in range(0, 32, 8):
        for number in range(start, start + 8):
            pool.send("Matrix.double", number, notify=channel, tag=number)
        done += [channel.get() for _ in range(8)]
    assert sorted((task.tag, task.get().decode(int)) for task in done) == [(n, 2 * n) for n in range(32)]
    told = way.queue(100)
    for number in range(10):
        pool.send("Matrix.double", number, notify=lambda task: told.put_nowait(task.tag))
    pool.send("Matrix.refuse", "no", notify=told.put_nowait, tag="refused")
    tags = [told.get() for _ in range(11)]
    failed = [task for task in tags if isinstance(task, razorg.ClientTask)]
    assert len(failed) == 1 and str(failed[0].error) == "no" and tags.count(None) == 10, tags


def timeout(pool: Any, way: Way, first: bool) -> None:
    client = pool.client(Matrix)
    hurried = razorg.with_options(client, timeout=SHORT)
    with Took(SHORT):
        assert raised(razorg.CallTimeout, hurried.wait, LONG).sent == "maybe"
    with Took(SHORT), razorg.deadline(SHORT):
        raised(razorg.CallTimeout, client.wait, LONG)
    with Took(SHORT, LATE + 1):
        raised(razorg.CallTimeout, razorg.submit(hurried.wait, LONG).result)
    if way.is_green:
        with Took(SHORT):
            try:
                with gevent.Timeout(SHORT):
                    client.wait(LONG)
            except gevent.Timeout:
                pass
        victim = gevent.spawn(client.wait, LONG)
        gevent.sleep(0.05)
        with Took(0):
            victim.kill()
        assert victim.dead
    assert client.double(21) == 42


def restart(pool: Any, way: Way, first: bool) -> None:
    client = pool.client(Matrix)
    if first:
        raised(razorg.ConnectionLost, client.die)
    until = monotonic() + PATIENCE
    while True:
        try:
            if client.life() >= life_after:
                break
        except (razorg.ConnectionLost, razorg.Unreachable):
            pass
        assert monotonic() < until, f"no call succeeds: {pool!r}"
        way.sleep(0.02)
    call(pool, way, first)


ACTIONS = {"call": call, "future": future, "notify": notify, "timeout": timeout, "server restart": restart}
