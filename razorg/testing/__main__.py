"""The ChaosProxy as a program: ``python -m razorg.testing tcp://127.0.0.1:7700 --delay 0.05``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import gevent
from gevent.event import Event

from razorg.testing.chaos import ChaosProxy


def main(arguments: Sequence[str] | None = None) -> None:
    """The program."""
    parser = argparse.ArgumentParser(
        prog="python -m razorg.testing",
        description="Forward connections, and break them as real links break.",
    )
    parser.add_argument("target", help="tcp://host:port or unix:///path of the server")
    parser.add_argument("--at", default="tcp://127.0.0.1:0", help="where clients connect")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds, each way")
    parser.add_argument("--jitter", type=float, default=0.0, help="seconds more, at random")
    parser.add_argument("--slice", type=int, default=0, help="at most so many bytes at once")
    parser.add_argument("--bandwidth", type=int, default=0, help="bytes per second, each way")
    parser.add_argument("--cut-after", type=int, help="reset after so many bytes, each way")
    parser.add_argument("--fin", action="store_true", help="--cut-after ends it with FIN, not RST")
    parser.add_argument(
        "--silent-every", type=float, help="each SECONDS, let nothing through for as long"
    )
    parser.add_argument("--reset-every", type=float, help="reset all connections each SECONDS")
    options = parser.parse_args(arguments)
    with ChaosProxy(options.target, options.at) as proxy:
        for faults in (proxy.up, proxy.down):
            faults.delay, faults.jitter = options.delay, options.jitter
            faults.slice_bytes, faults.bytes_per_second = options.slice, options.bandwidth
            faults.cut_after_bytes, faults.cut_resets = options.cut_after, not options.fin
        print(f"{proxy.address} → {proxy.target}", flush=True)
        if options.reset_every:
            gevent.spawn(_reset, proxy, options.reset_every)
        if options.silent_every:
            gevent.spawn(_fall_silent, proxy, options.silent_every)
        try:
            Event().wait()
        except KeyboardInterrupt:
            up, down = proxy.up.bytes, proxy.down.bytes
            print(f"{proxy.connections} connections, {up:,} bytes up, {down:,} bytes down")


def _reset(proxy: ChaosProxy, seconds: float) -> None:
    while True:
        gevent.sleep(seconds)
        proxy.reset()


def _fall_silent(proxy: ChaosProxy, seconds: float) -> None:
    while True:
        gevent.sleep(seconds)
        proxy.blackhole()
        gevent.sleep(seconds)
        proxy.resume()


if __name__ == "__main__":
    main()
