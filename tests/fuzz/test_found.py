"""What the fuzzer has found once is thrown again, and the seeds that it begins with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.targets import TARGETS, close, seeds

FOUND = Path(__file__).parent / "found"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close()


def test_what_was_found() -> None:
    for path in sorted(FOUND.glob("*/*")):
        try:
            TARGETS[path.parent.name][0](path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.relative_to(FOUND)}: {error!r}") from error


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds(name: str) -> None:
    target, direction = TARGETS[name]
    for data in seeds(direction):
        target(data)
