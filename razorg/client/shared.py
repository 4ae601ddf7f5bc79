"""Pools as users hold them: one object for all threads, and for forked children.

::

    call ─ in the hub that called first? ─────────► its part of the pool
              └ no: in another hub? ──────────────► the part of that hub
                       └ no hub in this thread ───► the I/O thread ─► the part of its hub

A part (``pool.py``, ``failover.py``) belongs to one hub, with connections of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Generic, TypeVar

from razorg.client.connections import AddressStats
from razorg.client.home import NO_HUB, HomeCalls
from razorg.client.intercepted import InterceptedCalls
from razorg.client.raw import RawActions, RawRequest
from razorg.client.routed import RoutedCalls
from razorg.codec.base import Codec
from razorg.codec.registry import resolve_codec
from razorg.config import ClientConfig, configured
from razorg.core.chain import Interceptor, checked_interceptors
from razorg.core.figures import Observer, checked_observer
from razorg.core.method import Method
from razorg.errors import CallTimeout, LocalProtocolError
from razorg.hubs.background import PATIENCE_SECONDS, is_background, run_in_background
from razorg.hubs.forks import tell_of_forks
from razorg.hubs.here import call_soon, hub_here, hub_if_any, is_destroyed
from razorg.hubs.native import allocate_lock
from razorg.hubs.remote import NotRunning, run_in_hubs
from razorg.wire.heads import Msg

PartT = TypeVar("PartT", bound=RoutedCalls)
PoolT = TypeVar("PoolT", bound="SharedPool[Any]")

#: Who waited no longer than this for the I/O thread has lost nothing of his time.
_AT_ONCE_SECONDS = 0.01


class SharedPool(HomeCalls, RawActions, Generic[PartT]):
    """Blocking calls, futures and tasks from any thread.  The constructor does no I/O."""

    def __init__(
        self,
        codec: str | Codec,
        config: ClientConfig | None,
        settings: dict[str, Any],
        interceptors: Sequence[Interceptor] = (),
        observer: Observer | None = None,
    ) -> None:
        super().__init__(configured(config, ClientConfig, settings))
        self._interceptors = checked_interceptors(interceptors)
        self.observer = checked_observer(observer)
        self.codec = resolve_codec(codec)
        self._closed_text = ""
        self._parts: dict[Any, PartT] = {}
        # Native: what is done under it is short and switches to no other greenlet.
        self._lock = allocate_lock()
        tell_of_forks(self)

    def _make_part(self) -> PartT:
        """A part for the hub of this thread."""
        raise NotImplementedError

    def _describe(self, parts: list[PartT]) -> str:
        """What ``repr`` says of the parts in use."""
        raise NotImplementedError

    @property
    def address(self) -> str:
        """Where its calls go, for texts."""
        raise NotImplementedError

    @property
    def in_flight(self) -> int:
        """How many calls wait for their response."""
        return sum(part.in_flight for part in self._in_use())

    @property
    def caller(self: PoolT) -> PoolT | InterceptedCalls:
        """What carries its calls: the pool itself, unless there are interceptors."""
        return InterceptedCalls(self, self._interceptors) if self._interceptors else self

    def stats(self) -> list[AddressStats]:
        """The state of each address, all threads together, as far as it was used."""
        found: dict[str, AddressStats] = {}
        for part in self._in_use():
            for place in part.places():
                one, other = place.stats(), found.get(place.address)
                if other is not None:
                    one = AddressStats(
                        one.address,
                        one.is_healthy or other.is_healthy,
                        *(mine + theirs for mine, theirs in zip(one[2:], other[2:])),
                    )
                found[place.address] = one
        return list(found.values())

    def _start(self, request: RawRequest) -> Any:
        if self._interceptors:
            return InterceptedCalls(self, self._interceptors).start(request, self._start_request)
        return self._start_request(request)

    def _start_request(self, request: RawRequest) -> Any:
        if hub_if_any() is self._home_hub:
            return self._home.start_request(request)
        return self._elsewhere(
            lambda part, left: part.start_request(request.with_timeout(left)),
            request.method.name,
            request.timeout,
        )

    def close(self, timeout: float | None = None) -> None:
        """Take no more calls, wait for the replies to those in flight, then disconnect.

        Blocks until they have settled, at most ``timeout`` seconds (default: ``task_timeout``);
        what is left then ends with ConnectionLost.  Idempotent.
        """
        text = self._closed_text or f"the pool for {self.address} is closed"
        seconds = self.config.task_timeout if timeout is None else timeout
        with self._lock:
            self._closed_text = text
            self._forget_the_dead()
            parts = dict(self._parts)
        part_here = parts.pop(hub_if_any(), None)
        closings = [(hub, part.close, (seconds, text)) for hub, part in parts.items()]
        wait_for_others = run_in_hubs(closings, seconds)
        if part_here is not None:
            part_here.close(seconds, text)
        wait_for_others()

    def after_fork(self) -> None:
        """In a forked child: begin anew, and leave to the parent what is the parent's."""
        parts = self._in_use()
        self._lock = allocate_lock()
        self._parts.clear()
        self._home, self._home_hub = None, NO_HUB
        for part in parts:
            part.abandon()

    def _call_from_elsewhere(
        self, name: str, method: Method, msg: Msg, timeout: float | None
    ) -> Any:
        return self._elsewhere(
            lambda part, left: getattr(part, name)(method, msg, left), method.name, timeout
        )

    def _elsewhere(
        self, do: Callable[[PartT, float | None], Any], name: str, timeout: float | None
    ) -> Any:
        """What a part does for the thread that this is, wherever it has to be done, in the time
        that is left then.  CallTimeout, with the name, when nothing can be done in that time."""
        hub = hub_here()
        if hub is not None:
            return do(self._part_of(hub), timeout)
        seconds = self.config.task_timeout if timeout is None else timeout
        asked_at = monotonic()

        def in_background() -> Any:
            waited = monotonic() - asked_at
            left = timeout if waited < _AT_ONCE_SECONDS else max(seconds - waited, 0.001)
            return self._elsewhere(do, name, left)

        try:
            return run_in_background(in_background, patience=min(seconds, PATIENCE_SECONDS))
        except NotRunning:
            raise CallTimeout("something blocks the I/O thread", sent="no", method=name) from None

    def _part_of(self, hub: Any) -> PartT:
        """The part of this thread's hub."""
        part = self._parts.get(hub)
        if part is None:
            with self._lock:
                self._check_open()
                self._forget_the_dead()
                part = self._parts[hub] = self._make_part()
                if (self._home is None or is_destroyed(self._home_hub)) and not is_background(hub):
                    self._home = part
                    self._home_hub = hub  # at last: who sees it takes that part
        return part

    def _forget_the_dead(self) -> None:
        """Drop the parts of hubs that were destroyed, as that of a thread that has ended."""
        for hub in [known for known in list(self._parts) if is_destroyed(known)]:
            self._parts.pop(hub, None)

    def _in_use(self) -> list[PartT]:
        """The parts that there are."""
        return list(self._parts.values())

    def _tell_parts(self, name: str, *args: Any) -> None:
        """Have each part do something that does not block, in its own hub; under the lock."""
        hub_of_this_thread = hub_if_any()
        self._forget_the_dead()
        for hub, part in list(self._parts.items()):
            if hub is hub_of_this_thread:
                getattr(part, name)(*args)
            else:
                call_soon(hub, getattr(part, name), *args)

    def _check_open(self) -> None:
        if self._closed_text:
            raise LocalProtocolError(self._closed_text)

    def __enter__(self: PoolT) -> PoolT:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed, " if self._closed_text else ""
        return f"<{type(self).__name__} {state}{self._describe(self._in_use())}>"
