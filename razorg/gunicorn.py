"""``gunicorn -k razorg.gunicorn.Worker -b 127.0.0.1:7700 module:server``: RPC under gunicorn.

The only module that needs gunicorn (``pip install razorg[gunicorn]``); nothing imports it.
"""

from __future__ import annotations

from types import FrameType

import gevent
from gevent.event import Event
from gunicorn.errors import AppImportError
from gunicorn.workers.ggevent import GeventWorker

from razorg.server.server import Server

#: Seconds between two signs of life to the master; its ``--timeout`` is at least 1.
BEAT_SECONDS = 0.5


class Worker(GeventWorker):  # type: ignore[misc]
    """A process of gunicorn that serves an RpcServer, made as ``RpcServer(None, services)``.

    It listens at gunicorn's binds.  SIGTERM, a reload, TTOU and ``--max-requests`` (looked at
    twice a second; pings count) make it accept no more, answer what was read, and end; what still
    runs after ``--graceful-timeout`` is killed.  SIGINT and SIGQUIT end it at once.  While a
    handler stops the hub for ``--timeout`` seconds the master kills the worker; one that
    blocks only its greenlet does not.  As in every gevent worker the process is monkey-patched.
    ``--worker-connections`` and ``--keep-alive`` are not used: the server's own config is.
    gunicorn's own settings of TLS are not used either: give ``tls=`` to the server.
    """

    wsgi: Server  # pyright: ignore[reportIncompatibleMethodOverride]

    def init_process(self) -> None:
        """The life of the process.  Blocks."""
        self._wake = Event()  # a signal may come long before ``run``
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the server.  AppImportError, which stops gunicorn, when it is something else."""
        super().load_wsgi()
        if not isinstance(self.wsgi, Server):
            raise AppImportError(
                f"razorg.gunicorn.Worker serves a razorg.RpcServer, not {self.wsgi!r}"
            )
        if self.cfg.is_ssl:
            raise AppImportError("razorg.gunicorn.Worker has no TLS: remove certfile and keyfile")

    def run(self) -> None:
        """Serve until a signal, or enough requests; then drain.  Blocks."""
        self.booted = False  # a worker that cannot listen stops gunicorn: the next could not either
        self.wsgi.start(self.sockets)
        self.booted = True
        for sock in self.sockets:
            sock.close()  # the server has descriptors of its own, and closes them when it stops
        try:
            while self._goes_on():
                self.notify()
                self._wake.wait(BEAT_SECONDS)
            self._drain()
        finally:
            self.wsgi.stop(0)

    def _goes_on(self) -> bool:
        """Not when the server was stopped, as by a handler: gunicorn starts another worker then."""
        is_serving = self.alive and self.wsgi.state == "serving"
        return is_serving and self.wsgi.read_requests < self.max_requests

    def _drain(self) -> None:
        draining = gevent.spawn(self.wsgi.stop, self.cfg.graceful_timeout)
        while not draining.ready():
            self.notify()
            draining.join(BEAT_SECONDS)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: end gracefully, and begin now, not at the next beat."""
        super().handle_exit(sig, frame)
        self._wake.set()
