"""The RPC server goes and comes back while requests arrive."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from support.http_load import Figures, HttpLoad
from support.nodes import PATIENCE, eventually
from support.shop import asks, check, start_rpc, start_web

RECENT = 200
REFUSED = 50


@pytest.mark.timeout(90)
@pytest.mark.parametrize("framework", ["flask", "django"])
def test_the_rpc_server_restarts_under_load(framework: str, tmp_path: Path) -> None:
    """Gracefully first, by SIGKILL then: meanwhile there are right answers and 503, and no others."""
    first = start_rpc(tmp_path / "rpc.log")
    with first, start_web(framework, "gunicorn", first.address, tmp_path / "web.log") as web:
        rpc = first
        with HttpLoad(web.address, asks()) as load:

            def all_is_well() -> bool:
                recent = load.outcomes[-RECENT:]
                figures = Figures.of(recent)
                return len(recent) == RECENT and len(figures.workers) == 2 and not {0, 503} & set(figures.statuses)

            def refused() -> int:
                return Figures.of(load.outcomes).statuses.get(503, 0)

            eventually(all_is_well, PATIENCE, f"both workers answer: {web}")
            check(load.outcomes, web, rpc)
            for end in (rpc.terminate, lambda: rpc.close()):
                before = refused()
                end()
                eventually(lambda: refused() >= before + REFUSED, PATIENCE, f"requests are refused: {web}")
                rpc = start_rpc(tmp_path / "rpc.log", first.address)
                eventually(all_is_well, PATIENCE, f"all is well again: {web}\n{rpc}")
        with rpc:
            during = check(load.outcomes, web, rpc, also=[503])
            assert during.longest < 5, f"{during}\n{web}"
            after = check(HttpLoad(web.address, islice(asks(10**6), 500)).run(), web, rpc)
            assert set(after.statuses) == {200, 409} and len(after.workers) == 2, f"{after}\n{web}"
