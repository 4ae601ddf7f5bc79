"""What all tests share: the hypothesis profile, and a check for what a test left behind."""

from __future__ import annotations

import gc
import importlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest
from hypothesis import settings

import razorg
from razorg.hubs.background import run_in_background

settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")

HERE = Path(__file__).parent
#: Where the razorg that is tested was found: the checkout, or what scripts/build-compiled made.
FOUND_IN = Path(razorg.__file__).parents[1]
#: Folders whose tests open connections.
CHECKED = ("io", "cli", "observability", "conformance", "interop", "faults", "nodes", "fuzz", "goals", "gunicorn", "discovery")
#: Fixtures of a wider scope that hold connections for many tests, and close them at their own end.
HOLDERS = {"world"}
SETTLE_SECONDS = 2.0
#: So many tests leave enough behind, in pytest, to make a look at all objects slow.
FREEZE_EVERY = 20
FINISHED = pytest.StashKey[int]()
DESCRIPTORS = Path("/proc/self/fd")


def pytest_sessionstart() -> None:
    """See to it that the razorg that is meant is tested, here and in the children that tests start."""
    os.chdir(FOUND_IN)  # a child started with -c or -m looks there first
    if os.environ.get("RAZORG_EXPECT_COMPILED"):
        pure = [name for name in _augmented() if importlib.import_module(name).__file__.endswith(".py")]
        if pure or not _augmented():
            raise pytest.UsageError(f"not compiled in {FOUND_IN}: {', '.join(pure) or 'anything'}")


def _augmented() -> list[str]:
    """The modules that ought to be compiled where the others are."""
    paths = (path.relative_to(FOUND_IN) for path in sorted(FOUND_IN.glob("razorg/**/*.pxd")))
    return [".".join(path.with_suffix("").parts) for path in paths]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep all that imports made out of ``gc.get_objects``: ten times as fast for each test."""
    session.stash[FINISHED] = 0
    _freeze()


@pytest.hookimpl(trylast=True)  # after the fixtures, with their look for leaks
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Keep out what pytest has of tests that have ended, too: else each looks at the notes on all before it."""
    item.session.stash[FINISHED] += 1
    if item.session.stash[FINISHED] % FREEZE_EVERY == 0:
        _freeze()


def _freeze() -> None:
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a descriptor, a thread, a greenlet, a call or its permit behind."""
    path = request.node.path
    folder = path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""
    if folder not in CHECKED or HOLDERS & set(request.fixturenames):
        yield
        return
    # What gevent and the I/O thread of the process keep is there from here on.
    gevent.get_hub().threadpool.apply(int)
    run_in_background(threading.current_thread)  # its name in a log leaves a trace for ever
    before = _held()
    yield
    leaked = _held() - before
    waited = 0.0
    while leaked and waited < SETTLE_SECONDS:
        gevent.sleep(0.01)
        waited += 0.01
        gc.collect()  # dear, so only now: nearly always nothing is left
        leaked = _held() - before
    if leaked:
        pytest.fail("left behind:\n  " + "\n  ".join(sorted(leaked)))


def _held() -> set[str]:
    return _descriptors() | _threads() | _greenlets_and_streams()


def _descriptors() -> set[str]:
    found = set()
    if DESCRIPTORS.is_dir():
        for name in os.listdir(DESCRIPTORS):
            try:
                found.add(f"descriptor {name}: {os.readlink(DESCRIPTORS / name)}")
            except OSError:
                pass  # the descriptor that listed the folder
    return found


def _threads() -> set[str]:
    return {f"thread {thread.name} ({thread.ident})" for thread in threading.enumerate()}


def _greenlets_and_streams() -> set[str]:
    """Greenlets that live, and streams that keep calls or permits."""
    found = set()
    for item in gc.get_objects():
        if isinstance(item, gevent.Greenlet):
            if not item.dead:
                found.add(f"greenlet {item!r}")
        elif isinstance(item, razorg.ClientStream) and getattr(item, "_ticker", None) is not None:
            # One that still connects has nothing yet; compiled, its attributes are None.
            free, window = item._window.counter, item.config.window
            if item._in_flight or free != window:
                found.add(f"{window - free} permits, {len(item._in_flight)} calls in flight of {item!r}")
    return found
