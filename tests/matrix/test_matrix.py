"""Every cell of the matrix works, or ends with the one error that is documented for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest
from support.matrix import ACTIONS, CELLS, LIMIT, Cell, Runner, as_markdown

#: What docs/threads.md says of cells that do not work: the error's class, and a piece of its text.
DOCUMENTED: dict[Cell, tuple[str, str]] = {}
#: How soon such an error comes.
SOON = 1.0


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """Runs all cells that are asked for, some at a time."""
    wanted = [item.callspec.params["cell"] for item in request.session.items if "cell" in getattr(getattr(item, "callspec", None), "params", ())]
    with Runner() as runner:
        runner.start(cell for cell in wanted if isinstance(cell, Cell) and not is_missing(cell))
        yield runner
        print(f"\n\n{as_markdown(runner.known())}")


def is_missing(cell: Cell) -> bool:
    return cell.place == "gunicorn preload" and importlib.util.find_spec("gunicorn") is None


@pytest.mark.timeout(120)  # the first waits for its turn, each has a limit of its own
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_cell(cell: Cell, matrix: Runner) -> None:
    if is_missing(cell):
        pytest.skip("gunicorn is not installed: pip install -e '.[test]'")
    outcome = matrix.outcome(cell)
    kind, text = DOCUMENTED.get(cell, ("works", ""))
    assert outcome.kind == kind and text in outcome.text, str(outcome)
    assert outcome.total_seconds < LIMIT and (kind == "works" or outcome.seconds < SOON), str(outcome)
    assert kind != "works" or "Traceback" not in outcome.log, str(outcome)


def test_the_matrix_is_whole() -> None:
    assert len(set(CELLS)) == 3 * 6 * 5 and set(DOCUMENTED) <= set(CELLS) and len(ACTIONS) == 5
