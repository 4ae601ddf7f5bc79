"""``file:///path.json``: the nodes are in a file, which is read again when it changes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from razorg.discovery.loop import Loop
from razorg.discovery.node import Answer, Snapshot, checked_url, merged, node_of
from razorg.discovery.registry import EngineUrl

#: How often the file is looked at.
LOOK_SECONDS = 0.5
_BYTES_MAX = 16 * 1024 * 1024


def resolver(url: str) -> FileResolver:
    """The resolver of ``file:///path``."""
    where = EngineUrl.of(url)
    return FileResolver(where.path, where.options.get("scheme", "tcp"))


class FileResolver:
    """Follows a JSON file: ``["host:port", …]`` or ``{"nodes": […], "leader": "…"}``.

    To be replaced as a whole (written elsewhere, and renamed); half a file is refused like other
    garbage, until the rest is there.
    """

    def __init__(self, path: str, scheme: str) -> None:
        self._path = path
        self._scheme = scheme
        self._loop: Loop | None = None

    def watch(self, callback: Callable[[Answer], None]) -> None:
        path, scheme = self._path, self._scheme
        self._loop = Loop(
            f"file://{path}", lambda loop: _follow(path, scheme, loop, callback), blocks=False
        )

    def close(self) -> None:
        if self._loop is not None:
            self._loop.close()


def _follow(path: str, scheme: str, loop: Loop, callback: Callable[[Answer], None]) -> None:
    seen: object = None
    while not loop.is_closing:
        now = _state(path)
        if now != seen:
            answer = _read(path, scheme)
            callback(answer)
            # What could not be read may be readable soon, though the file stays as it is.
            seen = None if isinstance(answer, OSError) else now
        loop.wait(LOOK_SECONDS)


def _state(path: str) -> object:
    """Differs when the file has changed."""
    try:
        stat = os.stat(path)
        return stat.st_ino, stat.st_mtime_ns, stat.st_size
    except OSError as error:
        return error.errno


def _read(path: str, scheme: str) -> Answer:
    try:
        with open(path, "rb") as file:
            data = file.read(_BYTES_MAX + 1)
        if len(data) > _BYTES_MAX:
            raise ValueError("it is too large")
        return parse(data, scheme)
    except OSError as error:
        return OSError(f"cannot be read: {path}: {error.strerror or error}")
    except (ValueError, RecursionError) as error:
        return ValueError(f"refused: {path}: {error}")


def parse(data: bytes, scheme: str = "tcp") -> Snapshot:
    """What the file says, addresses that have no scheme are of this one; ValueError when it
    makes no sense."""
    value = json.loads(data)
    if isinstance(value, list):
        value = {"nodes": value}
    if not isinstance(value, dict) or not isinstance(value.get("nodes"), list):
        raise ValueError('expected a list of nodes, or {"nodes": […], "leader": "…"}')
    unknown = value.keys() - {"nodes", "leader"}
    if unknown:
        raise ValueError(f"no {', '.join(sorted(unknown))} is known here")
    leader = value.get("leader")
    nodes = merged(node_of(node, scheme) for node in value["nodes"])
    return Snapshot(nodes, None if leader is None else checked_url(leader, scheme))
