"""The bare loop's client for W3 with gevent's own `AsyncResult` as the future: what gevent itself allows."""

from __future__ import annotations

from typing import Any

from gevent.event import AsyncResult

from benchlib.bare_client import callback_submit
from benchlib.bare_futures import oldest_first
from benchlib.bare_io import open_socket
from benchlib.contestants import Client
from benchlib.workloads import Workload


def connect(address: str, workload: Workload) -> Client:
    """Connect; the reader sets the results, the pipeline gets the oldest before it submits another."""
    submit = callback_submit(open_socket(address))

    def submit_future(left: int, right: int) -> Any:
        result = AsyncResult()
        submit(left, right, result.set)
        return result

    return Client(pipeline=oldest_first(submit_future))
