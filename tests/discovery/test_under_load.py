"""What discovery is for: servers come and go, leaders die, the engine dies, and no call fails."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Any

import gevent
import pytest
from support.nodes import eventually
from support.registered_main import Cal

import razorg

pytestmark = pytest.mark.timeout(240)

PER_SECOND = 2000
PAUSE = 0.005
TIMEOUT = 2.0  # the session's, of Engine.url


class Load:
    """Calls that are not idempotent at a steady pace, in the background, until ``stop``."""

    def __init__(self, pool: Any) -> None:
        self._cal = pool.client(Cal)
        self._ends = False
        self.calls = self.answered = 0
        self.failures: Counter[str] = Counter()
        self.slowest = 0.0
        self._started = monotonic()
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        due = 0.0
        last = monotonic()
        while not self._ends:
            now = monotonic()
            due = min(due + (now - last) * PER_SECOND, PER_SECOND / 4)  # no more is caught up on
            last = now
            while due >= 1:
                due -= 1
                self._call()
            gevent.sleep(PAUSE)

    def _call(self) -> None:
        self.calls += 1
        number, asked = self.calls, monotonic()

        def done(future: Any) -> None:
            self.slowest = max(self.slowest, monotonic() - asked)
            error = future.exception
            if error is not None:
                self.failures[repr(error)] += 1
            elif future.value != 2 * number:
                self.failures["a wrong answer"] += 1
            else:
                self.answered += 1

        try:
            razorg.submit(self._cal.add, number, number).add_done_callback(done)
        except razorg.RpcError as error:
            self.failures[repr(error)] += 1

    def stop(self) -> str:
        """End, wait for all answers, and say how it went."""
        self._ends = True
        self._greenlet.get()
        seconds = monotonic() - self._started
        eventually(
            lambda: self.answered + sum(self.failures.values()) == self.calls, 30, "all have ended"
        )
        failed = sum(self.failures.values())
        return (
            f"{self.calls} calls in {seconds:.1f} s ({self.calls / seconds:.0f}/s), {failed} failed, "
            f"slowest {self.slowest * 1000:.0f} ms"
        )


def test_rolling_restart_of_six(running: Any, nodes: Callable[..., list[Any]]) -> None:
    """Each comes back at another port: without discovery nobody would find it."""
    servers = nodes(6)
    with razorg.connect([running.url()]) as pool:
        load = Load(pool)
        try:
            for node in servers:
                gevent.sleep(0.5)
                node.stop()
                node.start()
            addresses = sorted(node.address for node in servers)
            took = eventually(lambda: sorted(pool.addresses) == addresses, 10, "the pool follows")
        finally:
            told = load.stop()
        print(f"\n{running.scheme}: rolling restart of 6: {told}; followed {took * 1000:.0f} ms after")
        assert not load.failures, load.failures.most_common(5)
        assert load.calls > 1000


def test_a_leader_is_killed(running: Any, nodes: Callable[..., list[Any]]) -> None:
    servers = {node.name: node for node in nodes(3, contends=True)}
    with razorg.connect([running.url()], mode="leader") as pool:
        cal = pool.client(Cal)
        leader = _led(cal, 10, "")
        eventually(lambda: pool.leader == servers[leader].address, 10, "the pool knows")
        killed_at = servers[leader].stop(signal.SIGKILL)
        leader = _led(cal, 30, leader)
        seconds = monotonic() - killed_at
        print(f"\n{running.scheme}: another leader answered {seconds:.2f} s after SIGKILL, timeout {TIMEOUT:g} s")
        assert seconds <= TIMEOUT + 1

        # One that steps down by itself hands over at once.
        stopping = gevent.spawn(servers[leader].stop)
        stopped_at = monotonic()
        _led(cal, 30, leader)
        seconds = monotonic() - stopped_at
        print(f"{running.scheme}: {seconds:.2f} s after SIGTERM")
        assert seconds <= TIMEOUT + 1
        stopping.get()


def _led(cal: Any, within: float, past: str) -> str:
    """Wait until somebody else leads; who that was then."""
    led: list[str] = []

    def is_led() -> bool:
        led.append(_leader(cal))
        return led[-1] not in ("", past)

    eventually(is_led, within, f"somebody leads, not {past or 'nobody'}")
    return led[-1]


def _leader(cal: Any) -> str:
    try:
        return str(razorg.with_options(cal, timeout=1.0).lead())
    except (razorg.RpcError, razorg.NotLeader):
        return ""


def test_the_engine_is_dead_for_20_seconds(running: Any, nodes: Callable[..., list[Any]]) -> None:
    servers = nodes(3)
    with razorg.connect([running.url()]) as pool:
        load = Load(pool)
        try:
            gevent.sleep(2)
            running.kill()
            eventually(lambda: "stale" in repr(pool), 10, "the pool says so")
            gevent.sleep(20)
            assert sorted(pool.addresses) == sorted(node.address for node in servers)
            running.start()
            back_at = monotonic()
            eventually(lambda: not pool.stale, 20, "it is asked again")
            seconds = monotonic() - back_at
            gevent.sleep(2 * TIMEOUT)  # sessions that did not come back would end
            addresses = sorted(node.address for node in servers)
            eventually(lambda: sorted(pool.addresses) == addresses and not pool.stale, 10, "all are there")
        finally:
            told = load.stop()
        print(f"\n{running.scheme}: dead for 20 s: {told}; asked again {seconds:.2f} s after its return")
        assert not load.failures, load.failures.most_common(5)
