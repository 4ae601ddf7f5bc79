"""Where a hub is blocked: somebody else has to look while it is."""

from __future__ import annotations

import os
import sys
import sysconfig
from time import monotonic
from types import FrameType

import gevent

from razorg.config import check_timeout
from razorg.hubs.background import background_hub, run_in_background
from razorg.link.ticker import NOTICEABLE, all_tickers

#: Code that is never the answer to what blocks: that which called it is.
_FOREIGN = tuple(
    os.path.join(folder, "")
    for folder in (
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
        os.path.dirname(os.path.abspath(gevent.__file__)),
        sysconfig.get_path("stdlib"),
    )
)


def watch_blocking(seconds: float = 0.25) -> None:
    """From now on, note where hubs of this process are blocked; in texts and ``diagnose()``.

    Looks each ``seconds`` from the I/O thread, which it starts: for a process of its own, like
    a worker after its fork.  What is blocked for a second or less may go unseen.
    """
    if seconds is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise TypeError("watch_blocking needs a number of seconds")
    check_timeout(seconds)
    run_in_background(_watch, seconds)


def _watch(seconds: float) -> None:
    timer = background_hub().loop.timer(seconds, seconds)
    timer.start(look)


def look() -> None:
    """Look once at the threads whose hubs are late."""
    now = monotonic()
    frames = None
    for hub, ticker in all_tickers():
        if ticker.late_by(now) > NOTICEABLE and not ticker.seen_in:
            frames = frames or sys._current_frames()
            ticker.seen_in = _place(frames.get(hub.thread_ident))


def _place(frame: FrameType | None) -> str:
    """The innermost line of the user's own code."""
    innermost = frame
    while frame is not None and frame.f_code.co_filename.startswith(_FOREIGN):
        frame = frame.f_back
    frame = frame or innermost
    if frame is None:
        return ""
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
