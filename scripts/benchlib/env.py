"""The environments that `scripts/bench` makes for itself. Standard library only: it runs before there are any."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv-bench"
STAMP = VENV / "razorg-bench-stamp"
FAILED = VENV / "razorg-bench-failed"
CORE = ("gevent>=25.4.1", "greenlet>=3.0", "msgpack>=1.0.5", "msgspec>=0.18.6", "matplotlib>=3.8")
PEERS = (
    ("zerorpc", ("zerorpc==0.6.3", "pyzmq==27.3.0")),
    ("rpyc", ("rpyc==6.0.2",)),
    ("thriftpy2", ("thriftpy2==0.7.1",)),
    ("Pyro5", ("Pyro5==5.17", "serpent==1.43")),
    ("grpc", ("grpcio==1.85.1", "protobuf==7.36.2")),
    ("requests", ("requests==2.34.2",)),
)
"""(what is imported, what is installed for it). mprpc is made by `_install_mprpc`."""
MPRPC = ("mprpc==0.1.17", "gsocketpool==0.1.6", "cython==3.2.1", "setuptools>=65", "wheel>=0.45")


def say(text: str) -> None:
    """Progress, beside the table."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def need_venv(with_peers: bool) -> Path:
    """The Python of `.venv-bench`, which is made or filled if need be (blocks for minutes the first time)."""
    python = VENV / "bin" / "python"
    wanted = _stamp(with_peers)
    have = STAMP.read_text().split() if STAMP.exists() else []
    if _stamp(True) in have or wanted in have:
        return python
    if not python.exists():
        say(f"making {VENV.name} with {sys.version.split()[0]}")
        subprocess.run([os.environ.get("PYTHON", sys.executable), "-m", "venv", str(VENV)], check=True)
    say(f"installing {', '.join(CORE)}")
    _pip(python, *CORE, check=True)
    if with_peers:
        reasons = []
        for module, packages in PEERS:
            say(f"installing {', '.join(packages)}")
            problem = _pip(python, "--prefer-binary", *packages)
            if problem:
                reasons.append(f"{module}\t{problem}")
        problem = _install_mprpc(python)
        if problem:
            reasons.append(f"mprpc\t{problem}")
        FAILED.write_text("".join(f"{line}\n" for line in reasons))
    STAMP.write_text(f"{wanted}\n")
    return python


def _stamp(with_peers: bool) -> str:
    text = repr((CORE, PEERS, MPRPC) if with_peers else CORE)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def why_missing(module: str) -> str:
    """Why a peer is not there."""
    if FAILED.exists():
        for line in FAILED.read_text().splitlines():
            name, _, reason = line.partition("\t")
            if name == module:
                return reason
    return "not installed; `scripts/bench --peers` installs it"


def _pip(python: Path, *arguments: str, check: bool = False) -> str:
    """Install; "" or what went wrong, in one line."""
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and check:
        raise SystemExit(f"bench: {' '.join(arguments)} cannot be installed:\n{done.stderr[-2000:]}")
    return "" if done.returncode == 0 else _reason(done.stderr)


def _reason(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if re.search(r"rror: |cannot|No matching|invalid", line)]
    telling = [line for line in lines if "subprocess-exited" not in line] or lines or ["pip failed"]
    return f"does not install: {telling[0]}"[:200]


def _install_mprpc(python: Path) -> str:
    """mprpc is of 2018: its C is generated anew for this Python, and what msgpack 1 no longer takes is left out."""
    if not _pip(python, *MPRPC[1:]):
        with tempfile.TemporaryDirectory() as directory:
            where = Path(directory)
            get = [str(python), "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", MPRPC[0]]
            try:
                subprocess.run(get, cwd=where, check=True, capture_output=True, text=True)
                shutil.unpack_archive(next(where.glob("*.tar.gz")), where)
                source = next(path for path in where.iterdir() if path.is_dir())
                _modernize(source)
                cythonize = [str(python), "-m", "cython", "-3", "mprpc/client.pyx", "mprpc/server.pyx"]
                subprocess.run(cythonize, cwd=source, check=True, capture_output=True, text=True)
            except (OSError, StopIteration, subprocess.CalledProcessError) as error:
                return _reason(getattr(error, "stderr", None) or str(error))
            return _pip(python, "--no-deps", "--no-build-isolation", str(source))
    return "does not install: no gsocketpool or Cython"


def _modernize(source: Path) -> None:
    for name in ("client", "server"):
        path = source / "mprpc" / f"{name}.pyx"
        text = path.read_text()
        text = re.sub(r"encoding=pack_encoding, ?", "", text)
        text = re.sub(r"encoding=self\._unpack_encoding", "raw=False", text)
        text = re.sub(r"^from (constants|exceptions) import", r"from mprpc.\1 import", text, flags=re.M)
        path.write_text(text)


def rust_binary() -> tuple[str, str]:
    """(path of the Rust peer or "", why there is none); builds it when it is not in the cache (two minutes)."""
    script = ROOT / "scripts" / "build-rust-peer"
    where = Path(__file__).resolve().parent / "rust"
    done = subprocess.run([sys.executable, str(script), str(where)], stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return done.stdout.strip(), ""
    return "", "there is no cargo here" if done.returncode == 3 else "does not build; see above"


def compiled_tree(checkout: Path = ROOT) -> tuple[str, str]:
    """(a directory that holds razorg compiled for this Python or "", why there is none); it is built once a source."""
    script = ROOT / "scripts" / "build-compiled"
    done = subprocess.run([sys.executable, str(script), str(checkout)], stdout=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return done.stdout.strip(), ""
    return "", "there is no C compiler here" if done.returncode == 3 else "does not build; see above"


def become(python: Path, arguments: list[str]) -> None:
    """Go on in that environment."""
    os.execv(python, [str(python), *arguments])
