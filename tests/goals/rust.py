"""A load between the languages: each answer is right, in both directions."""

from __future__ import annotations

import json
import subprocess
from random import Random
from typing import Any

import gevent
import gevent.subprocess
from interop.actions import MIRROR, Files
from interop.contract import bare
from interop.peers import NO_CARGO, RustServer, build_peer

import razorg
from goals.goal import Goal

CALLERS = 200
LARGE_MAX_BYTES = 70_000


class Counting(Files):
    def __init__(self) -> None:
        self.count = 0

    def dispatch(self, request: Any, respond: Any) -> None:
        self.count += 1
        super().dispatch(request, respond)


class Rust(Goal):
    number = 19
    name = "rust"
    promise = "razorg at either end and the Rust crates at the other, under load: every answer is right"
    unit = "calls"
    every_change = 40_000  # half of them each way
    release = 2_000_000
    portion = 40_000

    @classmethod
    def missing(cls) -> str | None:
        return "there is no cargo" if build_peer().returncode == NO_CARGO else None

    def __enter__(self) -> Rust:
        built = build_peer()
        assert built.returncode == 0, built.stderr[-3000:]
        self._binary = built.stdout.strip()
        return self

    def advance(self, count: int, seed: int) -> None:
        self._call_rust(count // 2, seed)
        self._be_called(count - count // 2)

    def _call_rust(self, count: int, seed: int) -> None:
        rng = Random(seed)
        server = RustServer(self._binary, "stream", "127.0.0.1:0", "node")
        left = list(range(count))
        try:
            with razorg.connect(server.url, task_timeout=30) as pool:

                def call() -> None:
                    while left:
                        text = str(left.pop())
                        blob = rng.randbytes(rng.randint(1, LARGE_MAX_BYTES)) if rng.random() < 0.1 else None
                        reply = pool.send(MIRROR, {"text": text}, blob).get()
                        assert reply.msg == {"text": text}, (text, reply.msg)
                        assert reply.blob == blob, f"call {text}: another blob"

                gevent.joinall([gevent.spawn(call) for _ in range(CALLERS)], timeout=120, raise_error=True)
                assert not pool.in_flight, f"{pool.in_flight} calls hang"
        finally:
            server.stop()
        self.count("calls to Rust", count)

    def _be_called(self, count: int) -> None:
        files = Counting()
        with razorg.RpcServer("tcp://127.0.0.1:0", dispatch=files) as server:
            command = [self._binary, "stream-load", bare(server.addresses[0]), "--calls", str(count)]
            done = gevent.subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
            assert done.returncode == 0, done.stderr.decode()
            outcome = json.loads(done.stdout)
            assert outcome == {"right": count, "wrong": 0}, f"{outcome}: {done.stderr[:1000].decode()}"
        assert files.count == count, f"{files.count} of {count} calls were executed"
        self.count("calls from Rust", count)
