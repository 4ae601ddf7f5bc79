"""A limit of time for what has none of its own."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from gevent import Timeout


@contextmanager
def time_limit(seconds: float, text: str) -> Generator[None, None, None]:
    """TimeoutError with the text when the block takes longer; another's Timeout goes through."""
    limit = Timeout.start_new(seconds)
    try:
        yield
    except Timeout as expired:
        if expired is not limit:
            raise
        raise TimeoutError(text) from None
    finally:
        limit.close()
