"""What the pieces of one bare call cost here, measured one by one, beside what a whole call costs in W2."""

from __future__ import annotations

import itertools
import timeit
from collections import deque
from dataclasses import dataclass
from typing import Any

import gevent
from greenlet import getcurrent
from msgpack import Packer, unpackb

from benchlib import frames
from benchlib.bare_io import listen, open_socket

BATCH = 100
_REPEATS = 5
_ARGUMENTS = Packer().pack((1, 2))
_REQUEST = (
    frames.pack_request(frames.MAGIC, frames.VERSION, 0, frames.ACTION_WORD, 7, 0, len(_ARGUMENTS), 0, frames.ACTION)
    + _ARGUMENTS
)
_RESPONSE_BYTES = frames.RESPONSE_HEAD_BYTES + 1


@dataclass(frozen=True)
class Piece:
    """A statement and how often one call needs it in the client and in the server, in batches of `BATCH`."""

    name: str
    statement: str
    client: int
    server: int


PIECES = (
    Piece("bench's loop: compare, count", "3 != expected", 1, 0),
    Piece("Python call of a closure", "call(1, 2)", 1, 1),
    Piece("next seq", "next_seq()", 1, 0),
    Piece("dict set and pop", "waiting[7] = me; take(7)", 1, 0),
    Piece("getcurrent, bound switch", "getcurrent().switch", 1, 0),
    Piece("dict look-up of the action", "handlers[data[32:41]]", 0, 1),
    Piece("msgpack Packer.pack((1, 2))", "pack((1, 2))", 1, 0),
    Piece("msgpack Packer.pack(3)", "pack(3)", 0, 1),
    Piece("request head + msg", "pack_request(MAGIC, VERSION, 0, ACTION_WORD, 7, 0, 3, 0, ACTION) + args", 1, 0),
    Piece("response head + msg", "pack_response(MAGIC, VERSION, OK, 1, 7, 0) + answer", 0, 1),
    Piece("outbox: test, append", "outbox or 0; put(args)", 1, 1),
    Piece("parse a response head", "msg_len, seq = parse_response(data, 0); end = 20 + msg_len", 1, 0),
    Piece("parse a request head", "word, seq, msg_len = parse_request(data, 0); end = 32 + msg_len", 0, 1),
    Piece("slice and unpackb(3)", "unpackb(data[43:44])", 1, 0),
    Piece("slice and unpackb([1, 2])", "a, b = unpackb(data[41:44])", 0, 1),
)


def print_floor() -> None:
    """Measure and print every piece (blocks for some seconds)."""
    rows = [(piece, _seconds(piece.statement)) for piece in PIECES]
    rows.append((Piece("run_callback(switch), switch there and back", "", 1, 0), _switch_seconds()))
    there, back = _transfer_seconds(_REQUEST * BATCH), _transfer_seconds(b"r" * _RESPONSE_BYTES * BATCH)
    share = (there + back) / 2 / BATCH  # each side sends one way and receives the other
    rows.append((Piece(f"send and recv of a batch of {BATCH}, its share", "", 1, 1), share))
    print(f"{'piece':46}{'ns':>8}{'client':>9}{'server':>9}")
    for piece, seconds in rows:
        nanoseconds = seconds * 1e9
        client, server = (f"{nanoseconds * n:.0f}" if n else "" for n in (piece.client, piece.server))
        print(f"{piece.name:46}{nanoseconds:8.0f}{client:>9}{server:>9}")
    client_sum = sum(piece.client * seconds for piece, seconds in rows)
    server_sum = sum(piece.server * seconds for piece, seconds in rows)
    print(f"{'sum':54}{client_sum * 1e9:9.0f}{server_sum * 1e9:9.0f}")
    print("\nSwitching through hub and event loop, cold caches and waking the other core come on top.")


def _seconds(statement: str) -> float:
    outbox: deque[bytes] = deque(maxlen=1000)
    waiting: dict[int, Any] = {}

    def call(a: int, b: int) -> int:
        return b

    names = {
        **vars(frames),
        "unpackb": unpackb,
        "getcurrent": getcurrent,
        "call": call,
        "expected": 3,
        "waiting": waiting,
        "take": waiting.pop,
        "me": getcurrent(),
        "next_seq": itertools.count(1).__next__,
        "handlers": {frames.ACTION: call},
        "pack": Packer().pack,
        "args": _ARGUMENTS,
        "answer": b"\x03",
        "outbox": outbox,
        "put": outbox.append,
        "data": _REQUEST,
    }
    number = 100_000
    empty = min(timeit.repeat("pass", globals=names, number=number, repeat=_REPEATS))
    return max(0.0, min(timeit.repeat(statement, globals=names, number=number, repeat=_REPEATS)) - empty) / number


def _switch_seconds() -> float:
    """A batch of waiting greenlets woken by `run_callback`, as the client's reader does; seconds for each."""
    hub = gevent.get_hub()
    run_callback, pause = hub.loop.run_callback, hub.switch
    rounds = 300

    def wait() -> None:
        for _ in range(rounds):
            pause()

    best = float("inf")
    for _ in range(_REPEATS):
        greenlets = [gevent.spawn(wait) for _ in range(BATCH)]
        gevent.sleep(0)
        me = getcurrent()
        started = timeit.default_timer()
        for _ in range(rounds):
            for greenlet in greenlets:
                run_callback(greenlet.switch)
            run_callback(me.switch)
            pause()
        best = min(best, timeit.default_timer() - started)
        gevent.joinall(greenlets)
    return best / rounds / BATCH


def _transfer_seconds(data: bytes) -> float:
    """One `send` and one `recv` of this over a loopback TCP connection within this process."""
    addresses: list[str] = []
    listener = listen(addresses.append)
    sender = open_socket(addresses[0])
    receiver, _ = listener.accept()
    try:
        number = 2000
        names = {"sender": sender, "receiver": receiver, "data": data}
        statement = "sender.send(data); receiver.recv(65536)"
        return min(timeit.repeat(statement, globals=names, number=number, repeat=_REPEATS)) / number
    finally:
        for sock in (sender, receiver, listener):
            sock.close()
