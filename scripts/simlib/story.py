"""What happens in an hour: deploys, slow nodes, a rack without power, an engine that is away."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from simlib.client import SILENCE_SECONDS, Client, Tally, clients_of
from simlib.world import Clock, Engine, Server

RACK = 20
#: A rolling deploy restarts so many servers at once, and this is how long each step takes.
BATCH = 20
WITHDRAWN_SECONDS, DOWN_SECONDS = 3.0, 10.0
SAMPLE_SECONDS = 10.0


@dataclass
class Sample:
    """The state of the world at one moment, and what happened since the last one."""

    at: float
    calls: int
    failed: int
    retries: int
    attempts: int
    served: list[int]
    connections: list[int]
    p50: float
    p99: float


@dataclass
class Outcome:
    """All that is told of a run."""

    seed: int
    clients: int
    servers: int
    seconds: float
    width: int
    samples: list[Sample] = field(default_factory=list)
    marks: list[tuple[float, float, str]] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)


def run(
    seed: int, clients: int, servers: int, seconds: float, width: int, rate: float,
    progress: Any = lambda at: None,
) -> Outcome:
    """The whole story; the same seed tells the same one."""
    rng = Random(seed)
    clock = Clock()
    nodes = [Server(f"10.{n // 250}.{n % 250}.1:7700", n // RACK) for n in range(servers)]
    by_name = {node.name: node for node in nodes}
    engine = Engine(clock, rng, nodes)
    tally = Tally()
    callers = [
        Client(clock, Random(rng.random()), by_name, number / clients, width, rate, tally)
        for number in range(clients)
    ]
    for caller in callers:
        caller.use(sorted(by_name))
        engine.listeners.append(caller.use)
        caller.begin()
    outcome = Outcome(seed, clients, servers, seconds, width)
    _plan(clock, rng, engine, nodes, seconds, outcome)
    before = (0, 0, 0, 0)
    served = [0] * servers
    at = 0.0
    while at < seconds:
        at = min(at + SAMPLE_SECONDS, seconds)
        clock.run(at)
        now = (tally.calls, tally.failed, tally.retries, tally.attempts)
        delta = [b - a for a, b in zip(before, now)]
        latencies = sorted(tally.latencies) or [0.0]
        tally.latencies = []
        outcome.samples.append(Sample(
            at, *delta,
            [node.served - earlier for node, earlier in zip(nodes, served)],
            [len(node.clients) for node in nodes],
            latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)],
        ))
        before, served = now, [node.served for node in nodes]
        progress(at)
    outcome.reasons = tally.reasons
    return outcome


def _plan(
    clock: Clock, rng: Random, engine: Engine, nodes: list[Server], seconds: float, outcome: Outcome
) -> None:
    def mark(start: float, end: float, text: str) -> None:
        outcome.marks.append((start * seconds, end * seconds, text))

    mark(0.05, 0.30, "rolling deploy")
    batch = max(len(nodes) * BATCH // 1000, 1)
    steps = [nodes[n : n + batch] for n in range(0, len(nodes), batch)]
    gap = 0.25 * seconds / len(steps)
    for number, step in enumerate(steps):
        clock.at(0.05 * seconds + number * gap, _deploy, clock, engine, step)

    mark(0.35, 0.45, "one in a hundred 20 × slower")
    slow = rng.sample(nodes, max(len(nodes) // 100, 1))
    clock.at(0.35 * seconds, _slow_down, slow, 20.0)
    clock.at(0.45 * seconds, _slow_down, slow, 1.0)

    mark(0.50, 0.60, "a rack without power")
    rack = [node for node in nodes if node.rack == nodes[len(nodes) // 2].rack]
    clock.at(0.50 * seconds, _darken, clock, engine, rack)
    clock.at(0.60 * seconds, _light_up, engine, rack)

    mark(0.65, 0.85, "the engine is away")
    clock.at(0.65 * seconds, setattr, engine, "is_away", True)
    clock.at(0.85 * seconds, engine.come_back)
    mark(0.70, 0.80, "rolling deploy of half, meanwhile")
    half = steps[::2]
    for number, step in enumerate(half):
        clock.at((0.70 + 0.10 * number / len(half)) * seconds, _deploy, clock, engine, step)


def _deploy(clock: Clock, engine: Engine, step: list[Server]) -> None:
    """Withdraw, drain, restart, register."""
    for server in step:
        engine.withdraw(server)
        clock.after(WITHDRAWN_SECONDS, _drain, clock, engine, server)


def _drain(clock: Clock, engine: Engine, server: Server) -> None:
    server.is_up = False  # it accepts no more; what was accepted is answered within its second
    clock.after(1.0, _restart, clock, engine, server)


def _restart(clock: Clock, engine: Engine, server: Server) -> None:
    _cut(server)
    clock.after(DOWN_SECONDS, _return, engine, server)


def _return(engine: Engine, server: Server) -> None:
    server.start()
    engine.register(server)


def _cut(server: Server) -> None:
    known, server.clients = clients_of(server), set()
    server.stop()
    for client in known:
        client.lose(server)


def _slow_down(servers: list[Server], times: float) -> None:
    for server in servers:
        server.slowness = times


def _darken(clock: Clock, engine: Engine, rack: list[Server]) -> None:
    for server in rack:
        server.is_dark = True
        clock.after(SILENCE_SECONDS, _cut, server)
        clock.after(engine.SESSION_SECONDS, engine.withdraw, server)


def _light_up(engine: Engine, rack: list[Server]) -> None:
    for server in rack:
        _return(engine, server)
