"""The simulated hour of scripts/simulate, in small: nobody's call fails, and a seed tells the same story."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))

from simlib.story import Outcome, run

SMALL = {"clients": 40, "servers": 60, "seconds": 300.0, "width": 8, "rate": 5.0}


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return run(seed=7, **SMALL)  # type: ignore[arg-type]


def test_no_call_fails_in_deploys_outages_and_a_lost_rack(outcome: Outcome) -> None:
    assert sum(sample.calls for sample in outcome.samples) > 50_000
    assert sum(sample.failed for sample in outcome.samples) == 0, outcome.reasons


def test_the_faults_were_felt(outcome: Outcome) -> None:
    assert sum(sample.retries for sample in outcome.samples) > 0
    assert max(sample.p99 for sample in outcome.samples) > 1.0
    assert sum(sample.attempts for sample in outcome.samples) > SMALL["clients"] * SMALL["width"]


def test_connections_stay_few(outcome: Outcome) -> None:
    counts = [count for sample in outcome.samples for count in sample.connections]
    assert max(counts) <= 3 * SMALL["clients"] * SMALL["width"] / SMALL["servers"]


def test_the_load_is_balanced(outcome: Outcome) -> None:
    served = [sum(counts) for counts in zip(*(sample.served for sample in outcome.samples))]
    assert max(served) < 1.5 * statistics.mean(served)
    assert min(served) > 0.4 * statistics.mean(served)


def test_the_same_seed_tells_the_same_story(outcome: Outcome) -> None:
    assert run(seed=7, **SMALL) == outcome  # type: ignore[arg-type]
    assert run(seed=8, **SMALL) != outcome  # type: ignore[arg-type]
