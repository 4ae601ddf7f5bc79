"""Serve a WSGI app by gevent alone: `python pywsgi_server.py flask_app:app [host:port]`."""

# ruff: noqa: E402 - patch first: what is imported below shall be made of greenlets
from gevent import monkey

monkey.patch_all()

import signal
import socket
import sys
from importlib import import_module

import gevent
from gevent.pywsgi import WSGIServer

STOP_SECONDS = 10  # that running requests have to end, after SIGTERM


def main() -> None:
    """Serve until SIGTERM."""
    module, _, name = sys.argv[1].partition(":")
    app = getattr(import_module(module), name)
    host, _, port = (sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1:8000").rpartition(":")
    listener = socket.create_server((host, int(port)), backlog=1024)
    # pywsgi sends a page in two pieces; the second would wait until the first was received.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = WSGIServer(listener, app, log=None, spawn=1000)  # connections at once, at most
    gevent.signal_handler(signal.SIGTERM, server.stop, STOP_SECONDS)
    server.start()
    print(f"http://{server.server_host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
