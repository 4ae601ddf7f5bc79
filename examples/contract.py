"""What the shop's server and the web apps agree on: the service `Shop` and its error."""

from __future__ import annotations

from dataclasses import dataclass

import razorg


@dataclass
class Order:
    item: str
    count: int
    total: int  # cents


@dataclass
class SoldOut(razorg.ErrorValue):
    """There are not that many."""

    item: str
    left: int


@razorg.service
class Shop:
    @razorg.method(idempotent=True)
    def price(self, item: str) -> int:
        """What one piece costs, in cents."""
        raise NotImplementedError

    @razorg.method(raises=SoldOut)
    def order(self, item: str, count: int) -> Order:
        """Order some pieces of an item."""
        raise NotImplementedError

    def report(self, seconds: float) -> str:
        """A report that takes so long to write."""
        raise NotImplementedError
