"""Workers of gunicorn in an engine: each of them, or the socket once; reloads under load."""

from __future__ import annotations

import importlib.util
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from support.nodes import eventually

import razorg

if importlib.util.find_spec("gunicorn") is None:
    pytest.skip("gunicorn is not installed: pip install razorg[gunicorn]", allow_module_level=True)

from support.gunicorn_master import Gunicorn

LIMIT = 30.0
pytestmark = pytest.mark.timeout(120)


@razorg.service
class Pid:
    @razorg.method(idempotent=True)  # a reload of gunicorn closes connections whose requests it has not read
    def get(self) -> int:
        raise NotImplementedError


@pytest.fixture
def master(running: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Gunicorn]:
    def make(once: str) -> Gunicorn:
        monkeypatch.setenv("ENGINE_URL", running.url())
        monkeypatch.setenv("ONCE", once)
        return Gunicorn(tmp_path, "-w", "3", app="support.registered_app:server")

    return make


@pytest.mark.parametrize("once", ["no", "yes"])
def test_workers_are_registered(running: Any, master: Callable[[str], Gunicorn], once: str) -> None:
    """Each by itself, so that the weight is that of all; or one entry, whoever has it."""
    count = 1 if once == "yes" else 3
    with master(once) as gunicorn:
        gunicorn.workers(3)
        eventually(lambda: len(running.entries()) == count, LIMIT, "they are registered")
        with razorg.connect([running.url()]) as pool:
            client = pool.client(Pid)
            assert client.get()
            eventually(lambda: [node.weight for node in pool.nodes] == [count], LIMIT, "the weights add up")
            assert pool.addresses == gunicorn.addresses
            ended: list[int] = []
            reloading = gevent.spawn(lambda: ended.extend(gunicorn.reload(3)))
            calls = 0
            while not reloading.ready():
                client.get()
                calls += 1
                gevent.sleep(0.001)
            reloading.get()
            eventually(lambda: len(running.entries()) == count, LIMIT, "the new ones are registered")
            eventually(lambda: client.get() not in ended, LIMIT, "the new ones answer")
            print(f"\n{running.scheme}, once={once}: reload under {calls} calls, none failed")
        gunicorn.signal(signal.SIGTERM)
        gunicorn.wait()
        eventually(lambda: not running.entries(), LIMIT, "nothing is left")
