"""Spans for OpenTelemetry; needs the extra ``razorg[opentelemetry]``.

::

    razorg.connect(address, interceptors=[razorg.opentelemetry.client_spans()])
    razorg.RpcServer(listen, services, interceptors=[razorg.opentelemetry.server_spans()])

The wire has no room for headers: the span of a server is the root of its own trace, and not a child
of the client's.  Within a process parents are right: in every greenlet, thread and handler.
"""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from razorg.client.future import RpcFuture
from razorg.client.intercepted import ClientCall
from razorg.core.chain import Interceptor, Proceed
from razorg.server.intercepted import ServerCall
from razorg.version import __version__


def client_spans(tracer_provider: Any = None) -> Interceptor:
    """An interceptor for ``connect``: a span for each call, futures until they settle."""
    tracer = trace.get_tracer("razorg", __version__, tracer_provider)

    def intercept(call: ClientCall, proceed: Proceed) -> Any:
        attributes = {**_named(call.action), "server.address": call.address}
        if call.kind == "call":
            with tracer.start_as_current_span(
                str(call.action), kind=SpanKind.CLIENT, attributes=attributes
            ):
                return proceed(call)
        span = tracer.start_span(str(call.action), kind=SpanKind.CLIENT, attributes=attributes)
        try:
            result = proceed(call)
        except BaseException as error:
            _end(span, error)
            raise
        if isinstance(result, RpcFuture):
            result.add_done_callback(lambda future: _end(span, future.exception))
        else:
            span.end()  # a task: its channel sees the end
        return result

    return intercept


def server_spans(tracer_provider: Any = None) -> Interceptor:
    """An interceptor for ``RpcServer``: a span for each call, current in its handler."""
    tracer = trace.get_tracer("razorg", __version__, tracer_provider)

    def intercept(call: ServerCall, proceed: Proceed) -> Any:
        attributes = {**_named(call.action), "client.address": str(call.peer)}
        with tracer.start_as_current_span(
            str(call.action), kind=SpanKind.SERVER, attributes=attributes
        ):
            return proceed(call)

    return intercept


def _named(action: int | str) -> dict[str, str]:
    service, _, method = str(action).rpartition(".")
    return {"rpc.system": "razorg", "rpc.service": service, "rpc.method": method}


def _end(span: Any, error: BaseException | None) -> None:
    if error is not None:
        span.record_exception(error)
        span.set_status(Status(StatusCode.ERROR, str(error)))
    span.end()
