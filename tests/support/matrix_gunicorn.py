"""``gunicorn --preload`` for the matrix: ``in_gunicorn`` drives it, ``app`` is what it serves."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

WORKERS = 2
REQUESTS = 4
_RUN = "from gunicorn.app.wsgiapp import run; run()"
_PATCH = "from gevent import monkey; monkey.patch_all(); "
_LISTENING = re.compile(r"Listening at: (http://\S+)")


def in_gunicorn(worker: str, setting: str, action: str, address: str) -> Iterator[Any]:
    """The outcomes of the action in several requests to several workers."""
    import gunicorn.config

    code = (_PATCH if setting == "patched first" else "") + _RUN
    command = [sys.executable, "-c", code, "--preload", "-k", worker, "-w", str(WORKERS), "-b", "127.0.0.1:0"]
    command += ["--threads", "4"] if worker == "gthread" else []
    command += ["--graceful-timeout", "3", "support.matrix_gunicorn:app"]
    if hasattr(gunicorn.config, "ControlSocketDisable"):
        command.insert(-1, "--no-control-socket")  # one in the home directory, for all gunicorns
    environment = {**os.environ, "MATRIX_CELL": f"{setting}|gunicorn preload|{action}|{address}"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stderr is not None
        # A worker of the sync kind has one request at a time: another would wait for it.
        at_once = WORKERS if worker == "sync" else REQUESTS
        with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(at_once) as executor:
            try:
                wrote: list[str] = []
                for line in process.stderr:
                    sys.stderr.write(line)
                    wrote.append(line)
                    found = _LISTENING.search(line)
                    if found:
                        break
                else:
                    raise AssertionError("gunicorn did not start: " + "".join(wrote))
                reading.submit(lambda: sys.stderr.writelines(process.stderr or ()))
                yield from executor.map(lambda number: _get(f"{found.group(1)}/?{number}"), range(REQUESTS))
            finally:
                process.terminate()
        assert process.wait() == 0, process.returncode


def _get(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=14) as response:
        return json.load(response)


def _make_app() -> Any:
    """What gunicorn's master loads, and its workers run."""
    import threading

    import gevent
    import gevent.queue

    from razorg.hubs.here import hub_here
    from support import matrix_actions, matrix_cell
    from support.matrix_actions import Way
    from support.matrix_server import Matrix

    # In the master: the main thread has used the pool, and another thread.
    client = matrix_cell.pool.client(Matrix)
    assert client.double(1) == 2
    matrix_actions.life_after = client.life() + 1  # other workers may have been here, and killed it
    thread = threading.Thread(target=client.double, args=(1,))
    thread.start()
    thread.join()

    def app(environ: Any, start_response: Any) -> Any:
        is_green = hub_here() is not None
        way = Way(gevent.queue.Queue, gevent.sleep) if is_green else Way(queue.Queue, time.sleep, False)
        is_first = environ["QUERY_STRING"] == "0"
        result = matrix_cell.outcome_of(lambda: matrix_cell.action(matrix_cell.pool, way, is_first))
        body = json.dumps({**result, "pid": os.getpid()}).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return app


if "MATRIX_CELL" in os.environ and __name__ != "__main__":
    app = _make_app()
