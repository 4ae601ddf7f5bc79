"""The server that the cells of the matrix call: ``python -m support.matrix_server ADDRESS LIFE``.

Prints where it listens, and ends when its standard input does.
"""

from __future__ import annotations

import os
import signal
import sys

import gevent
from gevent.socket import wait_read

import razorg


class Refused(razorg.ErrorText):
    """The declared error of ``refuse``."""


@razorg.service
class Matrix:
    """What cells call; it is its own contract."""

    _life = 0

    def double(self, value: int) -> int:
        return 2 * value

    @razorg.method(raises=Refused)
    def refuse(self, why: str) -> None:
        raise Refused(why)

    def wait(self, seconds: float) -> float:
        gevent.sleep(seconds)
        return seconds

    def life(self) -> int:
        """How often the server was started before this time."""
        return self._life

    def die(self) -> None:
        """Kill the server: whoever started it starts it again."""
        os.kill(os.getpid(), signal.SIGKILL)


def _end_with_parent() -> None:
    wait_read(0)
    os._exit(0)


def main() -> None:
    address, life = sys.argv[1:]
    service = Matrix()
    service._life = int(life)
    server = razorg.RpcServer(address, [service])
    server.start()
    gevent.spawn(_end_with_parent)
    print(server.addresses[0], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
