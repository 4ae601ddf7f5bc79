"""Names of the wire as names of a language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


class Identifiers:
    """Those of one scope: valid, none with an underscore in front, each given once."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._taken = set(reserved)

    def make(self, name: str) -> str:
        """The name itself, if it can be one here; else the nearest one that can."""
        letters = unicodedata.normalize("NFKC", re.sub(r"\W", "_", name))
        made = "".join(one if f"x{one}".isidentifier() else "_" for one in letters)
        if not made.isidentifier() or made.startswith("_"):
            made = f"x{made}"
        while made in self._taken:
            made += "_"
        self._taken.add(made)
        return made
