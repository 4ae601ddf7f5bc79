"""A WSGI app that passes the files on by HTTP: `python -m demolib.web ADDRESS`.

    GET /<path>    the file, with its SHA-256 in the header X-SHA256

The process is monkey-patched, as gevent's WSGI servers are; requests share one connection.
"""

from gevent import monkey

monkey.patch_all()

import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

from gevent.pywsgi import WSGIServer

import razorg
from demolib.children import announce, wait_for_end
from demolib.contract import Files, NotFound, Refused
from demolib.fetch import read_file
from demolib.report import Meter

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def make_app(pool: razorg.ClientPool) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """The app, for the server behind a pool."""
    files = pool.client(Files)

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").lstrip("/")
        try:
            stat = files.stat(path)
            digest = files.digest(path)
        except NotFound as error:
            return refuse(start_response, "404 Not Found", f"there is no {error}")
        except Refused as error:
            return refuse(start_response, "403 Forbidden", f"refused: {error.code.name}")
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", str(stat.size)),
            ("X-SHA256", digest),
        ]
        start_response("200 OK", headers)
        return read_file(pool, path, Meter())

    return app


def refuse(start_response: StartResponse, status: str, text: str) -> Iterable[bytes]:
    """Answer with an error."""
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]


def main() -> None:
    """Serve until standard input ends."""
    with razorg.connect(sys.argv[1], max_connections=1) as pool:
        listener = socket.create_server(("127.0.0.1", 0))
        # pywsgi sends a page in pieces, each of which would wait for the one before to be received.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        http = WSGIServer(listener, make_app(pool), log=None)
        http.start()
        announce(f"127.0.0.1:{http.server_port}")
        wait_for_end()
        http.stop(timeout=1)


if __name__ == "__main__":
    main()
