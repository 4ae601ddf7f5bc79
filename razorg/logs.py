"""A log line for each call, as JSON: ``RpcServer(…, interceptors=[razorg.logs.access_log()])``."""

from __future__ import annotations

import json
import logging
import random
from time import monotonic
from typing import Any

from razorg.core.chain import Proceed
from razorg.server.intercepted import ServerCall
from razorg.server.peer import Peer
from razorg.server.told import Onlooker


def access_log(
    logger: logging.Logger | None = None,
    *,
    share: float = 1.0,
    slow: float | None = None,
    max_per_second: int = 1000,
) -> AccessLog:
    """An interceptor that logs calls: action, peer, seconds, outcome; never a value.

    All calls, also those that never reach their handler (AccessDenied, MethodNotFound, DecodeError)
    or whose result cannot be sent (EncodeError); the seconds are those until the answer was ready.

    - ``share`` of the calls, drawn at random; those that failed, and those that took ``slow``
      seconds or more (as a warning), are logged in any case;
    - no more than ``max_per_second``; how many were left out stands in the next line.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is a part of one, not {share!r}")
    return AccessLog(logger or logging.getLogger("razorg.access"), share, slow, max_per_second)


class AccessLog(Onlooker):
    """What ``access_log`` makes.  Called by an interceptor of yours it logs what that sees."""

    def __init__(
        self, log: logging.Logger, share: float, slow: float | None, max_per_second: int
    ) -> None:
        self._log = log
        self._share = share
        self._slow = slow
        self._max_per_second = max_per_second
        self._second = self._written = self._left_out = 0

    def answered(self, action: int | str, peer: Peer, seconds: float, error: str) -> None:
        is_slow = self._slow is not None and seconds >= self._slow
        if not error and not is_slow and self._share < 1 and random.random() >= self._share:
            return
        now = int(monotonic())
        if now != self._second:
            self._second, self._written = now, 0
        if self._written >= self._max_per_second:
            self._left_out += 1
            return
        self._written += 1
        line: dict[str, Any] = {
            "action": action,
            "peer": str(peer),
            "seconds": round(seconds, 6),
            "outcome": error or "ok",
        }
        if self._left_out:
            line["left_out"], self._left_out = self._left_out, 0
        self._log.log(logging.WARNING if is_slow else logging.INFO, "%s", json.dumps(line))

    def __call__(self, call: ServerCall, proceed: Proceed) -> Any:
        started = monotonic()
        error = ""
        try:
            return proceed(call)
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            self.answered(call.action, call.peer, monotonic() - started, error)
