"""Hostile inputs, thrown at a server and at a client: each does what the table says, and goes on.

docs/hostile.md shows what the Rust reference does with the same.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import gevent
import msgpack
import pytest
from interop import actions
from support.hostile import CLIENT, DELAY, MIB, SERVER, Answer, Answering, Hostile, throw
from support.peers import ScriptedClient, request, wait_until
from support.vitals import vitals

import razorg

READ_TIMEOUT = 0.5
GROWTH_MAX_BYTES = 64 * 2**20
#: Judged at ticks, of which the first may come after a second.
LATE_SECONDS = READ_TIMEOUT + 3.0
WAITS_SECONDS = 0.4


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logging.getLogger("razorg"), "disabled", True)
    yield


def test_there_are_many() -> None:
    assert len({item.name for item in SERVER}) == len(SERVER) >= 70
    assert len({item.name for item in CLIENT}) == len(CLIENT) >= 40


@pytest.mark.parametrize("item", SERVER, ids=lambda item: item.name)
def test_a_server(item: Hostile) -> None:
    settings: dict[str, Any] = {"read_timeout": READ_TIMEOUT, "write_timeout": 60.0, "stop_timeout": 0.0}
    seconds = {"waits": WAITS_SECONDS, "late": LATE_SECONDS}.get(item.expected, 10.0)
    gc.collect()
    before = vitals().rss_bytes
    with razorg.RpcServer("tcp://127.0.0.1:0", dispatch=actions.Files(), **settings) as server:
        with razorg.ClientStream(server.addresses[0]) as healthy:
            seen = throw(server.addresses[0], item, seconds)
            assert healthy.send(6, {"b": 2}).get(10).msg == {"b": 2}
            wait_until(lambda: server.connections == 1)
    grown = vitals().rss_bytes - before
    assert grown <= GROWTH_MAX_BYTES, f"{grown / 2**20:.0f} MiB more"
    if item.expected == "late":
        assert seen.answers == []
        assert seen.closed_after is not None and seen.closed_after >= READ_TIMEOUT - 0.1, seen
    elif item.expected == "closed":
        assert seen.outcome in ("closed", "reset"), seen
        assert seen.closed_after is not None and seen.closed_after < 5.0
    else:
        assert seen.outcome == item.expected


@pytest.mark.parametrize("answer", CLIENT, ids=lambda answer: answer.name)
def test_a_client(answer: Answer) -> None:
    with Answering(answer) as server:
        before = vitals().rss_bytes
        with razorg.ClientStream(server.address, task_timeout=60) as stream:
            try:
                timeout = 0.4 if answer.expected == "CallTimeout" else 20.0
                pool_call = stream.send(DELAY, {"ms": 5, "id": 1}, timeout=timeout)
                decoded = pool_call.get(10).decode(actions.Delay)
                outcome = "ok" if decoded == actions.Delay(5, 1) else repr(decoded)
            except (razorg.RazorError, OSError) as error:
                outcome = type(error).__name__
        assert outcome == answer.expected
        assert vitals().rss_bytes - before <= GROWTH_MAX_BYTES


def test_what_is_answered_and_not_read_is_bounded_however_many_may_run() -> None:
    ask = request(1, 2, msgpack.packb({"inode": 1, "offset": 0, "len": MIB}))
    with razorg.RpcServer("tcp://127.0.0.1:0", dispatch=actions.Files(), stop_timeout=0.0) as server:
        with ScriptedClient(server.addresses[0]) as client:
            client.send(ask * 200)
            (session,) = wait_for_sessions(server)
            wait_until(lambda: session._unwritten_bytes > server.config.max_unwritten_bytes)
            for _ in range(50):
                gevent.sleep(0.002)
                assert session._unwritten_bytes <= server.config.max_unwritten_bytes + 2 * (MIB + 100)
            assert [client.read_reply().blob == actions.pattern(0, MIB) for _ in range(200)] == [True] * 200


def wait_for_sessions(server: razorg.RpcServer) -> list[Any]:
    wait_until(lambda: server._sessions)
    return list(server._sessions)
