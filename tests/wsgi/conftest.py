"""One RPC server for all tests here that leave it alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.commands import Command
from support.shop import start_rpc


@pytest.fixture(scope="session")
def rpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """The RPC server of the example."""
    with start_rpc(tmp_path_factory.mktemp("rpc") / "rpc.log") as server:
        yield server
