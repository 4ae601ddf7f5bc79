"""Which goals run where: the heavy ones in .ci/run, which sets RAZORG_HEAVY, all others in scripts/test."""

from __future__ import annotations

import os

import pytest

IS_HEAVY = bool(os.environ.get("RAZORG_HEAVY"))
_elsewhere = pytest.StashKey[list[str]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the goals that run elsewhere; the last line of pytest counts them."""
    elsewhere = []
    for item in items:
        goal = item.callspec.params.get("goal") if hasattr(item, "callspec") else None
        if getattr(goal, "is_heavy", IS_HEAVY) != IS_HEAVY:
            elsewhere.append(item)
    if elsewhere:
        items[:] = [item for item in items if item not in elsewhere]
        config.hook.pytest_deselected(items=elsewhere)
        config.stash[_elsewhere] = [item.callspec.params["goal"].name for item in elsewhere]


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    names = config.stash.get(_elsewhere, [])
    where = "scripts/test" if IS_HEAVY else ".ci/run, or with RAZORG_HEAVY=1"
    return f"{len(names)} goals run in {where}: {', '.join(names)}" if names else None
