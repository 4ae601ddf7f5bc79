"""``dns+tcp://name:port`` and ``dns+srv://_service._tcp.name``: addresses by DNS, as long as its
TTL says.

dnspython asks the nameservers itself, so that the TTL is known; ``/etc/hosts`` is not read.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import dns.exception
import dns.resolver

from razorg.discovery.loop import Loop
from razorg.discovery.node import Answer, Node, Snapshot, merged
from razorg.discovery.registry import EngineUrl, host_and_port

#: A TTL of 0 would ask without end; one of a week, as good as never.
_TTL_MIN_SECONDS = 1.0
_TTL_MAX_SECONDS = 3600.0
_AGAIN_MAX_SECONDS = 30.0
_ANSWER_SECONDS = 3.0
#: There are servers that say nothing to what they do not know; A or AAAA alone is enough.
_SECOND_ANSWER_SECONDS = 1.0
#: What goes wrong; OSError: no way to the nameserver.  ValueError: names that are none.
_FAILURES = (dns.exception.DNSException, OSError, ValueError)


def resolver(url: str) -> DnsResolver:
    """The resolver of ``dns+tcp://…`` or ``dns+srv://…``."""
    return DnsResolver(url)


class DnsResolver:
    """Asks again when the TTL of an answer is over, and sooner after a failure."""

    def __init__(self, url: str) -> None:
        self._where = EngineUrl.of(url)
        (self._name, self._port), *_ = self._where.hosts
        self._ask = self._services if self._where.scheme == "dns+srv" else self._addresses
        self._known: dict[str, list[Node]] = {}
        self._loop: Loop | None = None

    def watch(self, callback: Callable[[Answer], None]) -> None:
        name = f"{self._where.scheme}://{self._name}"
        self._loop = Loop(name, lambda loop: self._follow(loop, callback), blocks=True)

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()

    def _follow(self, loop: Loop, callback: Callable[[Answer], None]) -> None:
        again = _TTL_MIN_SECONDS
        while not loop.is_closing:
            answer: Answer
            try:
                nodes, ttl = self._ask(self._servers())
                answer = Snapshot(merged(nodes))
                seconds = min(max(ttl, _TTL_MIN_SECONDS), _TTL_MAX_SECONDS)
                again = _TTL_MIN_SECONDS
            except _FAILURES as error:
                answer = error
                seconds = again
                again = min(2 * again, _AGAIN_MAX_SECONDS)
            if not loop.is_closing:
                callback(answer)
            loop.wait(seconds)

    def _servers(self) -> dns.resolver.Resolver:
        """Who is asked: the system's nameservers, looked up each time, or that of the URL."""
        nameserver = self._where.options.get("nameserver")
        asked = dns.resolver.Resolver(configure=nameserver is None)
        if nameserver is not None:
            host, asked.port = host_and_port(nameserver, nameserver, 53)
            asked.nameservers = [host]
        asked.timeout = _ANSWER_SECONDS / 2
        asked.lifetime = _ANSWER_SECONDS
        return asked

    def _addresses(self, servers: dns.resolver.Resolver) -> tuple[Iterable[Node], float]:
        """All that A and AAAA say of the name; an error when neither says anything."""
        seconds: list[float] = []
        failure: Exception | None = None
        for kind in ("A", "AAAA"):
            try:
                answer = servers.resolve(
                    self._name,
                    kind,
                    raise_on_no_answer=False,
                    search=True,
                    lifetime=_SECOND_ANSWER_SECONDS if seconds else _ANSWER_SECONDS,
                )
                hosts = [record.address for record in answer.rrset or ()]
                self._known[kind] = [Node(self._url(host, self._port)) for host in hosts]
                seconds += [_seconds(answer)] if hosts else []
            except _FAILURES as error:
                failure = failure or error  # what this kind said last stays
        if failure is not None and not seconds:
            raise failure
        return itertools.chain(*self._known.values()), min(seconds, default=0)

    def _services(self, servers: dns.resolver.Resolver) -> tuple[Iterable[Node], float]:
        """What SRV says: targets by name, their weights, and the priority as an attribute."""
        answer = servers.resolve(self._name, "SRV", search=True)
        records: Any = answer.rrset or []
        targets = [record for record in records if record.target.to_text() != "."]
        # A weight of 0 is for where there is nothing to choose, says RFC 2782.
        has_weights = any(record.weight for record in targets)
        nodes = [
            Node(
                self._url(record.target.to_text(omit_final_dot=True), record.port),
                float(record.weight) if has_weights else 1.0,
                {"priority": record.priority},
            )
            for record in targets
        ]
        return nodes, _seconds(answer) if records else 0

    def _url(self, host: str, port: int) -> str:
        host = f"[{host}]" if ":" in host else host
        return f"{self._where.options.get('scheme', 'tcp')}://{host}:{port}"


def _seconds(answer: dns.resolver.Answer) -> float:
    """How long it holds: as long as the shortest of it, the aliases on the way included."""
    return float(answer.chaining_result.minimum_ttl)
