"""A pool whose addresses follow a resolver."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import weakref
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from razorg.api.pools import FailoverPool
from razorg.client.failover import StreamFailover
from razorg.client.shared import SharedPool
from razorg.codec.base import Codec
from razorg.config import ClientConfig
from razorg.core.balancing import aperture
from razorg.core.chain import Interceptor
from razorg.core.figures import Observer
from razorg.core.routing import Mode, check_mode
from razorg.discovery.following import Following
from razorg.discovery.node import Node, Snapshot
from razorg.discovery.registry import resolver_maker
from razorg.transport.address import Address

log = logging.getLogger("razorg")


class FollowingPool(FailoverPool):
    """Calls to the servers that a resolver tells: ``connect("zk://…")`` and others.

    The first call starts the resolver and waits for its first answer, at most ``connect_timeout``.
    What it tells later is used from then on.  While it cannot be asked, or tells what makes no
    sense or nobody, the last addresses stay in use; ``repr`` and one line of the log say so.

    Weights count with ``mode="balanced"``.  With an ``aperture`` this process uses a part of the
    nodes only, which host and process id choose: see docs/scaling.md.

    Of nodes with an attribute ``priority`` those with the lowest are used, the others while none
    of these is healthy.
    """

    def __init__(
        self,
        url: str,
        *,
        mode: Mode = "round_robin",
        codec: str | Codec = "msgpack",
        config: ClientConfig | None = None,
        interceptors: Sequence[Interceptor] = (),
        observer: Observer | None = None,
        **settings: Any,
    ) -> None:
        SharedPool.__init__(self, codec, config, settings, interceptors, observer)
        check_mode(mode)
        self.mode = mode
        self._where: list[Address] = []
        self._spares: list[Address] = []
        self._leader: Address | None = None
        self._weights: dict[Address, float] = {}
        self._following = Following(url, resolver_maker(url), _user_of(self))
        # Who forgets a pool is not followed by its resolver for ever.
        weakref.finalize(self, self._following.abandon).atexit = False

    @property
    def address(self) -> str:
        """The resolver's URL, for texts."""
        return self._following.url

    @property
    def nodes(self) -> tuple[Node, ...]:
        """What the resolver last told, with weights and attributes; empty before the first call."""
        snapshot = self._following.snapshot
        return snapshot.nodes if snapshot is not None else ()

    @property
    def leader(self) -> str | None:
        """Who leads, as the resolver told last."""
        snapshot = self._following.snapshot
        return snapshot.leader if snapshot is not None else None

    @property
    def stale(self) -> str:
        """Why what is known may not be the newest; empty when it is."""
        return self._following.problem

    def close(self, timeout: float | None = None) -> None:
        self._following.close()
        super().close(timeout)

    def after_fork(self) -> None:
        super().after_fork()
        self._following.after_fork()
        snapshot = self._following.snapshot
        if snapshot is not None:  # a process of its own begins elsewhere on the ring
            self._use_snapshot(snapshot)

    def _use_snapshot(self, snapshot: Snapshot) -> None:
        """What the resolver tells, from any thread; ValueError when it is nothing for this pool."""
        usable = self._usable(snapshot)
        nodes = [node for node in snapshot.nodes if node.address in usable]
        best = min(_priority(node) for node in nodes)
        first, weights = self._part([node for node in nodes if _priority(node) == best])
        others = [node for node in nodes if _priority(node) != best]
        others.sort(key=_priority)
        checked = [usable[address] for address in [*first, *(node.address for node in others)]]
        weights += [node.weight for node in others]
        with self._lock:
            if not self._closed_text:
                self._where, self._spares = checked[: len(first)], checked[len(first) :]
                self._leader = usable.get(snapshot.leader or "")
                self._weights = dict(zip(checked, weights))
                self._tell_parts("follow", *self._told())

    def _usable(self, snapshot: Snapshot) -> dict[str, Address]:
        """The addresses that this pool may call; others, as those in the clear for one with
        ``tls``, are passed over.  ValueError when there is no such node."""
        usable: dict[str, Address] = {}
        refusal = None
        told = [node.address for node in snapshot.nodes]
        for address in [*told, *([snapshot.leader] if snapshot.leader else [])]:
            try:
                (usable[address],) = self._checked([address])
            except ValueError as error:
                refusal = error
        if refusal is not None:
            if usable.keys().isdisjoint(told):
                raise refusal
            log.warning("%s: passed over: %s", self.address, refusal)
        return usable

    def _make_part(self) -> StreamFailover:
        part = super()._make_part()
        part.follow(*self._told())
        return part

    def _told(self) -> tuple[Any, ...]:
        return self._where, self._spares, self._leader, self._weights

    def _part(self, nodes: list[Node]) -> tuple[list[str], list[float]]:
        """The nodes of which this process uses connections, with their weights."""
        weights = {node.address: node.weight for node in nodes}
        if not self.config.aperture:
            return list(weights), list(weights.values())
        ring = [address for address, weight in weights.items() if weight] or list(weights)
        shares = aperture(ring, _own_offset(), self.config.aperture)
        return list(shares), [weights[address] * share for address, share in shares.items()]

    def _describe(self, parts: list[StreamFailover]) -> str:
        return f"{self._following.describe()}, {super()._describe(parts)}"

    def _elsewhere(
        self,
        do: Callable[[StreamFailover, float | None], Any],
        name: str,
        timeout: float | None,
    ) -> Any:
        if self._following.snapshot is None:
            started = monotonic()
            limit = self.config.task_timeout if timeout is None else timeout
            self._wait_for_nodes(min(limit, self.config.connect_timeout))
            timeout = max(limit - (monotonic() - started), 0.001)
        elif not self._following.is_started:
            self._following.start()
        return super()._elsewhere(do, name, timeout)

    def _wait_for_nodes(self, seconds: float) -> None:
        self._check_open()
        self._following.wait(seconds)
        self._check_open()


def _priority(node: Node) -> float:
    """Lower is better: those of other priorities are in reserve."""
    priority = node.attributes.get("priority", 0)
    return priority if isinstance(priority, (int, float)) else 0


def _own_offset() -> float:
    """Where on the ring of the servers this process begins."""
    name = f"{socket.gethostname()} {os.getpid()}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=6).digest(), "big") / 2**48


def _user_of(pool: FollowingPool) -> Callable[[Snapshot], None]:
    """Gives snapshots to the pool as long as there is one."""
    known = weakref.ref(pool)

    def use(snapshot: Snapshot) -> None:
        pool = known()
        if pool is not None:
            pool._use_snapshot(snapshot)

    return use
