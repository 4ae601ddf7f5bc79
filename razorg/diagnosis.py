"""What a bug report should say of the process it happened in."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from gevent import monkey

from razorg.hubs.background import is_running
from razorg.hubs.forks import forks
from razorg.hubs.here import hub_here
from razorg.link.ticker import all_tickers
from razorg.wire import parser

_PACKAGES = ("razorg", "gevent", "greenlet", "msgpack", "msgspec", "gunicorn")
#: What gevent's ``patch_all`` patches that matters for waiting.
_PATCHED = ("socket", "threading", "select", "ssl", "time", "os", "subprocess", "queue")
_was_patched_at_import = monkey.is_module_patched("socket")


@dataclass(frozen=True)
class Diagnosis:
    """The state of this process and thread, as far as it matters for razorg; str() prints it."""

    #: Versions by package; Python's, too.
    versions: dict[str, str]
    #: Whether the hot path is compiled; otherwise it is pure Python, and slower.
    compiled: bool
    #: The modules that gevent has patched.
    patched: tuple[str, ...]
    #: ``"no"``, ``"before razorg"`` or ``"after razorg"`` was imported.
    patched_when: str
    #: How many forks lie between the import of razorg and this process.
    forks: int
    #: ``"hub"``: calls of this thread run in its own hub; ``"I/O thread"``: they run there.
    calls_run_in: str
    #: Whether the I/O thread has been started.
    has_io_thread: bool
    #: Whether an asyncio loop runs in this thread.
    has_asyncio_loop: bool
    #: When hubs were last blocked, by thread: the seconds and the place.
    blocked: dict[int, str]

    @property
    def problems(self) -> list[str]:
        """What is probably wrong, and what to do about it."""
        return list(_problems(self))

    def __str__(self) -> str:
        lines = ["  ".join(f"{name} {version}" for name, version in self.versions.items())]
        lines.append(f"hot path: {'compiled' if self.compiled else 'pure Python'}")
        patched = f": {', '.join(self.patched)}" if self.patched else ""
        lines.append(f"monkey-patched: {self.patched_when}{patched}")
        lines.append(f"process {os.getpid()}, {self.forks} forks since the import of razorg")
        io_thread = "is running" if self.has_io_thread else "was not needed yet"
        lines.append(
            f"calls of this thread run in: {self.calls_run_in}; the I/O thread {io_thread}"
        )
        lines += [f"thread {ident}: blocked {text}" for ident, text in self.blocked.items()]
        lines += [f"problem: {problem}" for problem in self.problems]
        return "\n".join(lines)


def diagnose() -> Diagnosis:
    """Look at this process and the thread that asks.  Never blocks, changes nothing."""
    patched = tuple(name for name in _PATCHED if monkey.is_module_patched(name))
    when = "before razorg" if _was_patched_at_import else "after razorg"
    blocked = {}
    for hub, ticker in all_tickers():
        if ticker.blocked is not None:
            ago = monotonic() - ticker.blocked.until
            blocked[hub.thread_ident] = f"{ticker.blocked}, {ago:.0f} s ago"
    return Diagnosis(
        versions={"Python": platform.python_version()} | _versions(),
        compiled=parser.__file__.endswith((".so", ".pyd")),  # and then so is the rest of the path
        patched=patched,
        patched_when=when if "socket" in patched else "no",
        forks=forks(),
        calls_run_in="hub" if hub_here() is not None else "I/O thread",
        has_io_thread=is_running(),
        has_asyncio_loop=_has_asyncio_loop(),
        blocked=blocked,
    )


def _has_asyncio_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _versions() -> dict[str, str]:
    import importlib.metadata  # dear, and needed only here

    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def _problems(found: Diagnosis) -> Iterator[str]:
    if found.patched_when == "after razorg":
        yield (
            "gevent patched this process after razorg was imported: locks, sockets and sessions "
            "that were made before block the whole hub; patch first thing in the main module"
        )
    if found.patched and set(found.patched) != set(_PATCHED):
        missing = ", ".join(sorted(set(_PATCHED) - set(found.patched)))
        yield f"only part of the process is patched; not: {missing}"
    if found.has_asyncio_loop and "select" not in found.patched:
        yield "an asyncio loop runs in this thread: use await razorg.aio.call(…) in it"
    if found.blocked and found.patched:  # a plain script runs its hub when it waits, not before
        yield (
            "a hub was blocked: something in its thread computed or waited outside of gevent; "
            "razorg.watch_blocking() shows where"
        )
