"""The client: many greenlets share one connection, fetch every file and check it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
from gevent.pool import Pool

import razorg
from demolib.contract import READ, Files, ReadReply, ReadRequest
from demolib.report import Meter, Progress
from demolib.tree import CHUNK_BYTES, sha256

GREENLETS = 64


def read_file(pool: razorg.ClientPool, path: str, meter: Meter) -> Iterator[bytes]:
    """The contents of a file, in chunks, by the raw action."""
    offset, is_last = 0, False
    while not is_last:
        ask = ReadRequest(path, offset, CHUNK_BYTES)
        reply = meter.call(lambda ask=ask: pool.send(READ, ask).get())
        is_last = reply.decode(ReadReply).is_last
        chunk = bytes(reply.blob or b"")
        offset += len(chunk)
        meter.bytes_moved += len(chunk)
        yield chunk


def fetch_all(pool: razorg.ClientPool, paths: list[str], root: Path, meter: Meter) -> list[str]:
    """Fetch every file; what is wrong with those that do not match, one line each."""
    files = pool.client(Files)
    progress = Progress("greenlets", len(paths))
    wrong: list[str] = []

    def fetch(path: str) -> None:
        on_disk = sha256(root / path)
        stat = meter.call(files.stat, path)
        told = meter.call(files.digest, path)
        received, size = hashlib.sha256(), 0
        for chunk in read_file(pool, path, meter):
            received.update(chunk)
            size += len(chunk)
        if not on_disk == told == received.hexdigest() or size != stat.size:
            wrong.append(verdict(path, root, on_disk))
        progress.step()

    workers = Pool(GREENLETS)
    gevent.joinall([workers.spawn(fetch, path) for path in paths], raise_error=True)
    return [line for line in wrong if line]


def verdict(path: str, root: Path, on_disk: str) -> str:
    """What a mismatch means: nothing (""), when the file was written to meanwhile."""
    return "" if sha256(root / path) != on_disk else f"{path}: what arrived is not what is there"


def call_for(seconds: float, pool: razorg.ClientPool, path: str, meter: Meter) -> None:
    """Small calls, from all greenlets at once, for so long."""
    files = pool.client(Files)
    end = time.perf_counter() + seconds

    def call() -> None:
        while time.perf_counter() < end:
            if meter.call(files.stat, path).path != path:
                raise AssertionError(f"another call's answer came for {path}")

    gevent.joinall([gevent.spawn(call) for _ in range(GREENLETS)], raise_error=True)
