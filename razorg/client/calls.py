"""The three forms of a call: one that blocks its greenlet, a future, a task for a channel.

A call is its own entry in the in-flight table.  ``frame`` holds its bytes until the writer takes
them, so ``frame is not None`` says that nothing of it was sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from time import monotonic
from typing import Any, Protocol, Union

from razorg.client.channel import Channel, check_target
from razorg.client.journey import Journey, Origin, began, goes_on
from razorg.core.method import Method
from razorg.core.routing import Meter
from razorg.errors import DecodeError, LocalProtocolError, RpcError, Sent
from razorg.wire.heads import FLAG_NUMBER, FLAG_OK, Frame, ResponseFields

#: How a call ends: with a response, or with the error that kept it from one.
Outcome = Union[ResponseFields, BaseException]


class Carrier(Protocol):
    """What a future or a task knows of the stream that carries it, and keeps alive by it."""

    address: str
    meter: Meter | None

    def answered(self, started: float) -> None:
        """Count a call that it carried, and that was answered now."""
        ...

    def cancel(self, call: Call, error: BaseException) -> bool:
        """End the call with the error if it is in flight."""
        ...

    def channel(self, target: Any) -> Channel:
        """The channel for a ``notify`` target."""
        ...

    def task_started(self, task: ClientTask) -> None:
        """The task is on its way, and keeps the stream."""

    def task_finished(self, task: ClientTask) -> None:
        """The task has ended and needs the stream no more."""


class Call(Protocol):
    """What a stream knows of any call."""

    method: Method
    seq: int
    frame: Frame | None
    deadline: float
    timeout: float

    def settle(self, outcome: Outcome) -> bool:
        """Deliver the outcome, once; False when it has to wait for room in the user's channel."""
        ...


def sent_of(call: Call) -> Sent:
    """What is known of the request of a call that got no response."""
    return "no" if call.frame is not None else "maybe"


def count_failure(method: Method, started: float, error: BaseException) -> None:
    """Count a call that ended with an error, where calls are counted."""
    if method.figures is not None:
        method.figures.failed(monotonic() - started, type(error).__name__)


def is_ok(outcome: Outcome) -> bool:
    """Whether it is a response, and none that holds an error."""
    return not isinstance(outcome, BaseException) and outcome[1] == FLAG_OK


def value_of(method: Method, outcome: Outcome) -> Any:
    """The value of an outcome; raises the error that it is, or that the response holds."""
    if type(outcome) is not tuple:
        assert isinstance(outcome, BaseException)
        try:
            raise outcome
        finally:
            del outcome  # or its traceback, which holds this frame, would keep it alive
    msg: Any  # the number itself, with FLAG_NUMBER
    _, flag, msg, blob = outcome
    if flag == FLAG_OK:
        try:
            if method.decode_value is None:
                return method.make_reply(msg, blob)  # type: ignore[misc]
            return method.decode_value(msg) if msg else None
        except DecodeError as error:
            error.sent = "yes"
            raise
    raise method.decode_error(flag, msg if flag == FLAG_NUMBER else blob or b"")


class BlockingCall:
    """A call whose caller waits; nobody else sees it, so waking the greenlet is all it takes."""

    __slots__ = (
        "_run_callback",
        "_switch",
        "_wake",
        "deadline",
        "frame",
        "method",
        "outcome",
        "seq",
        "timeout",
    )

    def __init__(
        self,
        method: Method,
        seq: int,
        frame: Frame,
        deadline: float,
        timeout: float,
        run_callback: Callable[..., Any],
        switch: Callable[..., Any],
    ) -> None:
        self.method = method
        self.seq = seq
        self.frame: Frame | None = frame
        self.deadline = deadline
        self.timeout = timeout
        self.outcome: Outcome | None = None
        self._run_callback = run_callback
        self._switch = switch
        self._wake: Any = None

    def settle(self, outcome: Outcome) -> bool:
        self.outcome = outcome
        self._wake = self._run_callback(self._switch, self)
        return True

    def forget(self) -> None:
        """The caller will not wait any more: it must not be woken later."""
        if self._wake is not None:
            self._wake.stop()


