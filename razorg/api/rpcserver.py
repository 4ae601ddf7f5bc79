"""RpcServer: the server's front door."""

from __future__ import annotations

import importlib
import os
from collections.abc import Collection, Sequence
from time import monotonic
from typing import Any

import gevent

from razorg.api.serve import ServiceDispatch
from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import ServerConfig, configured
from razorg.core.chain import Interceptor, checked_interceptors
from razorg.core.figures import Observer, checked_observer
from razorg.discovery.advertise import RegisterLike, advertised, checked_registers
from razorg.discovery.keeping import Registration
from razorg.discovery.node import checked_url
from razorg.server.admission import Authenticate
from razorg.server.counted import CountedDispatch
from razorg.server.dispatch import Dispatch, NoDispatch
from razorg.server.guard import Authorize, Guard
from razorg.server.intercepted import InterceptedDispatch
from razorg.server.server import Server
from razorg.server.targets import ListenTo
from razorg.server.told import TellingDispatch, onlookers_among
from razorg.version import __version__

#: Calls are counted for so long after somebody has asked for ``Razorg.stats``.
_WATCHED_SECONDS = 60.0
#: How long an engine may take to let an entry go.
_WITHDRAW_SECONDS = 2.0
#: How long clients have then to hear of that and leave, before the server stops to listen.
_LEAVE_SECONDS = 1.0


