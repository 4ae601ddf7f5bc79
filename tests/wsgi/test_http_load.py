"""The load finds out servers that lie, in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

import gevent
import pytest
from gevent import socket
from gevent.pywsgi import WSGIServer
from support import http_load
from support.http_load import Ask, Figures, HttpLoad, wrong

REQUESTS = 200
#: The server lies about each of them.
LIES = 5
StartResponse = Callable[..., Any]


def asks() -> Iterator[Ask]:
    for number in range(REQUESTS):
        name = f"lie-{number}" if number % (REQUESTS // LIES) == 7 else f"truth-{number}"
        yield Ask(f"/{quote(name)}", {"name": name})


class Liar:
    """Answers with the name that was asked for, or does what its ``lie`` says."""

    def __init__(self, lie: str) -> None:
        self._lie = lie
        self._name = ""

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        name = environ["PATH_INFO"].strip("/")
        status, size = "200 OK", None
        if name.startswith("lie"):
            if self._lie == "status":
                status = "503 Service Unavailable"
            elif self._lie == "value":
                name = "lie-1000"
            elif self._lie == "foreign":
                name = self._name  # of the request before
            elif self._lie == "garbage":
                start_response(status, [("Content-Length", "1")])
                return [b"{"]
            elif self._lie == "cut":
                size = "1000"
            elif self._lie == "hang":
                gevent.sleep(60)
        self._name = name
        body = b'{"name": "%s"}' % name.encode()
        start_response(status, [("Content-Length", size or str(len(body))), ("X-Worker", "1"), ("Connection", "close" if size else "keep-alive")])
        return [body]


def outcomes_of(lie: str, keep_alive: bool) -> list[http_load.Outcome]:
    server = WSGIServer(("127.0.0.1", 0), Liar(lie), log=None)
    server.init_socket()
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.start()
    try:
        return HttpLoad(f"http://127.0.0.1:{server.server_port}", asks(), greenlets=4, keep_alive=keep_alive).run()
    finally:
        server.stop(timeout=0)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("keep_alive", [False, True])
@pytest.mark.parametrize("lie", ["none", "status", "value", "foreign", "garbage", "cut"])
def test_each_lie_is_found(lie: str, keep_alive: bool) -> None:
    outcomes = outcomes_of(lie, keep_alive)
    found = wrong(outcomes)
    assert len(outcomes) == REQUESTS
    assert len(found) == (0 if lie == "none" else LIES), list(map(str, found))
    assert all(outcome.ask.path.startswith("/lie") and str(outcome) for outcome in found)
    assert {outcome.status for outcome in found} <= {{"status": 503, "cut": 0}.get(lie, 200)}
    assert wrong(outcomes, also=[503]) == ([] if lie == "status" else found)


@pytest.mark.timeout(20)
def test_what_hangs_ends_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_load, "PATIENCE", 0.3)
    outcomes = outcomes_of("hang", keep_alive=False)
    assert len(outcomes) < REQUESTS
    assert {outcome.status for outcome in wrong(outcomes)} == {0}
    assert 0.3 <= Figures.of(outcomes).longest < 5


@pytest.mark.timeout(20)
def test_a_load_without_a_server() -> None:
    outcomes = HttpLoad("http://127.0.0.1:1", islice(asks(), 10)).run()
    assert len(outcomes) == len(wrong(outcomes)) == 10
    assert "refused" in str(outcomes[0])
