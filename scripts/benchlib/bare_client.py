"""The bare loop's client: greenlets that wait (W1, W2), or callbacks (W3), the cheapest form of a future.

The two readers differ in one line and are written twice: a call for each frame would not be bare.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gevent
from gevent import socket
from greenlet import getcurrent
from msgpack import Packer, unpackb

from benchlib.bare_io import RECEIVE_BYTES, open_socket, start_writer
from benchlib.contestants import Client
from benchlib.drive import ARGUMENTS, RIGHT_OPERAND, Tally, wrong_answer
from benchlib.frames import (
    ACTION,
    ACTION_WORD,
    MAGIC,
    RESPONSE_HEAD_BYTES,
    VERSION,
    pack_request,
    parse_response,
)
from benchlib.workloads import Workload

Submit = Callable[[int, int, Callable[[int], None]], None]


def connect(address: str, workload: Workload, receive_bytes: int = RECEIVE_BYTES) -> Client:
    """Connect and start the reader and the writer that the workload needs."""
    _idle.extend(open_socket(address) for _ in range(workload.idle))
    socks = [open_socket(address) for _ in range(workload.connections)]
    if workload.in_flight:
        return Client(pipeline=callback_pipeline(callback_submit(socks[0], receive_bytes)))
    return Client([SimpleNamespace(add=blocking_add(sock, receive_bytes)) for sock in socks])


_idle: list[socket.socket] = []


def blocking_add(sock: socket.socket, receive_bytes: int = RECEIVE_BYTES) -> Callable[[int, int], int]:
    """`add(a, b)` that blocks its greenlet: the reader wakes it by `run_callback(greenlet.switch, value)`."""
    waiting: dict[int, Any] = {}
    outbox: deque[bytes] = deque()
    put = outbox.append
    wake = start_writer(sock, outbox)
    hub = gevent.get_hub()
    run_callback, pause = hub.loop.run_callback, hub.switch
    pack = Packer().pack
    next_seq = itertools.count(1).__next__

    def read() -> None:
        take, recv, me = waiting.pop, sock.recv, getcurrent()
        rest = b""
        while True:
            data = recv(receive_bytes)
            if not data:
                raise EOFError("the server has closed the connection")
            if rest:
                data = rest + data
            position = 0
            last_start = len(data) - RESPONSE_HEAD_BYTES
            while position <= last_start:
                msg_len, seq = parse_response(data, position)
                msg_start = position + RESPONSE_HEAD_BYTES
                position = msg_start + msg_len
                if position > len(data):
                    position = msg_start - RESPONSE_HEAD_BYTES
                    break
                run_callback(take(seq).switch, unpackb(data[msg_start:position]))
            rest = data[position:]
            if receive_bytes < RECEIVE_BYTES:  # the overlapping variant: let the writer send before the next part
                run_callback(me.switch)
                pause()

    def add(a: int, b: int) -> int:
        seq = next_seq()
        waiting[seq] = getcurrent()
        msg = pack((a, b))
        if not outbox:
            run_callback(wake)
        put(pack_request(MAGIC, VERSION, 0, ACTION_WORD, seq, 0, len(msg), 0, ACTION) + msg)
        return pause()  # type: ignore[no-any-return]

    gevent.spawn(read)
    return add


def callback_submit(sock: socket.socket, receive_bytes: int = RECEIVE_BYTES) -> Submit:
    """`submit(a, b, callback)`: the reader calls `callback(value)` itself. Never blocks."""
    waiting: dict[int, Callable[[int], None]] = {}
    outbox: deque[bytes] = deque()
    put = outbox.append
    wake = start_writer(sock, outbox)
    hub = gevent.get_hub()
    run_callback, pause = hub.loop.run_callback, hub.switch
    pack = Packer().pack
    next_seq = itertools.count(1).__next__

    def read() -> None:
        take, recv, me = waiting.pop, sock.recv, getcurrent()
        rest = b""
        while True:
            data = recv(receive_bytes)
            if not data:
                raise EOFError("the server has closed the connection")
            if rest:
                data = rest + data
            position = 0
            last_start = len(data) - RESPONSE_HEAD_BYTES
            while position <= last_start:
                msg_len, seq = parse_response(data, position)
                msg_start = position + RESPONSE_HEAD_BYTES
                position = msg_start + msg_len
                if position > len(data):
                    position = msg_start - RESPONSE_HEAD_BYTES
                    break
                take(seq)(unpackb(data[msg_start:position]))
            rest = data[position:]
            if receive_bytes < RECEIVE_BYTES:  # the overlapping variant: let the writer send before the next part
                run_callback(me.switch)
                pause()

    def submit(a: int, b: int, callback: Callable[[int], None]) -> None:
        seq = next_seq()
        waiting[seq] = callback
        msg = pack((a, b))
        if not outbox:
            run_callback(wake)
        put(pack_request(MAGIC, VERSION, 0, ACTION_WORD, seq, 0, len(msg), 0, ACTION) + msg)

    gevent.spawn(read)
    return submit


def callback_pipeline(submit: Submit) -> Callable[[int, Tally], None]:
    """The submitter: `in_flight` calls outstanding; it rests when there are, and the next answer wakes it."""
    hub = gevent.get_hub()

    def pipeline(in_flight: int, tally: Tally) -> None:
        me = getcurrent()
        outstanding = 0
        resting = False

        def expect(value: int) -> Callable[[int], None]:
            def settle(answer: int) -> None:
                nonlocal outstanding, resting
                outstanding -= 1
                if answer != value:
                    hub.loop.run_callback(me.throw, wrong_answer(value, answer))
                elif resting:
                    resting = False
                    hub.loop.run_callback(me.switch)

            return settle

        callbacks = [(left, expect(left + RIGHT_OPERAND)) for left in ARGUMENTS]
        while not tally.stopping:
            for left, callback in callbacks:
                while outstanding >= in_flight:
                    resting = True
                    hub.switch()
                outstanding += 1
                submit(left, RIGHT_OPERAND, callback)
            tally.counts[0] += len(callbacks)
        while outstanding:
            resting = True
            hub.switch()

    return pipeline
