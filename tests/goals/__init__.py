"""All goals, by name."""

from __future__ import annotations

import importlib
import pkgutil

from goals.goal import Goal


def all_goals() -> dict[str, type[Goal]]:
    """Every Goal that a module of this folder defines, in the order of their numbers."""
    found: set[type[Goal]] = set()
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("test_") and module.name != "conftest":
            names = vars(importlib.import_module(f"{__name__}.{module.name}"))
            found |= {
                item for item in names.values()
                if isinstance(item, type) and issubclass(item, Goal) and hasattr(item, "number")
            }
    return {goal.name: goal for goal in sorted(found, key=lambda goal: (goal.number, goal.name))}
