"""Entries and claims of servers in etcd: keys with a lease that is kept alive."""

from __future__ import annotations

import math
from time import monotonic

from etcd3gw.client import Etcd3Client
from etcd3gw.lease import Lease

from razorg.discovery.etcd_watch import ANSWER_SECONDS, FAILURES, PrefixWatch, client_of, failure
from razorg.discovery.keeping import Election, Registration
from razorg.discovery.loop import Loop
from razorg.discovery.node import Node, entry_name, leader_of
from razorg.discovery.registry import EngineUrl

#: How long to wait when none of the hosts has answered.
_AGAIN_SECONDS = 0.5
#: How etcd says that a lease is over.
_NO_LEASE = "requested lease not found"


def register(url: str, node: Node, once: bool, registration: Registration) -> EtcdEntry:
    """Keep a node below the prefix."""
    return EtcdEntry(url, node, once, registration)


def elect(url: str, address: str, election: Election) -> EtcdClaim:
    """Contend for the key ``leader`` below the prefix."""
    return EtcdClaim(url, address, election)


class LeasedKey:
    """A key with a lease, put again whenever it is lost.

    With ``exclusive`` it is put where there is none only; the others wait for its end.
    """

    def __init__(self, url: str, name: str, data: bytes, exclusive: bool) -> None:
        self._where = EngineUrl.of(url)
        self._key = f"{self._where.path}/{name}"
        self._data = data
        self._exclusive = exclusive
        self._lease: Lease | None = None
        #: Until when the lease lives, at least: seconds of ``monotonic``.
        self.alive_until = 0.0
        self.is_put = False
        self._attempt = 0
        self._loop = Loop(f"etcd://{self._where.netloc}", self._run, blocks=True)

    def close(self) -> None:
        """Revoke the lease soon; from any thread, never blocks."""
        self._loop.close()

    def look(self) -> None:
        """Try now, not at the next time; from any thread."""
        self._loop.wake()

    def held(self, is_ours: bool) -> None:
        """The key is there; with ``exclusive`` perhaps another's."""

    def lost(self, error: Exception) -> None:
        """etcd does not say so any more."""

    def over(self, is_known: bool) -> None:
        """Closed: etcd has let the lease go, as far ``is_known``."""

    def _run(self, loop: Loop) -> None:
        client = self._client()
        failures = 0
        try:
            while not loop.is_closing:
                try:
                    self._turn(client)
                    failures = 0
                    pause = self._where.timeout / 4
                except FAILURES as error:
                    self.lost(failure(self._where, error))
                    client.session.close()
                    self._attempt += 1
                    client = self._client()
                    failures += 1
                    pause = 0.0 if failures % len(self._where.hosts) else _AGAIN_SECONDS
                loop.wait(pause)
        except Exception as error:  # a mistake: the loop begins anew
            self.lost(error)
            raise
        finally:
            client.session.close()
            if loop.is_closing:
                self.over(self._is_revoked())

    def _client(self) -> Etcd3Client:
        """It waits for answers so briefly that the next host can still save the lease."""
        seconds = min(ANSWER_SECONDS, self._where.timeout / 4)
        return client_of(self._where, self._attempt, seconds)

    def _turn(self, client: Etcd3Client) -> None:
        asked = monotonic()
        ttl = 0
        if self._lease is not None:
            self._lease.client = client
            ttl = self._lease.refresh()
            if ttl <= 0:
                self._lease = None
                self.is_put = False
                self.lost(ConnectionError(f"the lease at {self._where.netloc} has ended"))
        if self._lease is None:
            ttl = math.ceil(self._where.timeout)
            self._lease = client.lease(ttl)
        self.alive_until = asked + min(ttl, self._where.timeout)
        if self._exclusive:
            is_new = client.create(self._key, self._data, self._lease)
            self.is_put = is_new or self._is_ours(client)
        elif not self.is_put or not client.get(self._key):
            client.put(self._key, self._data, self._lease)
            self.is_put = True
        self.held(self.is_put)

    def _is_ours(self, client: Etcd3Client) -> bool:
        """Whether the key has our lease: an answer may have been lost."""
        found = client.get(self._key, metadata=True)
        lease = self._lease
        return bool(found) and lease is not None and str(found[0][1].get("lease")) == str(lease.id)

    def _is_revoked(self) -> bool:
        """Ask each host, until one has let the lease go."""
        if self._lease is None:
            return True
        for _ in self._where.hosts:
            self._lease.client = client = self._client()
            try:
                self._lease.revoke()
                return True
            except FAILURES as error:
                if _NO_LEASE in failure(self._where, error).args[0]:  # an answer was lost
                    return True
                self._attempt += 1
            finally:
                client.session.close()
        return False


class EtcdEntry(LeasedKey):
    """A server among the others.  With ``once`` the key has the name of the address, and the
    first process has it."""

    def __init__(self, url: str, node: Node, once: bool, registration: Registration) -> None:
        self._registration = registration
        super().__init__(url, entry_name(node, once), node.dump(), exclusive=once)
        self._watch = PrefixWatch(self._where, self._key, self._seen, _ignore) if once else None

    def close(self) -> None:
        super().close()
        if self._watch is not None:
            self._watch.close()

    def _seen(self, found: dict[str, bytes]) -> None:
        if self._key not in found:
            self.look()

    def held(self, is_ours: bool) -> None:
        self._registration.held()

    def lost(self, error: Exception) -> None:
        self._registration.lost(str(error))

    def over(self, is_known: bool) -> None:
        self._registration.over(is_known)


class EtcdClaim(LeasedKey):
    """The key ``leader``: who has put it leads, as long as the lease is known to live."""

    def __init__(self, url: str, address: str, election: Election) -> None:
        self._election = election
        super().__init__(url, "leader", address.encode(), exclusive=True)
        self._watch = PrefixWatch(self._where, self._key, self._seen, _ignore)

    def close(self) -> None:
        super().close()
        self._watch.close()

    def held(self, is_ours: bool) -> None:
        self._election.told(is_ours, self.alive_until)

    def lost(self, error: Exception) -> None:
        if not self.is_put or monotonic() >= self.alive_until:
            self._election.told(False)

    def over(self, is_known: bool) -> None:
        self._election.over(is_known)

    def _seen(self, found: dict[str, bytes]) -> None:
        leader = found.get(self._key)
        self._election.leader = leader_of(leader)
        if leader is None or (leader == self._data) != self.is_put:
            self.look()


def _ignore(error: Exception) -> None:
    """The keeper itself meets the same failure, and tells."""
