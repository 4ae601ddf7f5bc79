"""The server process: `python -m demolib.server ROOT`.  Typed calls and raw reads on one port."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import gevent
from gevent import get_hub

import razorg
from demolib.children import announce, wait_for_end
from demolib.contract import (
    READ,
    Entry,
    Files,
    NoSuchLine,
    NotFound,
    ReadReply,
    ReadRequest,
    Reason,
    Refused,
    Stat,
)
from demolib.tree import CHUNK_BYTES, Tree, sha256


class ServedFiles(Files):
    """The service, for one tree."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def list(self) -> tuple[Entry, ...]:
        tree = self._tree
        return tuple(Entry(path, tree.locate(path).stat().st_size) for path in tree.paths())

    def stat(self, path: str) -> Stat:
        try:
            place = self._tree.locate(path)
            found = place.stat()
        except FileNotFoundError:
            raise NotFound(path) from None
        except PermissionError:
            raise Refused(Reason.OUTSIDE) from None
        except IsADirectoryError:
            raise Refused(Reason.NOT_A_FILE) from None
        return Stat(path, found.st_size, found.st_mtime, os.access(place, os.X_OK))

    def digest(self, path: str) -> str:
        # In a thread of the hub's pool: a large file must not hold up the other calls.
        return str(get_hub().threadpool.apply(sha256, (self._tree.locate(path),)))

    def line(self, path: str, number: int) -> str:
        lines = self._tree.locate(path).read_text("utf-8").splitlines()
        if not 1 <= number <= len(lines):
            raise NoSuchLine(path, number, len(lines))
        return lines[number - 1]

    def parts(self, path: str, part_bytes: int) -> int:
        return -(-self._tree.locate(path).stat().st_size // part_bytes)

    def sleep(self, seconds: float) -> None:
        gevent.sleep(seconds)


class Contents(razorg.Dispatch):
    """The raw action READ.  What it raises goes to the caller; an OSError as its number."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if request.action != READ:
            raise razorg.MethodNotFound(f"no action {request.action!r}")
        ask = request.decode(ReadRequest)
        with self._tree.locate(ask.path).open("rb") as file:
            file.seek(ask.offset)
            data = file.read(min(ask.len, CHUNK_BYTES))
            is_last = file.tell() >= os.fstat(file.fileno()).st_size
        respond.ok(ReadReply(is_last), blob=data)


def main() -> None:
    """Serve until standard input ends."""
    tree = Tree(Path(sys.argv[1]))
    services = [ServedFiles(tree)]
    with razorg.RpcServer("tcp://127.0.0.1:0", services, dispatch=Contents(tree)) as server:
        announce(server.addresses[0])
        wait_for_end()


if __name__ == "__main__":
    main()
