"""The shop's server: `python rpc_server.py tcp://127.0.0.1:7000`.  SIGTERM stops it gracefully."""

from __future__ import annotations

import signal
import sys
import zlib

import gevent
from contract import Order, Shop, SoldOut

import razorg

IN_STOCK = 100  # of each item, and they never get less: this is an example


class MyShop(Shop):
    """Sells whatever you name."""

    def price(self, item: str) -> int:
        return zlib.crc32(item.encode()) % 100_000

    def order(self, item: str, count: int) -> Order:
        if count > IN_STOCK:
            raise SoldOut(item, left=IN_STOCK)
        return Order(item, count, total=count * self.price(item))

    def report(self, seconds: float) -> str:
        gevent.sleep(seconds)  # other calls go on meanwhile
        return f"This report took {seconds} seconds."


def main() -> None:
    """Serve until SIGTERM; calls that are running may end."""
    server = razorg.RpcServer(sys.argv[1], [MyShop()])
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.start()
    print(server.addresses[0], flush=True)  # of port 0, the one that was taken
    server.serve_forever()


if __name__ == "__main__":
    main()
