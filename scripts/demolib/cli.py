"""The demo from its beginning to its end."""

from __future__ import annotations

import argparse
from pathlib import Path

import razorg
from demolib.children import Child
from demolib.contract import Files
from demolib.fetch import GREENLETS, call_for, fetch_all
from demolib.mistakes import show_all
from demolib.report import Meter
from demolib.visits import THREADS, visit_all

CHECKOUT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Run the demo; 0 when every file arrived whole and every error was the right one."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=CHECKOUT, help="what to serve")
    parser.add_argument("--seconds", type=float, default=2.0, help="of small calls")
    options = parser.parse_args(arguments)
    if not options.path.is_dir():
        parser.error(f"{options.path} is not a directory")
    root = options.path.resolve()

    with Child("server", str(root)) as server:
        wrong = run(server, root, options.seconds)
        status = server.stop()
        if status != 0:
            wrong.append(f"the server ended with status {status}")
        if wrong:
            print("\n".join(["", "WRONG", *wrong, "", "The server's log:", server.log()]))
            return 1
    print("\nEvery file arrived whole, twice, and every error was the right one.")
    return 0


def run(server: Child, root: Path, seconds: float) -> list[str]:
    """All stages, against a running server; what went wrong, one line each."""
    with razorg.connect(server.address, max_connections=1) as pool:
        entries = pool.client(Files).list()
        if not entries:
            return [f"there are no files in {root}"]
        paths = [entry.path for entry in entries]
        size = sum(entry.size for entry in entries)
        print(f"{server.address} serves {len(paths)} files, {size / 1e6:.2f} MB, of {root}")

        print(f"\nEvery file: {GREENLETS} greenlets, one connection")
        meter = Meter()
        wrong = fetch_all(pool, paths, root, meter)
        print(meter.summary())

        print(
            f"\nEvery file: {THREADS} threads → HTTP → a monkey-patched WSGI app → one connection"
        )
        with Child("web", server.address) as web:
            meter = Meter()
            wrong += visit_all(web.address, paths, root, meter)
            print(meter.summary())
            status = web.stop()
            if status != 0:
                wrong.append(f"the web app ended with status {status}:\n{web.log()}")

        print(f"\nSmall calls: {GREENLETS} greenlets, one connection, {seconds:g} s")
        meter = Meter()
        call_for(seconds, pool, paths[0], meter)
        print(meter.summary())

        print("\nErrors, as the caller sees them")
        wrong += show_all(pool, paths[0])
        print("\nWhat the server logged")
        print("\n".join("  " + line for line in server.log().splitlines()))
    return wrong
