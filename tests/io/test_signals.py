"""Stopping a server from a signal handler, with a connection open."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, gevent, razorg

class Slow(razorg.Dispatch):
    def dispatch(self, request, respond):
        os.kill(os.getpid(), signal.SIGTERM)
        gevent.sleep(0.2)
        respond.ok("answered")

server = razorg.RpcServer("tcp://127.0.0.1:0", dispatch=Slow())
{install}
server.start()
stream = razorg.ClientStream(server.addresses[0])
future = stream.send(2)
server.serve_forever()
print(future.get().msg, server)
"""


@pytest.mark.parametrize(
    "install",
    [
        "signal.signal(signal.SIGTERM, lambda *_: server.stop())",
        "gevent.signal_handler(signal.SIGTERM, server.stop)",
    ],
)
def test_a_signal_lets_accepted_calls_end(install: str) -> None:
    program = PROGRAM.replace("{install}", install)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("answered <RpcServer no address stopped, 0 conn") or (
        ran.stdout.startswith("answered <RpcServer tcp://127.0.0.1:")
        and "stopped, 0 connections, 0 running" in ran.stdout
    )
