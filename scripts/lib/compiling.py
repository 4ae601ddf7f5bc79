"""What of razorg gets compiled, and whether it can be here.  Needs nothing but Python."""

from __future__ import annotations

import os
import shlex
import shutil
import sysconfig
from pathlib import Path


def augmented(root: Path) -> list[str]:
    """The sources to compile, relative to the checkout: each .py with a .pxd beside it."""
    sources = (path.with_suffix(".py") for path in sorted(root.glob("razorg/**/*.pxd")))
    return [path.relative_to(root).as_posix() for path in sources if path.exists()]


def obstacle() -> str | None:
    """Why nothing can be compiled for this interpreter; None when it looks as if it could."""
    command = os.environ.get("CC") or sysconfig.get_config_var("CC")
    if command and shutil.which(shlex.split(command)[0]) is None:
        return f"there is no C compiler here ({command})"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        return f"there is no {header} (some systems have it in a package python3-dev)"
    return None
