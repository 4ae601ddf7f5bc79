"""A page that shows a server: ``razorg.status.StatusPage(server, "127.0.0.1:9180")``.

- ``/``: live figures and plots, in one page without anything from elsewhere;
- ``/stats``: what the page shows, as JSON;
- ``/healthz``: 200 while the server serves, 503 otherwise;
- ``/metrics``: for Prometheus, where prometheus-client is installed.

It is for operators: anybody who can connect sees the names of methods, so keep it on loopback.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import logging
import os
from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Any

import gevent
from gevent.pywsgi import WSGIServer

from razorg.api.rpcserver import RpcServer
from razorg.hubs.forks import tell_of_forks
from razorg.transport.address import parse_address

log = logging.getLogger("razorg")

_Answer = tuple[str, str, bytes]
_JSON = "application/json"
#: How often an address that was taken is tried.
RETRY_SECONDS = 2.0


class _Http(WSGIServer):  # type: ignore[misc]
    """Knows its connections."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.open: set[Any] = set()

    def handle(self, sock: Any, address: Any) -> None:
        self.open.add(sock)
        try:
            super().handle(sock, address)
        finally:
            self.open.discard(sock)


class StatusPage:
    """Serves the page over HTTP, in greenlets of this thread; as a context manager, or until
    ``stop()``.

    It watches: the server counts its calls while the page is open, and for a minute more; with
    an ``observer`` always.  Nothing that goes wrong here reaches the server.
    """

    def __init__(self, server: RpcServer, address: str | tuple[str, int] = "127.0.0.1:0") -> None:
        self._server = server
        self._where = parse_address(address)
        self._http: _Http | None = None
        self._waiting: gevent.Greenlet[[], None] | None = None
        self._collector: Any = None

    def start(self) -> StatusPage:
        """Listen; OSError when the address cannot be had."""
        where = (self._where.name, self._where.port)
        # Without an error log: there is a line in it for whatever is no HTTP.
        http = _Http(where, self._serve, log=None, error_log=None)
        http.start()
        self._http = http
        tell_of_forks(self)
        return self

    def start_when_free(self) -> StatusPage:
        """As ``start``; while the address is taken it is tried again every two seconds."""
        try:
            return self.start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        host, port = self._where.name, self._where.port
        log.warning("the status page waits for %s:%s, where another process listens", host, port)
        self._waiting = gevent.spawn(self._wait_for_address)
        tell_of_forks(self)
        return self

    def _wait_for_address(self) -> None:
        while True:
            gevent.sleep(RETRY_SECONDS)
            try:
                self.start()
            except OSError:
                continue
            log.info("the status page is at %s", self.url)
            return

    def stop(self) -> None:
        """Listen no more.  Idempotent."""
        if self._waiting is not None:
            self._waiting.kill()
            self._waiting = None
        if self._http is not None:
            self._http.stop(timeout=1)
            self._http = None

    def after_fork(self) -> None:
        """In a forked child: the page is the parent's, and those who look at it are."""
        if self._waiting is not None:
            self._waiting.kill(block=False)
        http, self._http, self._waiting = self._http, None, None
        if http is not None:
            http.close()
            for conn in list(http.open):
                os.close(conn.detach())  # not ``close``: it waits for the file that reads from it

    @property
    def url(self) -> str | None:
        """Where it is; None while it listens nowhere."""
        if self._http is None:
            return None
        host, port = self._http.address[:2]
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def __enter__(self) -> StatusPage:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _serve(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        routes: dict[str, Callable[[], _Answer]] = {
            "/": self._page,
            "/stats": self._stats,
            "/healthz": self._health,
            "/metrics": self._metrics,
        }
        route = routes.get(environ["PATH_INFO"])
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, kind, body = "405 Method Not Allowed", "text/plain", b"only GET\n"
        elif route is None:
            paths = " ".join(routes).encode()
            status, kind, body = "404 Not Found", "text/plain", b"there are: " + paths + b"\n"
        else:
            try:
                status, kind, body = route()
            except Exception as error:
                self._server.seldom.error("the status page failed", error=error)
                status, kind, body = "500 Internal Server Error", "text/plain", b"see the log\n"
        headers = [
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'self' 'unsafe-inline'; img-src data:"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _page(self) -> _Answer:
        page = files("razorg").joinpath("status.html").read_bytes()
        return "200 OK", "text/html; charset=utf-8", page

    def _stats(self) -> _Answer:
        return "200 OK", _JSON, json.dumps(self._server.stats()).encode()

    def _health(self) -> _Answer:
        health = self._server.health()
        status = "200 OK" if health["status"] == "serving" else "503 Service Unavailable"
        return status, _JSON, json.dumps(health).encode()

    def _metrics(self) -> _Answer:
        if importlib.util.find_spec("prometheus_client") is None:
            text = b"needs prometheus-client: pip install 'razorg[prometheus]'\n"
            return "501 Not Implemented", "text/plain", text
        import prometheus_client

        from razorg.prometheus import Collector

        if self._collector is None:
            self._collector = Collector(self._server)
        registry = prometheus_client.CollectorRegistry()
        registry.register(self._collector)
        return (
            "200 OK",
            prometheus_client.CONTENT_TYPE_LATEST,
            prometheus_client.generate_latest(registry),
        )