class ClientTask:
    """A call whose end goes to the user's channel; ``tag`` is whatever the user gave."""

    __slots__ = (
        "_address",
        "_channel",
        "_outcome",
        "_reply",
        "_stream",
        "_target",
        "_unsent",
        "action",
        "context",
        "deadline",
        "frame",
        "method",
        "msg",
        "origin",
        "seq",
        "tag",
        "timeout",
    )

    def __init__(
        self,
        method: Method,
        action: int | str,
        msg: Any,
        target: Any,
        tag: Any,
        address: str,
        unsent: Channel | None = None,
    ) -> None:
        put = check_target(target)
        #: In which a callable target is called: that of the sender.
        self.context = copy_context() if put is target else None
        self.method = method
        self.action = action
        self.msg = msg
        self.tag = tag
        self.seq = 0
        self.frame: Frame | None = None
        self.deadline = self.timeout = 0.0
        #: What a pool needs to send it again.
        self.origin: Origin | Journey | None = None
        self._target = target
        self._unsent = unsent
        self._channel = unsent
        self._address = address
        self._outcome: Outcome | None = None
        self._reply: Any = None
        self._stream: Carrier | None = None

    def carried_by(self, stream: Carrier | None) -> None:
        """It is about to be sent by the stream; None: it was not."""
        if self._stream is not None:
            self._stream.task_finished(self)
        self._stream = stream
        self._channel = self._unsent
        if stream is not None:
            self._address = stream.address
            self._channel = stream.channel(self._target)
            stream.task_started(self)

    def settle(self, outcome: Outcome) -> bool:
        origin, self.origin = self.origin, None
        if origin is not None and not is_ok(outcome) and self._goes_on(origin, outcome):
            self.carried_by(None)  # this stream's permit is given back now
            return True
        self._outcome = outcome
        if self.method.figures is not None:
            self._count(outcome, began(self, origin))
        if self._stream is not None:
            if self._stream.meter is not None and is_ok(outcome):
                self._stream.answered(self.deadline - self.timeout)
            self._stream.task_finished(self)
            self._stream = None
        assert self._channel is not None
        return self._channel.put(self)

    def _count(self, outcome: Outcome, started: float) -> None:
        try:
            value_of(self.method, outcome)
        except Exception as error:
            count_failure(self.method, started, error)
        else:
            assert self.method.figures is not None
            self.method.figures.ended(monotonic() - started)

    def _goes_on(self, origin: Origin | Journey, outcome: Outcome) -> bool:
        try:
            value_of(self.method, outcome)
        except Exception as error:  # whatever it is, the pool may know a way
            located(error, self.method.name, self._address)
            if goes_on(self, origin, error):
                return True
        return False

    @property
    def is_finished(self) -> bool:
        """Whether the call has ended, one way or the other."""
        return self._outcome is not None

    def get(self) -> Any:
        """The Reply; raises the error that the call ended with.  Never blocks."""
        if self._outcome is None:
            raise LocalProtocolError("the task is not finished; wait for it on its channel")
        if self._reply is None:
            try:
                self._reply = value_of(self.method, self._outcome)
            except Exception as error:
                located(error, self.method.name, self._address)
                raise
        return self._reply

    @property
    def reply(self) -> Any:
        """The Reply, or None when the call failed or is not finished."""
        return self.get() if self.is_finished and self.error is None else None

    @property
    def error(self) -> BaseException | None:
        """What the call failed with, or None."""
        if self._outcome is None or self._reply is not None:
            return None
        if not isinstance(self._outcome, BaseException):
            try:
                self.get()
                return None
            except Exception as error:  # whatever it is, it is what the call ended with
                self._outcome = error.with_traceback(None)
        return self._outcome

    def __repr__(self) -> str:
        state = "pending" if not self.is_finished else "failed" if self.error else "done"
        return f"<ClientTask {self.seq} {self.method.name} {state}>"


def located(error: BaseException, method: str, address: str) -> BaseException:
    """The error, told where it happened if it is one of a call."""
    return error.located(method, address) if isinstance(error, RpcError) else error
