"""The entry of both child processes: `python -m benchlib.child server|client …`. Speaks JSON lines on stdout.

A child ends when its standard input closes, so nothing outlives the parent, however the parent ends.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import threading
import traceback
from typing import Any, cast

from benchlib.contestants import CONTESTANTS, ClientModule, ServerModule
from benchlib.workloads import WORKLOADS


def main() -> None:
    """Run one side and never return."""
    parser = argparse.ArgumentParser(prog="benchlib.child")
    parser.add_argument("side", choices=("server", "client"))
    parser.add_argument("contestant", choices=CONTESTANTS)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--core", type=int, default=-1)
    parser.add_argument("--address", default="")
    parser.add_argument("--server-pid", type=int, default=0)
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()

    if options.core >= 0:
        os.sched_setaffinity(0, {options.core})
    control = os.dup(1)
    os.dup2(2, 1)  # what the contestant prints must not be taken for a report
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def report(message: dict[str, Any]) -> None:
        os.write(control, json.dumps(message).encode() + b"\n")

    status = 1
    try:
        if options.side == "server":
            _serve(options, report)
        else:
            _measure(options, report)
        status = 0
    except BaseException as error:
        traceback.print_exc()
        report({"error": f"{options.side}: {type(error).__name__}: {error}"})
    finally:
        os._exit(status)  # no tidy goodbye: the connection's other end is killed next


def _serve(options: argparse.Namespace, report: Any) -> None:
    module = cast(ServerModule, importlib.import_module(CONTESTANTS[options.contestant].server_module))
    module.serve(lambda address: report({"address": address}))


def _measure(options: argparse.Namespace, report: Any) -> None:
    from benchlib import drive

    module = cast(ClientModule, importlib.import_module(CONTESTANTS[options.contestant].client_module))
    workload = WORKLOADS[options.workload]
    client = module.connect(options.address, workload)
    measurement = drive.measure(client, workload, options.server_pid, options.warmup, options.seconds)
    report(drive.as_json(measurement))


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os._exit(3)


if __name__ == "__main__":
    main()
