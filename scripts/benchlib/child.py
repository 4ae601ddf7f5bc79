"""The entry of both child processes: `python -m benchlib.child server|client …`. Speaks JSON lines on stdout.

A child ends when its standard input closes, so nothing outlives the parent, however the parent ends.
"""

from __future__ import annotations

import _thread
import argparse
import importlib
import json
import os
import resource
import traceback
from typing import Any, cast

from benchlib.contestants import CONTESTANTS, ClientModule, ServerModule
from benchlib.workloads import Workload


def main() -> None:
    """Run one side and never return."""
    parser = argparse.ArgumentParser(prog="benchlib.child")
    parser.add_argument("side", choices=("server", "client"))
    parser.add_argument("contestant", choices=CONTESTANTS)
    parser.add_argument("workload", type=lambda text: Workload(**json.loads(text)))
    parser.add_argument("--core", type=int, default=-1)
    parser.add_argument("--address", default="")
    parser.add_argument("--server-pid", type=int, default=0)
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--task", default="", help="module whose run_server/run_client is run instead of a measurement")
    options = parser.parse_args()

    if options.core >= 0:
        os.sched_setaffinity(0, {options.core})
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    control = os.dup(1)
    contestant = CONTESTANTS[options.contestant]
    module = contestant.server_module if options.side == "server" else contestant.client_module
    status = 1
    try:
        if module.startswith("benchlib.rust_"):
            _become_rust(module, options)
        if module.startswith("benchlib.razorg_"):
            _check_razorg(contestant.compiled)
        os.dup2(2, 1)  # what the contestant prints must not be taken for a report
        _thread.start_new_thread(_end_with_parent, ())  # a native thread, also where all others are greenlets
        if contestant.patched:
            from gevent import monkey

            monkey.patch_all()

        def report(message: dict[str, Any]) -> None:
            os.write(control, json.dumps(message).encode() + b"\n")

        if options.task:
            getattr(importlib.import_module(options.task), f"run_{options.side}")(options, report)
        elif options.side == "server":
            server = cast(ServerModule, importlib.import_module(module))
            server.serve(lambda address: report({"address": address}), options.workload)
        else:
            _measure(cast(ClientModule, importlib.import_module(module)), options, report)
        status = 0
    except BaseException as error:
        traceback.print_exc()
        os.write(control, json.dumps({"error": f"{options.side}: {type(error).__name__}: {error}"}).encode() + b"\n")
    finally:
        os._exit(status)  # no tidy goodbye: the connection's other end is killed next


def _check_razorg(compiled: bool) -> None:
    """That the razorg which is measured is the one that the table says."""
    import razorg.wire.parser as hot

    if hot.__file__.endswith(".py") == compiled:
        raise RuntimeError(f"{hot.__file__} is not {'compiled' if compiled else 'pure Python'}")


def _measure(module: ClientModule, options: argparse.Namespace, report: Any) -> None:
    from benchlib import drive

    client = module.connect(options.address, options.workload)
    measurement = drive.measure(client, options.workload, options.server_pid, options.warmup, options.seconds)
    report(drive.as_json(measurement))


def _become_rust(module: str, options: argparse.Namespace) -> None:
    rust: Any = importlib.import_module(module)
    if options.side == "server":
        rust.serve(print, options.workload)
    else:
        rust.run_client(
            options.address,
            options.workload,
            server_pid=options.server_pid,
            warmup=options.warmup,
            seconds=options.seconds,
        )


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(3)


if __name__ == "__main__":
    main()
