"""scripts/soak itself: it goes on where it was killed, and shows what is broken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.nodes import PATIENCE, eventually

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent


@pytest.fixture
def soak(tmp_path: Path) -> Any:
    """Starts scripts/soak with the goals of support/planted.py, with its state in ``tmp_path``."""

    def start(name: str, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "support.planted", name, *options, "--state", str(tmp_path / "state.json")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)]), "PLANTED": str(tmp_path)},
        )

    return start


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its status and what it wrote."""
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_goes_on_where_it_was_stopped_and_its_figures_add_up(soak: Any, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "hang").touch()
    first = soak("sound", "--size", "65")
    eventually((tmp_path / "hangs").exists, PATIENCE, "it is in the fourth portion")
    first.send_signal(number)
    status, out, _ = end(first)
    assert status == (-9 if number == signal.SIGKILL else 130)
    assert "the same command goes on" in out or number == signal.SIGKILL
    (tmp_path / "hang").unlink()
    status, out, err = end(soak("sound", "--size", "65"))
    assert (status, err) == (0, "")
    assert "goes on after 30 units" in out
    assert out.endswith("65 units, 7 seed, 28 in all\n"), out
    assert (tmp_path / "done").read_text().split("\n")[:-1] == [f"{seed} {min(10, 75 - 10 * seed)}" for seed in range(1, 8)]
    assert not (tmp_path / "state.json").exists(), "the next run begins anew"


def test_afresh_forgets_how_far_it_was(soak: Any, tmp_path: Path) -> None:
    assert end(soak("sound", "--size", "50"))[0] == 1  # and leaves its state
    assert (tmp_path / "state.json").exists()
    status, out, _ = end(soak("sound", "--size", "20", "--seed", "5", "--afresh"))
    assert status == 0 and "goes on" not in out
    assert out.endswith("20 units, 6 seed, 11 in all\n"), out


def test_a_broken_promise_is_shown_with_its_seed_and_seen_again(soak: Any) -> None:
    status, out, err = end(soak("broken"))
    assert status == 1 and out == ""
    assert "BROKEN after 20 units:\ncall 17 was lost\n" in err
    assert err.endswith("seen again with: scripts/soak broken --seed 3 --size 10 --afresh\n"), err
    for again in ([], ["--seed", "3", "--size", "10", "--afresh"]):  # it does not go on past it
        assert end(soak("broken", *again))[0] == 1


def test_a_promise_broken_by_the_figures(soak: Any) -> None:
    status, _, err = end(soak("sound", "--size", "50"))
    assert (status, err) == (1, "sound: BROKEN after 50 units:\nfifty are too many\n")


def test_a_goal_that_crashes_is_broken_too(soak: Any) -> None:
    status, _, err = end(soak("crashing"))
    assert status == 1 and "ZeroDivisionError: the goal itself is wrong" in err and "--seed 1 " in err


@pytest.mark.parametrize("name, why", [("missing", "there is no moon"), ("toobig", "too small a machine")])
def test_what_cannot_run_says_why(soak: Any, name: str, why: str) -> None:
    status, _, err = end(soak(name))
    assert (status, err) == (3, f"{name} cannot run here: {why}\n")


def test_it_begins_no_portion_after_its_time(soak: Any, tmp_path: Path) -> None:
    started = time.monotonic()
    status, out, _ = end(soak("sound", "--size", "1000000", "--seconds", "0.2"))
    assert status == 0 and time.monotonic() - started < 10
    done = (tmp_path / "done").read_text().count("\n")
    assert 1 <= done <= 21 and f"{10 * done} units" in out


@pytest.mark.parametrize("options", [[], ["--list"]])
def test_the_list_has_every_goal(options: list[str]) -> None:
    process = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "soak"), *options], stdout=subprocess.PIPE, text=True, timeout=PATIENCE
    )
    lines = process.stdout.splitlines()
    numbers = [int(line.split()[0]) for line in lines]
    assert process.returncode == 0 and numbers == sorted(numbers)
    assert "window" in [line.split()[1] for line in lines] and "10,000 callers" in process.stdout
