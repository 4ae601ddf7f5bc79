"""A nameserver for one name, whose answers the test sets."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import gevent
from gevent import socket


class Nameserver:
    """Answers by UDP at a port of loopback; ``records`` by type, as text in the zone file's form."""

    def __init__(self, ttl: int = 1) -> None:
        self.ttl = ttl
        self.records: dict[str, list[str]] = {}
        self.exists = True
        #: Types of which nothing can be said.
        self.failing: set[str] = set()
        #: Types to which nothing is answered at all.
        self.silent: set[str] = set()
        #: Another name and its TTL, for which this one stands.
        self.alias: tuple[str, int] | None = None
        self.talks_nonsense = False
        self.asked = 0
        self._port = 0
        self._start()

    @property
    def where(self) -> str:
        return f"127.0.0.1:{self._port}"

    def stop(self) -> None:
        self._greenlet.kill()
        self._sock.close()

    def restart(self) -> None:
        self._start()

    def _start(self) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", self._port))
        self._port = self._sock.getsockname()[1]
        self._greenlet = gevent.spawn(self._serve)

    def _serve(self) -> None:
        while True:
            data, peer = self._sock.recvfrom(4096)
            self.asked += 1
            answer = b"\x00nonsense" if self.talks_nonsense else self._answer(data)
            if answer:
                self._sock.sendto(answer, peer)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        if kind in self.silent:
            return b""
        if not self.exists:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif kind in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif texts := self.records.get(kind):
            name = question.name
            if self.alias is not None:
                target, ttl = self.alias
                answer.answer.append(dns.rrset.from_text(name, ttl, "IN", "CNAME", target))
                name = answer.answer[0][0].target
            answer.answer.append(dns.rrset.from_text(name, self.ttl, "IN", kind, *texts))
        return answer.to_wire()
