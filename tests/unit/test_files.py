"""What CONTRIBUTING.md says of files, and no tool checks."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_files_of_the_package_stay_small() -> None:
    sizes = {path: len(path.read_bytes().splitlines()) for path in ROOT.glob("razorg/**/*.py")}
    assert len(sizes) > 100
    assert [f"{path}: {lines}" for path, lines in sizes.items() if lines >= 300] == []
