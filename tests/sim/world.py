"""Clients, servers and faults in virtual time; what they do is decided by one seed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import gevent
from gevent import get_hub
from support.history import Execution, Figures, History, Violation, check
from support.virtual import run_virtually

import razorg
from sim.net import Net

SECONDS = 30.0
CALLERS = 6
#: Later than any timeout in here.
SETTLED_SECONDS = 60.0


class GivenUp(Exception):
    """The caller did not wait for the end."""

    sent = "maybe"


def answer_of(call_id: int) -> int:
    return 3 * call_id + 1


@razorg.service
class Witness:
    def note(self, call_id: int, milliseconds: int) -> int:
        raise NotImplementedError

    @razorg.method(idempotent=True)
    def read(self, call_id: int, milliseconds: int) -> int:
        raise NotImplementedError


class Server(Witness):
    """One that can stop, crash and come back, and writes down what it runs."""

    def __init__(self, name: str, world: World) -> None:
        self.name, self._world = name, world
        self.executions: list[Execution] = []
        self._server: razorg.RpcServer | None = None

    def start(self) -> None:
        if self._server is None:
            settings = {"max_running": self._world.rng.choice([4, 256]), "stop_timeout": 3.0}
            self._server = razorg.RpcServer(f"sim://{self.name}:1", [self], **settings)
            self._server.start()

    def stop(self, timeout: float | None = None) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop(timeout)

    def crash(self) -> None:
        self._world.net.cut(self.name)
        self.stop(0.0)

    def note(self, call_id: int, milliseconds: int) -> int:
        return self._run(call_id, milliseconds)

    def read(self, call_id: int, milliseconds: int) -> int:
        return self._run(call_id, milliseconds)

    def _run(self, call_id: int, milliseconds: int) -> int:
        self._world.trace("run", self.name, call_id)
        self.executions.append(Execution(call_id, self.name))
        if milliseconds == 13:
            raise ValueError("bad luck")
        gevent.sleep(milliseconds / 1000)
        return answer_of(call_id)


@dataclass(frozen=True)
class Told:
    """What became of a seed."""

    seed: int
    violations: list[Violation]
    figures: Figures
    trace: str


class World:
    """One story."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.net = Net(self.rng)
        self.history = History(answer_of)
        self.servers = [Server(f"s{number}", self) for number in range(self.rng.randint(1, 4))]
        self._digest = hashlib.blake2b(digest_size=8)

    def trace(self, *words: Any) -> None:
        """What happens goes into the figure by which two runs are compared."""
        self._digest.update(repr((round(get_hub().loop.now(), 6), words)).encode())

    def tell(self) -> Told:
        razorg.register_transport("sim", self.net)
        for server in self.servers:
            server.start()
        pools = [self._pool() for _ in range(self.rng.randint(1, 3))]
        greenlets = [gevent.spawn(self._caller, pool) for pool in pools for _ in range(CALLERS)]
        faults = gevent.spawn(self._faults)
        killer = gevent.spawn(self._killer, greenlets)
        gevent.joinall([faults])
        killer.kill()
        for server in self.servers:
            self.net.lighten(server.name)
            server.start()
        self._is_over = True
        gevent.joinall(greenlets, timeout=SETTLED_SECONDS)
        gevent.sleep(SETTLED_SECONDS)
        stuck = [greenlet for greenlet in greenlets if not greenlet.ready()]
        assert not stuck, f"{len(stuck)} callers hang"
        balance = [text for pool in pools for text in _unbalanced(pool)]
        for pool in pools:
            pool.close(1.0)
        for server in self.servers:
            server.stop(0.0)
        gevent.sleep(5.0)
        assert not balance, balance
        ledgers = [server.executions for server in self.servers]
        return Told(self.seed, check(self.history, ledgers), Figures.of(self.history, ledgers), self._digest.hexdigest())

    _is_over = False

    def _pool(self) -> Any:
        rng = self.rng
        settings = {
            "window": rng.choice([1, 2, 5, 128]), "max_connections": rng.choice([1, 3]),
            "task_timeout": rng.choice([1.0, 3.0, 8.0]), "connect_timeout": rng.choice([0.5, 5.0]),
        }
        names = [f"sim://{server.name}:1" for server in self.servers]
        if rng.random() < 0.3:
            return razorg.connect(rng.choice(names), **settings)
        mode: Any = rng.choice(["round_robin", "leader", "least_loaded", "balanced"])
        return razorg.connect(names, mode=mode, **settings)

    # what callers do

    def _caller(self, pool: Any) -> None:
        rng, client = self.rng, pool.client(Witness)
        while not self._is_over:
            way: Callable[..., None] = rng.choice([
                self._block, self._block, self._block, self._hurry, self._submit, self._cancel, self._under_timeout,
            ])
            try:
                gevent.sleep(rng.expovariate(1 / 0.2))
                way(client, rng.random() < 0.5, rng.choice([0, 1, 5, 13, 50, 400]))
            except Stroke:
                pass  # between two calls

    def _begin(self, is_read: bool) -> int:
        call_id = self.history.begin("read" if is_read else "note", idempotent=is_read, retries=3 + 10 * is_read)
        self.trace("begin", call_id)
        return call_id

    def _end(self, call_id: int, value: Any, error: BaseException | None) -> None:
        self.trace("end", call_id, value, type(error).__name__)
        if error is None:
            self.history.ok(call_id, value)
        elif isinstance(error, razorg.RpcError):
            self.history.failed(call_id, error)
        else:
            self.history.failed(call_id, GivenUp(repr(error)))

    def _settle(self, call_id: int, wait: Callable[[], Any]) -> None:
        try:
            value = wait()
        except BaseException as error:  # also a kill: the next call goes on
            self._end(call_id, None, error)
        else:
            self._end(call_id, value, None)

    def _block(self, client: Any, is_read: bool, milliseconds: int) -> None:
        call_id = self._begin(is_read)
        method = client.read if is_read else client.note
        self._settle(call_id, lambda: method(call_id, milliseconds))

    def _hurry(self, client: Any, is_read: bool, milliseconds: int) -> None:
        timeout = self.rng.choice([0.01, 0.1, 1.0])
        self._block(razorg.with_options(client, timeout=timeout), is_read, milliseconds)

    def _under_timeout(self, client: Any, is_read: bool, milliseconds: int) -> None:
        call_id = self._begin(is_read)
        method = client.read if is_read else client.note

        def wait() -> Any:
            with gevent.Timeout(self.rng.choice([0.003, 0.03, 0.3])):
                return method(call_id, milliseconds)

        self._settle(call_id, wait)

    def _submit(self, client: Any, is_read: bool, milliseconds: int) -> None:
        call_id = self._begin(is_read)
        self._settle(call_id, lambda: razorg.submit(client.read if is_read else client.note, call_id, milliseconds).get())

    def _cancel(self, client: Any, is_read: bool, milliseconds: int) -> None:
        call_id = self._begin(is_read)

        def wait() -> Any:
            future = razorg.submit(client.read if is_read else client.note, call_id, milliseconds)
            gevent.sleep(self.rng.choice([0, 0.001, 0.02]))
            future.cancel()
            return future.get()

        self._settle(call_id, wait)

    # what goes wrong

    def _killer(self, callers: list[gevent.Greenlet[..., None]]) -> None:
        while True:
            gevent.sleep(self.rng.expovariate(1 / 0.5))
            victim = self.rng.choice(callers)
            if not victim.ready():
                victim.kill(Stroke, block=False)

    def _faults(self) -> None:
        rng, ends_at = self.rng, get_hub().loop.now() + SECONDS
        while (left := ends_at - get_hub().loop.now()) > 0:
            gevent.sleep(min(rng.expovariate(1 / 1.5), left))
            server = rng.choice(self.servers)
            fault: Callable[[Server], None] = rng.choice([
                self._cut, self._dark, self._slow, self._restart, self._crash, self._crash,
            ])
            self.trace("fault", fault.__name__, server.name)
            fault(server)

    def _cut(self, server: Server) -> None:
        self.net.cut(server.name)

    def _dark(self, server: Server) -> None:
        self.net.darken(server.name)
        gevent.sleep(self.rng.choice([0.1, 2.0, 6.0]))
        self.net.lighten(server.name)

    def _slow(self, server: Server) -> None:
        self.net.slowness = self.rng.choice([1.0, 20.0, 200.0])
        gevent.sleep(1.0)
        self.net.slowness = 1.0

    def _restart(self, server: Server) -> None:
        server.stop()
        gevent.sleep(self.rng.choice([0.0, 0.2, 2.0]))
        server.start()

    def _crash(self, server: Server) -> None:
        server.crash()
        gevent.sleep(self.rng.choice([0.0, 0.2, 4.0]))
        server.start()


class Stroke(gevent.GreenletExit):
    """A kill that the caller survives, to see what its call has left."""


def _unbalanced(pool: Any) -> list[str]:
    found = [f"{pool!r} has calls in flight"] if pool.in_flight else []
    for part in pool._in_use():
        for place in part.places():
            if place.line:
                found.append(f"{len(place.line)} wait for {place!r}")
            for stream in place._streams:
                free, window = stream._window.counter, stream.config.window
                if free != window or stream._in_flight:
                    found.append(f"{free} of {window} permits are back in {stream!r}")
    return found


def tell(seed: int) -> Told:
    """The story of a seed, always the same."""
    logging.getLogger("razorg").disabled = True
    try:
        return run_virtually(lambda: World(seed).tell(), seed)  # type: ignore[no-any-return]
    finally:
        logging.getLogger("razorg").disabled = False
