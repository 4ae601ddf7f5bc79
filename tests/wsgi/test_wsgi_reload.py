"""gunicorn changes its workers under load, and nobody notices."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest
from support.commands import Command
from support.http_load import Figures, HttpLoad, wrong
from support.nodes import PATIENCE, eventually
from support.shop import asks, check, start_web

RECENT = 200
HUPS = 2


@pytest.mark.timeout(90)
@pytest.mark.parametrize("server", ["gunicorn", "gunicorn patched warm"])
def test_hup_under_load(server: str, rpc: Command, tmp_path: Path) -> None:
    generations: list[set[str]] = []

    def recent_workers() -> set[str]:
        return set(Figures.of(load.outcomes[-RECENT:]).workers)

    def are_new() -> bool:
        """Whether all recent answers are of two workers that there were not before."""
        recent = recent_workers()
        known = set().union(*generations)
        return web.process.poll() is not None or (len(recent) == 2 and not recent & known)

    with start_web("flask", server, rpc.address, tmp_path / "web.log") as web:
        with HttpLoad(web.address, asks()) as load:
            eventually(are_new, PATIENCE, f"both workers answer: {web}")
            generations.append(recent_workers())
            for _ in range(HUPS):
                web.signal(SIGHUP)
                eventually(are_new, PATIENCE, f"only new workers answer: {web}")
                generations.append(recent_workers())
        figures = check(load.outcomes, web, rpc)
    assert len(figures.workers) == 2 * (1 + HUPS), f"{generations}, {figures}\n{web}"


@pytest.mark.timeout(60)
def test_a_killed_worker_takes_no_other_answer_with_it(rpc: Command, tmp_path: Path) -> None:
    """Its requests are lost, and are seen to be; all others are answered, soon by two workers again."""
    with start_web("flask", "gunicorn", rpc.address, tmp_path / "web.log") as web:
        with HttpLoad(web.address, asks()) as load:

            def recent() -> Figures:
                return Figures.of(load.outcomes[-RECENT:])

            eventually(lambda: len(recent().workers) == 2, PATIENCE, f"both workers answer: {web}")
            victim = min(recent().workers)
            os.kill(int(victim), SIGKILL)
            eventually(lambda: len(set(recent().workers) - {victim}) == 2, PATIENCE, f"two workers answer: {web}")
        lost = wrong(load.outcomes)
        assert lost and {outcome.status for outcome in lost} == {0}, "\n".join(map(str, lost[:10]))
        assert len(lost) <= 16, f"{len(lost)} were lost, and only 16 were under way: {web}"
        check(load.outcomes, web, rpc, also=[0])
