"""The servers of both languages, and the clients of this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .peers import World


@pytest.fixture(scope="package")  # not longer: its pools live on, beside what checks for leaks
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()
