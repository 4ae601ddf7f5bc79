"""What a pool knows from its resolver: the last good answer, and whether it is stale."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

from razorg.discovery.node import Answer, Resolver, Snapshot
from razorg.errors import Unreachable
from razorg.hubs.native import allocate_lock
from razorg.hubs.wake import Wake

log = logging.getLogger("razorg")


class Following:
    """Follows a resolver from the first ``wait`` on.  A bad answer never replaces a good one.

    ``use(snapshot)`` takes each good answer, in whatever thread it comes; what it refuses with
    ValueError changes nothing, like an empty one.
    """

    def __init__(
        self,
        url: str,
        make_resolver: Callable[[], Resolver],
        use: Callable[[Snapshot], None],
    ) -> None:
        self.url = url
        self.snapshot: Snapshot | None = None
        #: Why the snapshot cannot be trusted to be the newest; empty when it is.
        self.problem = ""
        self.resolver: Resolver | None = None
        self._make_resolver = make_resolver
        self._use = use
        self._problem_since = 0.0
        self.is_started = self._is_closed = False
        self._lock = allocate_lock()
        self._waiting: list[Wake] = []

    def wait(self, timeout: float) -> None:
        """Block until there is an answer; Unreachable when there is none, or no good one."""
        self.start()
        if self.snapshot is None and not self.problem:
            wake = Wake()
            with self._lock:
                if self.snapshot is None and not self.problem:
                    self._waiting.append(wake)
                else:
                    wake.set()
            if not wake.wait(timeout):
                with self._lock:
                    if wake in self._waiting:
                        self._waiting.remove(wake)
        if self.snapshot is None:
            reason = self.problem or f"no answer within {timeout:.3g} s"
            raise Unreachable(f"no server is known: {reason}", sent="no", address=self.url)

    def start(self) -> None:
        """Begin to follow, once in this process; blocks at most to import a client library."""
        if self.is_started:
            return
        with self._lock:
            if self.is_started or self._is_closed:
                return
            self.is_started = True
        try:
            self.resolver = resolver = self._make_resolver()
            resolver.watch(self.heard)
        except BaseException:
            self.is_started = False
            raise
        if self._is_closed:
            resolver.close()

    def heard(self, answer: Answer) -> None:
        """The resolver's callback."""
        if self._is_closed:
            return
        if isinstance(answer, Snapshot) and answer.nodes:
            try:
                if answer != self.snapshot:
                    self._use(answer)
            except Exception as error:  # whatever is wrong with it, the last good one stays
                self._doubt(f"refused: {error}")
                return
            self.snapshot = answer
            self._trust()
        elif isinstance(answer, Snapshot):
            self._doubt("refused: it names no server")
        else:
            self._doubt(str(answer) or type(answer).__name__)

    def close(self) -> None:
        """Follow no more; never blocks."""
        with self._lock:
            self._is_closed = True
        if self.resolver is not None:
            self.resolver.close()
        self._wake_all()

    def abandon(self) -> None:
        """As ``close``, when nobody waits here any more; takes no lock: a collector may run."""
        self._is_closed = True
        if self.resolver is not None:
            self.resolver.close()

    def after_fork(self) -> None:
        """In a child: the resolver stayed with the parent; its last answer is as good as any."""
        self._lock = allocate_lock()
        self._waiting = []
        self.is_started = False
        self.resolver = None
        if self.snapshot is None:
            self.problem = ""  # the parent's: the first answer here is waited for

    def describe(self) -> str:
        """The URL, and how stale what is known is."""
        if not self.problem:
            return self.url
        seconds = monotonic() - self._problem_since
        state = "stale" if self.snapshot is not None else "unknown"
        return f"{self.url} {state} for {seconds:.0f} s ({self.problem})"

    def _trust(self) -> None:
        if self.problem:
            log.info("%s answers again", self.url)
            self.problem = ""
        self._wake_all()

    def _doubt(self, problem: str) -> None:
        if not self.problem:
            self._problem_since = monotonic()
            kept = self.snapshot is not None
            meaning = "the last addresses stay in use" if kept else "no server is known"
            log.warning("%s: %s; %s", self.url, problem, meaning)
        self.problem = problem
        self._wake_all()

    def _wake_all(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake.set()
