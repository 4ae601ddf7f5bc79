"""Calls at a steady pace, whatever becomes of them, each recorded in a history."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, NamedTuple

import gevent
from gevent.queue import SimpleQueue

import razorg
from support.history import History
from support.node_main import Witness

#: Seconds between two batches of calls.
PAUSE = 0.004
#: How often a call may be retried, unless a test says otherwise: the default of ClientConfig.
RETRIES = razorg.ClientConfig().retry_limit


class Kind(NamedTuple):
    """One sort of call: an endpoint that takes the id first, and what it may do."""

    endpoint: Callable[..., Any]
    method: str
    idempotent: bool = False
    retries: int = 0
    extra: tuple[Any, ...] = ()


def read(witness: Witness, retries: int = RETRIES) -> Kind:
    """Calls that may run twice."""
    return Kind(witness.read, "read", True, retries)


def note(witness: Witness) -> Kind:
    """Calls that must not run twice."""
    return Kind(witness.note, "note")


def slow(witness: Witness, ms: int, retries: int | None = None) -> Kind:
    """Calls that last a while; they may run twice only if ``retries`` are given."""
    if retries is None:
        return Kind(witness.slow, "slow", extra=(ms,))
    endpoint = razorg.with_options(witness, idempotent=True, retry_limit=retries).slow
    return Kind(endpoint, "slow", True, retries, (ms,))


class Load:
    """``per_second`` calls, their kinds in turn: most as futures, a tenth by blocking callers.

    The pace does not wait for answers.  A call that cannot even be submitted blocks one of the
    submitters; when all are blocked the calls that are due wait here, and have not begun yet.
    As a context it starts, and at the end stops and waits until every call has ended.
    """

    def __init__(
        self, history: History, kinds: Sequence[Kind], per_second: float, *,
        callers: int = 32, submitters: int = 16, patience: float = 10.0,
    ) -> None:
        self._history = history
        self._kinds = itertools.cycle(kinds)
        self._per_second = per_second
        self._patience = patience
        self._due: list[SimpleQueue[Kind | None]] = [SimpleQueue(), SimpleQueue()]
        self._greenlets = [gevent.Greenlet(self._work, self._due[0], self._submit) for _ in range(submitters)]
        self._greenlets += [gevent.Greenlet(self._work, self._due[1], self._call) for _ in range(callers)]
        self._pacer = gevent.Greenlet(self._pace)
        #: The most calls that were due and had not begun.
        self.most_overdue = 0

    def __enter__(self) -> Load:
        for greenlet in [*self._greenlets, self._pacer]:
            greenlet.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Begin no more calls; those that have not ended ``patience`` seconds later never will."""
        self._pacer.kill()
        for queue in self._due:
            while not queue.empty():
                queue.get()
        for _ in self._greenlets:
            self._due[0].put(None)
            self._due[1].put(None)
        deadline = monotonic() + self._patience
        gevent.joinall(self._greenlets, timeout=self._patience)
        gevent.killall(self._greenlets)
        while self._history.pending and monotonic() < deadline:
            gevent.sleep(0.005)

    def burst(self, count: int) -> None:
        """So many calls more, at once: half of them as futures."""
        for number in range(count):
            self._due[number % 2].put(next(self._kinds))

    def _pace(self) -> None:
        started_at = monotonic()
        made = 0
        while True:
            due = int((monotonic() - started_at) * self._per_second)
            for number in range(made, due):
                self._due[number % 10 == 0].put(next(self._kinds))
            made = due
            gevent.sleep(PAUSE)
            self.most_overdue = max(self.most_overdue, sum(map(len, self._due)))

    def _work(self, due: SimpleQueue[Kind | None], make: Callable[[Kind], None]) -> None:
        while (kind := due.get()) is not None:
            make(kind)

    def _call(self, kind: Kind) -> None:
        history = self._history
        call_id = history.begin(kind.method, idempotent=kind.idempotent, retries=kind.retries)
        try:
            value = kind.endpoint(call_id, *kind.extra)
        except Exception as error:
            history.failed(call_id, error)
        else:
            history.ok(call_id, value)

    def _submit(self, kind: Kind) -> None:
        history = self._history
        call_id = history.begin(kind.method, idempotent=kind.idempotent, retries=kind.retries)

        def ended(future: razorg.RpcFuture[Any]) -> None:
            if future.successful():
                history.ok(call_id, future.get())
            else:
                history.failed(call_id, future.exception)

        try:
            future = razorg.submit(kind.endpoint, call_id, *kind.extra)
        except Exception as error:
            history.failed(call_id, error)
        else:
            future.add_done_callback(ended)
