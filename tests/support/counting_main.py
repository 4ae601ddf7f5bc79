"""A server that counts in memory how often it has run each call: for loads that no ledger on disk can follow.

Run as ``python -m support.counting_main address… setting=number…``; prints ``serves`` and its addresses.
"""

from __future__ import annotations

import sys
from typing import Any

import razorg
from support.small_sockets import SmallSockets
from support.vitals import many_descriptors, vitals

COUNT = 1
ID_BYTES = 8
PAYLOAD_BYTES = 256


def payload(call_id: int) -> bytes:
    """What a call sends as its blob."""
    return call_id.to_bytes(ID_BYTES, "big") * (PAYLOAD_BYTES // ID_BYTES)


def answer_of(call_id: int) -> bytes:
    """The blob that it must get back: nobody else's, and not an echo."""
    return payload(call_id)[::-1]


@razorg.service
class Inside:
    """What the server tells of itself."""

    def vitals(self) -> list[int]:
        """Descriptors, greenlets (but the workers, which it keeps), bytes of memory."""
        raise NotImplementedError

    def workers(self) -> int:
        """How many greenlets it keeps for handlers."""
        raise NotImplementedError

    def connections(self) -> int:
        """How many are open, that of this call included."""
        raise NotImplementedError

    def take_ledger(self, first_id: int) -> bytes:
        """How often each call has run since the last time, a byte for each; begins at this id anew."""
        raise NotImplementedError


class Counting(razorg.Dispatch, Inside):
    def __init__(self) -> None:
        self.server: razorg.RpcServer
        self._first_id = 1
        self._executed = bytearray()

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        blob = bytes(request.blob or b"")
        number = int.from_bytes(blob[:ID_BYTES], "big") - self._first_id
        executed = self._executed
        if number >= len(executed):
            executed.extend(bytes(number + 1000 - len(executed)))
        executed[number] += 1
        respond.ok(blob=blob[::-1])

    def vitals(self) -> list[int]:
        descriptors, greenlets, rss = vitals()
        return [descriptors, greenlets - self.workers(), rss]

    def workers(self) -> int:
        return len(self.server._workers)

    def connections(self) -> int:
        return self.server.connections

    def take_ledger(self, first_id: int) -> bytes:
        taken = bytes(self._executed).rstrip(b"\0")
        self._first_id, self._executed = first_id, bytearray()
        return taken


def main() -> None:
    """Serve until killed."""
    razorg.register_transport("small", SmallSockets())
    counting = Counting()
    settings: dict[str, Any] = {"max_connections": 1_000_000}
    addresses = []
    for argument in sys.argv[1:]:
        name, separator, value = argument.partition("=")
        if separator:
            settings[name] = float(value) if "." in value else int(value)
        else:
            addresses.append(argument)
    server = razorg.RpcServer(addresses, [counting], dispatch=counting, **settings)
    counting.server = server
    with many_descriptors():
        server.start()
        print("serves", *server.addresses, flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
