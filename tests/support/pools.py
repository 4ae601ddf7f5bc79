"""What is inside a pool."""

from __future__ import annotations

from typing import Any

from gevent import get_hub


def part_of(pool: Any) -> Any:
    """The part of the pool that belongs to this thread's hub, made if there is none yet."""
    return pool._part_of(get_hub())