class RpcServer(Server):
    """Serves typed services, a Dispatch for raw actions, or both.

    ``listen`` is a URL (``tcp://host:port``, ``tls://host:port``, ``unix:///path``,
    ``memory://name``), a ``"host:port"``, a ``(host, port)`` pair, a bound socket, a list of these,
    or None: then ``start(listen)`` takes them, or gunicorn has them.
    A string action whose service is registered goes to the services, the rest to ``dispatch``.
    Takes the names of ServerConfig as keywords.  Nothing is opened before ``start()``.

    - With services it also answers ``Razorg.describe``, ``Razorg.health`` and ``Razorg.stats``,
      unless ``reflection=False``.
    - ``authenticate(peer)`` is asked once for each connection; what it returns is the peer's
      ``identity``.  What it raises keeps the peer out: its calls end with AccessDenied.  So does
      taking longer than ``read_timeout``.
    - ``authorize(peer, action, requires)`` is asked before each call, and refuses it with
      AccessDenied by returning what is false.  Without it the methods that say ``requires=`` are
      closed, and all others open.
    - ``interceptors`` are called around each handler, the first outermost:
      ``interceptor(call, proceed)`` gets a ServerCall, and goes on with ``proceed(call)``.
    - An ``observer`` counts the calls.
    - At ``status``, as ``"127.0.0.1:9180"``, it shows itself over HTTP: see ``razorg.status``.
      A server at sockets that it was given waits for that address while it is taken.
    - ``register``: where it is found while it serves, ``zk://…`` or ``etcd://…``, a
      ``razorg.Register`` or a list of them; ``advertise``: under which address or addresses, by
      default those that it listens at.  ``stop`` withdraws it first.
    """

    def __init__(
        self,
        listen: ListenTo,
        services: Collection[Any] = (),
        *,
        dispatch: Dispatch | None = None,
        codec: str | Codec = "msgpack",
        config: ServerConfig | None = None,
        reflection: bool = True,
        authenticate: Authenticate | None = None,
        authorize: Authorize | None = None,
        interceptors: Sequence[Interceptor] = (),
        observer: Observer | None = None,
        status: str | tuple[str, int] | None = None,
        register: RegisterLike = None,
        advertise: str | Sequence[str] | None = None,
        **settings: Any,
    ) -> None:
        codec = resolve_codec(codec)
        if dispatch is not None and not isinstance(dispatch, Dispatch):
            raise TypeError(f"dispatch must be a razorg.Dispatch, not {dispatch!r}")
        if not isinstance(services, (list, tuple, set, frozenset)):
            raise TypeError(f"services is a list of service objects, not {services!r}")
        for name, given in (("authenticate", authenticate), ("authorize", authorize)):
            if given is not None and not callable(given):
                raise TypeError(f"{name} is called with the peer, and cannot be {given!r}")
        checked = configured(config, ServerConfig, settings)
        self.observer = checked_observer(observer)
        around = checked_interceptors(interceptors)
        onlookers = onlookers_among(around)
        around = tuple(item for item in around if item not in onlookers)
        served: Dispatch = dispatch if dispatch is not None else NoDispatch()
        if dispatch is not None and around:
            served = InterceptedDispatch(around, served)
        if dispatch is not None and observer is not None:
            served = CountedDispatch(observer, served)
        requires: dict[int | str, str] = {}
        self._by_name: ServiceDispatch | None = None
        if services:
            about = self if reflection else None
            served = self._by_name = ServiceDispatch(
                services, served, codec, checked.limits, about, around
            )
            self._by_name.count(observer)
            requires = self._by_name.requires
        elif dispatch is None:
            raise TypeError("a server needs services or a dispatch")
        if authorize is not None or requires:
            served = Guard(served, authorize, requires)
        if onlookers:
            served = TellingDispatch(onlookers, served)
        self._services = list(services)
        # Counting for those who ask for stats, where there is no observer.
        self._watcher: Observer | None = None
        self._watched_since = self._watched_until = 0.0
        super().__init__(listen, served, codec, checked, authenticate)
        self._made_at = monotonic()
        self._status_at = status
        self._status_page: Any = None
        self._registers = checked_registers(register)
        told = [advertise] if isinstance(advertise, str) else advertise or []
        scheme = "tcp" if checked.tls is None else "tls"
        self._advertise = [checked_url(address, scheme) for address in told]
        #: Its entries in the engines, while it serves.
        self.registrations: list[Registration] = []

    def _begin(self, is_alone: bool) -> None:
        if self._status_at is not None:
            # By name: the page is above this module, and imported where it is wanted only.
            page = importlib.import_module("razorg.status").StatusPage(self, self._status_at)
            self._status_page = page
            page.start() if is_alone else page.start_when_free()
        for register in self._registers:
            told = self._advertise or advertised(self.addresses, register)
            self.registrations += register.start(told)

    @property
    def status_url(self) -> str | None:
        """Where its status page is; None where there is none, or not yet, or no more."""
        return None if self._status_page is None else self._status_page.url

    def stop(self, timeout: float | None = None) -> None:
        try:
            super().stop(timeout)
        finally:
            if self._status_page is not None and self.state == "stopped":
                self._status_page.stop()

    def _withdraw(self, timeout: float) -> None:
        """Take its entries out of all engines, and let the clients that follow these leave.

        They close their connections when their calls have ended; whoever does not, loses what he
        sends while the server closes.
        """
        deadline = monotonic() + timeout
        entries, self.registrations = self.registrations, []
        leaving = [
            gevent.spawn(entry.withdraw, min(timeout, _WITHDRAW_SECONDS)) for entry in entries
        ]
        gevent.joinall(leaving)
        deadline = min(deadline, monotonic() + _LEAVE_SECONDS)
        if any(greenlet.value for greenlet in leaving):
            while self.connections and monotonic() < deadline:
                gevent.sleep(0.01)

    def after_fork(self) -> None:
        super().after_fork()
        self.registrations.clear()  # they are the parent's

    def health(self) -> dict[str, Any]:
        """Whether it serves, and how much: what ``Razorg.health`` answers."""
        return {
            "status": self.state,
            "version": __version__,
            "pid": os.getpid(),
            "uptime": monotonic() - self._made_at,
            "connections": self.connections,
            "running": self.running,
            "read_requests": self.read_requests,
            "addresses": self.addresses,
        }

    def stats(self) -> dict[str, Any]:
        """Calls by action, as ``Razorg.stats`` answers them; ``health()`` is in them, too.

        Where the server has no observer they are counted from the first time that somebody asks
        until a minute after the last time.  ``seconds`` says since when.  Times are in seconds;
        ``buckets[i]`` counts calls of less than 2**i microseconds.
        """
        now = monotonic()
        observer = self.observer or self._watcher
        if observer is None:
            observer = self._watcher = Observer()
            self._watched_since = now
            if self._by_name is not None:
                self._by_name.count(observer)
        self._watched_until = now + _WATCHED_SECONDS
        since = self._made_at if self.observer is not None else self._watched_since
        methods = {
            figures.action: {
                "calls": figures.calls,
                "running": figures.running,
                "errors": dict(figures.errors),
                "seconds": figures.seconds,
                "buckets": list(figures.buckets),
            }
            for figures in observer.figures
        }
        return {"seconds": now - since, "methods": methods, "server": self.health()}

    def on_tick(self, now: float) -> None:
        super().on_tick(now)
        if self._watcher is not None and now > self._watched_until:
            self._watcher = None
            if self._by_name is not None:
                self._by_name.count(None)
