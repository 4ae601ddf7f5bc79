"""The visitors of web.py: native threads with plain http.client, nothing of gevent or razorg."""

from __future__ import annotations

import hashlib
import queue
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

from demolib.fetch import verdict
from demolib.report import Meter, Progress
from demolib.tree import sha256

THREADS = 16
HTTP_TIMEOUT = 30


def visit_all(address: str, paths: list[str], root: Path, meter: Meter) -> list[str]:
    """Fetch every file by HTTP; what is wrong with those that do not match, one line each."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for path in paths:
        waiting.put(path)
    progress = Progress("web app  ", len(paths))
    wrong: list[str] = []

    def visit() -> None:
        connection = HTTPConnection(address, timeout=HTTP_TIMEOUT)
        try:
            while True:
                path = waiting.get_nowait()
                on_disk = sha256(root / path)
                status, told, body = meter.call(get, connection, path)
                meter.bytes_moved += len(body)
                received = hashlib.sha256(body).hexdigest()
                if status != 200 or not on_disk == told == received:
                    wrong.append(verdict(path, root, on_disk))
                progress.step()
        except queue.Empty:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        for visitor in [threads.submit(visit) for _ in range(THREADS)]:
            visitor.result()
    return [line for line in wrong if line]


def get(connection: HTTPConnection, path: str) -> tuple[int, str, bytes]:
    """One page: status, the digest that its header tells, body."""
    connection.request("GET", "/" + quote(path))
    response = connection.getresponse()
    return response.status, response.getheader("X-SHA256", ""), response.read()
