"""The nodes of the tests here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.nodes import Nodes


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    """Starts nodes; whatever is left of them is killed at the end."""
    with Nodes(tmp_path) as started:
        yield started
