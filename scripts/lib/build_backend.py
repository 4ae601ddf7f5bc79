"""The build backend of razorg: setuptools, and hot modules compiled by Cython in the wheel.

A module is compiled when a .pxd of its name lies beside it; the .py goes into the wheel as well,
for tracebacks.  When that cannot be done the wheel is pure Python, and stderr says why.
``RAZORG_PURE=1`` compiles nothing, ``RAZORG_PURE=0`` fails when it cannot.  Everything is built in
a directory that goes away: the checkout stays as it is, and nothing built earlier gets in.

Editable installations are setuptools' own, and so always pure: a compiled module beside a source
that somebody edits would hide what was edited.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import setuptools
from compiling import augmented, obstacle
from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

#: Semantics as close to Python's as Cython has them, and every check left on.
DIRECTIVES = {"language_level": 3, "annotation_typing": False, "binding": True}


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None
) -> str:
    """The hook of PEP 517: a compiled wheel if possible, else a pure one."""
    arguments = (wheel_directory, config_settings, metadata_directory)
    pure = os.environ.get("RAZORG_PURE")
    if pure == "0":
        return _Wheel(augmented(Path())).build_wheel(*arguments)
    reason = "RAZORG_PURE is set" if pure else obstacle()
    if reason is None:
        try:
            return _Wheel(augmented(Path())).build_wheel(*arguments)
        except (Exception, SystemExit) as error:  # the latter is how setuptools ends
            reason = f"compiling failed: {error or type(error).__name__}"
    print(f"razorg: pure Python, nothing is compiled: {reason}", file=sys.stderr)
    return _Wheel([]).build_wheel(*arguments)


class _Wheel(build_meta._BuildMetaBackend):
    """setuptools' backend, with something to compile and a build directory that goes away."""

    def __init__(self, sources: list[str]) -> None:
        self._sources = sources

    def run_setup(self, setup_script: str = "setup.py") -> None:
        with tempfile.TemporaryDirectory() as work:
            setuptools.setup(
                ext_modules=_extensions(self._sources, work) if self._sources else [],
                options={
                    "build": {"build_base": work},
                    "build_ext": {"parallel": os.cpu_count()},
                },
            )


def _extensions(sources: list[str], work: str) -> list[setuptools.Extension]:
    from Cython.Build import cythonize

    extensions: list[setuptools.Extension] = cythonize(
        sources, build_dir=work, compiler_directives=DIRECTIVES
    )
    for extension in extensions:
        if os.name == "posix":  # no symbols for debuggers: smaller, and quicker to compile
            extension.extra_compile_args.append("-g0")
    return extensions
