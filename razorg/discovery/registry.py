"""Resolvers by scheme, and the URLs of engines."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from razorg.discovery.node import Resolver

MakeResolver = Callable[[str], Resolver]


class _Engine(NamedTuple):
    """A module of ours, the one it needs, and the extra of razorg that installs that."""

    module: str
    needs: str = ""
    extra: str = ""


_ZOOKEEPER = _Engine("razorg.discovery.zookeeper", "kazoo", "zookeeper")
_ETCD = _Engine("razorg.discovery.etcd", "etcd3gw", "etcd")
_DNS = _Engine("razorg.discovery.dns", "dns", "dns")
_engines = {
    "zk": _ZOOKEEPER,
    "etcd": _ETCD,
    "etcd+https": _ETCD,
    "dns+tcp": _DNS,
    "dns+srv": _DNS,
    "file": _Engine("razorg.discovery.file"),
}
_users: dict[str, MakeResolver] = {}


def register_resolver(scheme: str, make_resolver: MakeResolver) -> None:
    """Let ``connect("scheme://…")`` follow ``make_resolver(url)``, a Resolver of your own.

    It is called at the first call of a pool.  One of razorg's own schemes may be replaced; those
    of transports cannot be had.
    """
    if not callable(make_resolver):
        raise TypeError(f"expected what makes a Resolver of a URL, not {make_resolver!r}")
    parts = scheme.split("+")
    if not all(part.isidentifier() for part in parts) or scheme in ("tcp", "tls", "unix", "memory"):
        raise ValueError(f"{scheme!r} cannot be the scheme of a resolver")
    _users[scheme] = make_resolver


def is_resolved(address: object) -> bool:
    """Whether it is the URL of a resolver."""
    scheme = address.partition("://")[0] if isinstance(address, str) else ""
    return scheme in _users or scheme in _engines


def resolver_maker(url: str) -> Callable[[], Resolver]:
    """What makes the resolver of a URL.  ValueError for a wrong one, ImportError when a package
    is missing; nothing is imported before it is called."""
    scheme = url.partition("://")[0]
    if scheme in _users:
        return partial(_users[scheme], url)
    EngineUrl.of(url)
    engine = _installed(scheme)
    return lambda: importlib.import_module(engine.module).resolver(url)


def engine_part(url: str, name: str, *args: Any) -> Any:
    """What the engine of the URL has under this name, ``register`` or ``elect``, called."""
    return getattr(importlib.import_module(engine_check(url).module), name)(url, *args)


def engine_check(url: str) -> _Engine:
    """What can register servers at this URL; ValueError, ImportError: its package is missing."""
    scheme = url.partition("://")[0]
    if scheme not in ("zk", "etcd", "etcd+https"):
        raise ValueError(f"{url!r}: servers are registered in zk:// and etcd:// only")
    EngineUrl.of(url)
    return _installed(scheme)


def _installed(scheme: str) -> _Engine:
    engine = _engines[scheme]
    if engine.needs and find_spec(engine.needs) is None:
        raise ModuleNotFoundError(
            f"{scheme}:// needs {engine.needs}: pip install 'razorg[{engine.extra}]'"
        )
    return engine


#: The options that a URL may have after a question mark.
_OPTIONS = {
    "zk": ("timeout",),
    "etcd": ("timeout",),
    "etcd+https": ("timeout", "ca", "cert", "key"),
    "dns+tcp": ("nameserver", "scheme"),
    "dns+srv": ("nameserver", "scheme"),
    "file": ("scheme",),
}
_PORTS = {"zk": 2181, "etcd": 2379, "etcd+https": 2379}


@dataclass(frozen=True)
class EngineUrl:
    """The parts of ``scheme://host:port,host:port/path?option=…``."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    path: str
    options: Mapping[str, str]

    @classmethod
    def of(cls, url: str) -> EngineUrl:
        """The parts of a URL; ValueError says what is wrong with it."""
        try:
            parts = urlsplit(url)
            query = parse_qsl(parts.query, strict_parsing=True) if parts.query else []
        except ValueError as error:
            raise ValueError(f"{url!r}: {error}") from None
        if "#" in url:
            raise ValueError(f"{url!r}: a # is written as %23")
        known = _OPTIONS.get(parts.scheme, ())
        options = dict(query)
        for name in options:
            if name not in known:
                raise ValueError(f"{url!r}: no option {name!r}; there are: {', '.join(known)}")
        path = unquote(parts.path).rstrip("/")
        if parts.scheme == "file":
            if parts.netloc or not path:
                raise ValueError(f"{url!r}: expected file:///path/to/file.json")
            made = cls("file", (), path, options)
            made._check()
            return made
        if not {".", ".."}.isdisjoint(path.split("/")):
            raise ValueError(f"{url!r}: there is no . or .. in such a path")
        names = parts.netloc.split(",")
        if parts.scheme == "dns+srv" and ":" in parts.netloc:
            raise ValueError(f"{url!r}: SRV records tell the ports")
        default = _PORTS.get(parts.scheme)
        needs_port = parts.scheme == "dns+tcp"
        hosts = tuple(host_and_port(name, url, default, needs_port) for name in names)
        if default is None and (path or len(hosts) > 1):
            raise ValueError(f"{url!r}: expected one name, and nothing after it")
        if default is not None and not path:
            raise ValueError(f"{url!r} has no path; expected {parts.scheme}://host/services/name")
        made = cls(parts.scheme, hosts, path, options)
        made._check()
        return made

    def _check(self) -> None:
        """ValueError for an option that makes no sense."""
        assert self.timeout
        if self.options.get("scheme", "tcp") not in ("tcp", "tls"):
            raise ValueError(f"scheme={self.options['scheme']}: expected tcp or tls")
        if ("cert" in self.options) != ("key" in self.options):
            raise ValueError("cert= and key= belong together: expected both, or none")
        if "nameserver" in self.options:
            text = self.options["nameserver"]
            host, _ = host_and_port(text, text, 53)
            try:
                ip_address(host)
            except ValueError:
                raise ValueError(f"nameserver={text}: expected an IP address") from None

    @property
    def netloc(self) -> str:
        """The hosts and their ports, as in the URL."""
        pairs = ((f"[{host}]" if ":" in host else host, port) for host, port in self.hosts)
        return ",".join(f"{host}:{port}" for host, port in pairs)

    @property
    def timeout(self) -> float:
        """After how many seconds of silence the engine takes a server for dead."""
        text = self.options.get("timeout", "10")
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 1 <= seconds <= 3600:
            raise ValueError(f"timeout={text}: expected seconds, 1 … 3600")
        return seconds


def host_and_port(
    text: str, url: str, default: int | None, needs_port: bool = False
) -> tuple[str, int]:
    if "@" in text:
        raise ValueError(f"{url!r}: there is no place for a user's name")
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, str(default or 0)
        if needs_port:
            raise ValueError(f"{url!r} has no port: DNS tells addresses only")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{url!r}: an IPv6 host goes in brackets")
    is_port = port.isascii() and port.isdigit() and (0 if not colon else 1) <= int(port) <= 65535
    if not host or " " in host or not is_port:
        raise ValueError(f"{url!r}: {text!r} is no host:port")
    return host, int(port)
