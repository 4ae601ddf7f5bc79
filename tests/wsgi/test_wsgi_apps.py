"""The examples as their users run them: Flask and Django, under gunicorn and gevent.pywsgi."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
from support.commands import Command
from support.http_load import HttpLoad
from support.shop import asks, check, late_asks, start_rpc, start_web

REQUESTS = 1200
LATE = 4

CASES = [
    ("flask", "gunicorn"),
    ("flask", "gunicorn warm"),
    ("flask", "gunicorn preload"),
    ("flask", "gunicorn preload warm"),
    ("flask", "gunicorn patched warm"),
    ("flask", "gunicorn gthread preload warm"),
    ("flask", "pywsgi"),
    ("django", "gunicorn"),
    ("django", "gunicorn preload warm"),
    ("django", "gunicorn patched warm"),
    ("django", "gunicorn gthread"),
    ("django", "pywsgi warm"),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("framework", "server"), CASES)
def test_each_request_has_its_own_answer(framework: str, server: str, rpc: Command, tmp_path: Path) -> None:
    with start_web(framework, server, rpc.address, tmp_path / "web.log") as web:
        # A connection for each request first: that gives both workers their share.
        some = [*late_asks(LATE), *islice(asks(), REQUESTS)]
        outcomes = HttpLoad(web.address, some).run()
        figures = check(outcomes, web, rpc)
        assert len(outcomes) == len(some) and figures.statuses[503] == LATE
        assert len(figures.workers) == (2 if "gunicorn" in server else 1), f"{figures}\n{web}"

        more = islice(asks(REQUESTS), REQUESTS)
        figures = check(HttpLoad(web.address, more, keep_alive=True).run(), web, rpc)
        assert sum(figures.statuses.values()) == REQUESTS


@pytest.mark.timeout(60)
def test_sigterm_lets_requests_and_calls_end(tmp_path: Path) -> None:
    with start_rpc(tmp_path / "rpc.log") as rpc, start_web("flask", "pywsgi", rpc.address, tmp_path / "web.log") as web:
        with HttpLoad(web.address, islice(asks(), 200)) as load:
            pass
        check(load.outcomes, web, rpc)
        web.terminate()
        rpc.terminate()
