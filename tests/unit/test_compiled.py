"""What of razorg is compiled, and that children of tests run the razorg that is tested."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

import razorg

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "build-compiled"
SHOW = "import razorg; print(razorg.__file__)"


@pytest.fixture
def compiling() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compiling", ROOT / "scripts" / "lib" / "compiling.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], env={**os.environ, **environment},
        capture_output=True, text=True, timeout=30,
    )


def checkout(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / "razorg" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_every_source_with_a_pxd_is_compiled_and_nothing_else(compiling: ModuleType, tmp_path: Path) -> None:
    checkout(tmp_path, "b.py", "b.pxd", "plain.py", "alone.pxd", "wire/a.py", "wire/a.pxd")
    assert compiling.augmented(tmp_path) == ["razorg/b.py", "razorg/wire/a.py"]


def test_no_pxd_lost_its_source() -> None:
    assert [path for path in ROOT.glob("razorg/**/*.pxd") if not path.with_suffix(".py").exists()] == []


def test_nothing_that_was_built_lies_in_the_checkout() -> None:
    assert [path for ending in ("c", "so", "pyd") for path in ROOT.glob(f"razorg/**/*.{ending}")] == []


def test_a_missing_compiler_is_told(compiling: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -pthread")
    assert compiling.obstacle() == "there is no C compiler here (no-such-compiler -pthread)"


def test_missing_headers_are_told(compiling: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", sys.executable)  # something that is there
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    assert "Python.h" in compiling.obstacle()
    (tmp_path / "Python.h").touch()
    assert compiling.obstacle() is None


def test_the_script_tells_that_there_is_no_compiler(tmp_path: Path) -> None:
    where = checkout(tmp_path / "checkout", "a.py", "a.pxd")
    done = build(str(where), CC="no-such-compiler", RAZORG_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout) == (3, "")
    assert "no-such-compiler" in done.stderr and "Traceback" not in done.stderr


def test_the_script_tells_that_there_is_nothing_to_compile(tmp_path: Path) -> None:
    done = build(str(checkout(tmp_path, "a.py")), RAZORG_CACHE=str(tmp_path / "cache"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing to compile" in done.stderr


@pytest.mark.parametrize("arguments", [("-c", SHOW), ("-m", "show")])
def test_a_child_runs_the_razorg_that_is_tested(arguments: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text(SHOW)
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *arguments], env={**os.environ, "PYTHONPATH": paths},
        capture_output=True, text=True, check=True, timeout=30,
    )
    assert done.stdout.strip() == razorg.__file__
