"""What the connections of every transport do; see razorg/transport/base.py."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from gevent.event import Event
from links import read_all, read_exactly, spawn_waiting, write_all

LARGE = bytes(range(256)) * 32 * 1024  # 8 MiB: more than the kernel holds for one direction


def rest_of_large(handed: int) -> memoryview:
    """What comes after so many bytes: a write that took a part is followed by the rest."""
    return memoryview(LARGE)[handed % len(LARGE) :]


def test_echo_both_ways(link: tuple[Any, Any]) -> None:
    client, server = link
    assert client.read(10) is None
    assert server.read(10) is None
    assert client.write(b"question") == 8
    assert read_exactly(server, 8) == b"question"
    assert server.write(memoryview(b"answer")) == 6
    assert read_exactly(client, 6) == b"answer"


def test_read_into_a_buffer(link: tuple[Any, Any]) -> None:
    client, server = link
    buffer = bytearray(8)
    assert server.read_into(memoryview(buffer)) is None
    client.write(b"abc")
    server.wait_readable()
    assert server.read_into(memoryview(buffer)[2:]) == 3
    assert buffer == b"\0\0abc\0\0\0"
    client.close()
    server.wait_readable()
    assert server.read_into(memoryview(buffer)) == 0


def test_read_takes_at_most_what_is_asked(link: tuple[Any, Any]) -> None:
    client, server = link
    client.write(b"abcdef")
    server.wait_readable()
    assert server.read(4) == b"abcd"
    assert server.read(4) == b"ef"
    assert server.read(4) is None


def test_write_pieces(link: tuple[Any, Any]) -> None:
    client, server = link
    pieces = [b"one", bytearray(b""), memoryview(b"two"), b"three"]
    assert client.write_pieces(pieces) == 11
    assert read_exactly(server, 11) == b"onetwothree"
    many = [b"xy"] * 2_000  # more than one sendmsg takes
    sent = client.write_pieces(many)
    assert 0 < sent <= 4_000
    assert read_exactly(server, sent) == (b"xy" * 2_000)[:sent]


def test_large_transfers_both_ways_at_once(link: tuple[Any, Any]) -> None:
    client, server = link
    writers = [gevent.spawn(write_all, end, LARGE) for end in link]
    readers = [gevent.spawn(read_exactly, end, len(LARGE)) for end in (client, server)]
    assert [reader.get() == LARGE for reader in readers] == [True, True]
    gevent.joinall(writers, raise_error=True)


def test_a_write_stops_when_nobody_reads(link: tuple[Any, Any]) -> None:
    client, server = link
    handed = 0
    while count := client.write(rest_of_large(handed)):
        handed += count
        assert handed < 256 * 1024 * 1024
    left = rest_of_large(handed)
    writing = gevent.spawn(write_all, client, bytes(left) + b"end")
    assert read_exactly(server, handed + len(left) + 3)[-3:] == b"end"
    writing.get()


def test_end_of_stream_after_the_data(link: tuple[Any, Any]) -> None:
    client, server = link
    client.write(b"last words")
    client.close()
    assert read_all(server) == b"last words"
    assert server.read(10) == b""
    assert server.end_of_stream()


def test_half_close_still_gets_the_answer(link: tuple[Any, Any]) -> None:
    client, server = link
    client.write(b"question")
    client.shutdown_write()
    assert read_all(server) == b"question"
    server.write(b"answer")
    server.shutdown_write()
    assert read_all(client) == b"answer"
    with pytest.raises(OSError):
        client.write(b"more")


def test_writing_to_a_closed_peer_fails(link: tuple[Any, Any]) -> None:
    client, server = link
    server.close()
    with pytest.raises(OSError):
        while True:
            write_all(client, b"x" * 1024)


def test_close_of_the_peer_wakes_a_reader(link: tuple[Any, Any]) -> None:
    client, server = link
    reader = gevent.spawn(read_all, server)
    gevent.sleep(0)
    client.close()
    assert reader.get() == b""


def test_close_wakes_reader_and_writer_with_oserror(link: tuple[Any, Any]) -> None:
    client, _ = link
    stalled = Event()

    def write() -> OSError:
        try:
            while True:
                if not client.write(LARGE):
                    stalled.set()
                    client.wait_writable()
        except OSError as error:
            return error

    reader = spawn_waiting(client.wait_readable)
    writer = gevent.spawn(write)
    stalled.wait()
    client.close()
    assert isinstance(reader.get(), OSError)
    assert isinstance(writer.get(), OSError)


@pytest.mark.parametrize(
    "use",
    [
        lambda end: end.read(1),
        lambda end: end.read_into(memoryview(bytearray(1))),
        lambda end: end.write(b"x"),
        lambda end: end.write_pieces([b"x", b"y"]),
        lambda end: end.wait_readable(),
        lambda end: end.wait_writable(),
        lambda end: end.shutdown_write(),
    ],
    ids=["read", "read_into", "write", "pieces", "wait_readable", "wait_writable", "shutdown"],
)
def test_everything_fails_after_close(link: tuple[Any, Any], use: Any) -> None:
    """At once: no byte may be handed over by a connection that was closed here."""
    client, server = link
    server.write(b"unread")
    client.close()
    client.close()
    client.stop_waiting_to_read()
    assert client.end_of_stream()
    with pytest.raises(OSError):
        use(client)


def test_close_hands_nothing_over_while_a_reader_still_waits(link: tuple[Any, Any]) -> None:
    client, server = link
    reader = spawn_waiting(client.wait_readable)
    client.close()
    try:
        with pytest.raises(OSError):
            client.write(b"too late")
        with pytest.raises(OSError):
            client.write_pieces([b"too", b"late"])
        with pytest.raises(OSError):
            client.read(1)
        with pytest.raises(OSError):
            client.shutdown_write()
    finally:
        assert isinstance(reader.get(), OSError)
    assert read_all(server) == b""


def test_stop_waiting_to_read(link: tuple[Any, Any]) -> None:
    client, server = link
    waiting = spawn_waiting(client.wait_readable)
    client.stop_waiting_to_read()
    assert waiting.get() is None
    assert client.read(10) is None
    server.write(b"later")
    assert read_exactly(client, 5) == b"later"


def test_a_wait_that_timed_out_harms_nothing(link: tuple[Any, Any]) -> None:
    client, server = link
    with gevent.Timeout(0.01, False):
        client.wait_readable()
    server.write(b"later")
    assert read_exactly(client, 5) == b"later"


def test_end_of_stream_is_seen_without_reading(link: tuple[Any, Any]) -> None:
    client, server = link
    assert not client.end_of_stream()
    server.write(b"x")
    client.wait_readable()
    assert not client.end_of_stream()
    assert read_exactly(client, 1) == b"x"
    server.close()
    client.wait_readable()
    assert client.end_of_stream()
