"""The example shop on the web: how its apps are served, and what they are asked."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from support.commands import Command
from support.http_load import Ask, Figures, Outcome, wrong
from support.nodes import HOST

APPS = {"flask": "flask_app:app", "django": "django_app:application"}
IN_STOCK = 100
_NEEDED = "is not installed: pip install -e '.[test]'"


def start_rpc(log: Path, address: str = f"tcp://{HOST}:0") -> Command:
    """The RPC server, a process; it listens when this returns."""
    server = Command(["rpc_server.py", address], log)
    try:
        assert server.address
    except BaseException:
        server.close()
        raise
    return server


def start_web(framework: str, server: str, rpc_address: str, log: Path) -> Command:
    """A web server with one of the apps.

    ``server`` is made of words: ``gunicorn`` or ``pywsgi``; ``preload`` (loads the app before it
    forks) and ``patched`` (as well, after monkey-patching); ``warm`` (the app calls while it is
    loaded); ``gthread`` (native threads, nothing patched).  Skips the test when something is not
    installed.
    """
    pytest.importorskip(framework, reason=f"{framework} {_NEEDED}")
    words = server.split()
    app = APPS[framework]
    if "pywsgi" in words:
        arguments = ["pywsgi_server.py", app, "127.0.0.1:0"]
    else:
        config = pytest.importorskip("gunicorn.config", reason=f"gunicorn {_NEEDED}")
        kind = ["-k", "gthread", "--threads", "16"] if "gthread" in words else ["-k", "gevent"]
        arguments = ["-m", "gunicorn", *kind, "-w", "2", "-b", "127.0.0.1:0", app]
        if "preload" in words:
            arguments += ["--preload"]
        if "patched" in words:
            arguments += ["-c", "gunicorn_preload.py"]
        if hasattr(config, "ControlSocketDisable"):
            arguments += ["--no-control-socket"]  # one in the home directory, for all gunicorns
    warm = "1" if "warm" in words else "0"
    return Command(arguments, log, SHOP_ADDRESS=rpc_address, RAZORG_EXAMPLE_WARM=warm)


def price_of(item: str) -> int:
    return zlib.crc32(item.encode()) % 100_000


def asks(first: int = 0) -> Iterator[Ask]:
    """Requests of all kinds without end, no two of them alike: each has an answer of its own."""
    for number in itertools.count(first):
        kind, item = number % 8, f"item {number} & söhne"
        if kind == 0:
            items = [f"{item} {letter}" for letter in "abc"]
            query = "&".join(f"item={quote_plus(each)}" for each in items)
            yield Ask(f"/prices?{query}", {each: price_of(each) for each in items})
        elif kind == 1:
            count = 1 + number % IN_STOCK
            expected = {"item": item, "count": count, "total": count * price_of(item)}
            yield Ask("/orders", expected, form=f"item={quote_plus(item)}&count={count}")
        elif kind == 2:
            count = IN_STOCK + 1 + number
            yield Ask("/orders", {"item": item, "left": IN_STOCK}, 409, f"item={quote_plus(item)}&count={count}")
        elif kind == 3:
            seconds = 0.005 + number / 1e8
            yield Ask(f"/report?seconds={seconds!r}", {"text": f"This report took {seconds!r} seconds."})
        else:
            item = f"{number}-käse"
            yield Ask(f"/price/{number}-k%C3%A4se", {"item": item, "price": price_of(item)})


def late_asks(count: int) -> list[Ask]:
    """Requests whose call takes longer than it may."""
    expected = {"error": "CallTimeout", "sent": "maybe"}
    return [Ask(f"/report?seconds={1.2 + number / 100}", expected, 503) for number in range(count)]


def check(outcomes: Sequence[Outcome], *commands: Command, also: Sequence[int] = ()) -> Figures:
    """AssertionError with the first outcomes that are wrong, and what the processes wrote."""
    figures = Figures.of(outcomes)
    print(figures)
    bad = wrong(outcomes, also)
    first = "\n".join(map(str, bad[:10]))
    assert not bad, f"{len(bad)} of {len(outcomes)} are wrong, as in:\n{first}\n{figures}\n" + "\n".join(map(str, commands))
    return figures
