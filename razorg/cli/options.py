"""Types of options."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import click

from razorg.cli.connecting import USAGE, fail


class Finite(click.FloatRange):
    """A number in a range, as click has it, that is one: neither nan nor inf."""

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not finite.", param, ctx)
        return number


class NewFile(click.Path):
    """A file to be written: what stands in its way is told before anything is done."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        folder = path.parent
        if not folder.is_dir():
            fail(USAGE, f"{path} cannot be written: there is no folder {folder}")
        if not path.exists() and not os.access(folder, os.W_OK):
            fail(USAGE, f"{path} cannot be written: the folder {folder} is closed for you")
        return path
