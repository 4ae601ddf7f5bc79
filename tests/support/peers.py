"""Scripted raw peers: they say what the test says, with frames built by hand (not by razorg.wire)."""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple

import gevent

from razorg.transport import registry
from razorg.transport.base import Connection

MAGIC = 0x4D25
REQUEST = struct.Struct("<HBBIQQII")  # magic, version, format, action, seq, client_id, msg, blob
RESPONSE = struct.Struct("<HBBIQi")  # magic, version, flag, msg, seq, blob
STRING = 1 << 31
PATIENCE = 10.0  # seconds; nothing here waits when all is well
_names = itertools.count(1)


def request(
    seq: int, action: int | str | bytes = 2, msg: bytes = b"", blob: bytes = b"", *,
    magic: int = MAGIC, version: int = 1, format: int = 0, client_id: int = 0,
    name_len: int | None = None, msg_len: int | None = None, blob_len: int | None = None,
) -> bytes:
    """A request frame; the announced lengths may differ from the real ones."""
    name = action.encode() if isinstance(action, str) else action if isinstance(action, bytes) else b""
    if name_len is not None or not isinstance(action, int):
        field = STRING | (len(name) if name_len is None else name_len)
    else:
        field = action
    head = REQUEST.pack(
        magic, version, format, field, seq, client_id,
        len(msg) if msg_len is None else msg_len, len(blob) if blob_len is None else blob_len,
    )
    return head + name + msg + blob


def reply(
    seq: int, msg: bytes = b"", blob: bytes = b"", *, flag: int = 0, magic: int = MAGIC,
    version: int = 1, msg_len: int | None = None, blob_len: int | None = None,
) -> bytes:
    """A response frame; the announced lengths may differ from the real ones."""
    return RESPONSE.pack(
        magic, version, flag, len(msg) if msg_len is None else msg_len, seq,
        len(blob) if blob_len is None else blob_len,
    ) + msg + blob


def number(seq: int, code: int) -> bytes:
    """A response with an error number."""
    return reply(seq, flag=1, msg_len=code)


def error(seq: int, data: bytes) -> bytes:
    """A response with error bytes."""
    return reply(seq, blob=data, flag=2)


class RawRequest(NamedTuple):
    seq: int
    action: int | bytes
    client_id: int
    msg: bytes
    blob: bytes
    format: int


class RawReply(NamedTuple):
    seq: int
    flag: int
    msg: int | bytes
    blob: bytes


class Peer:
    """One raw end of a connection."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def read_exact(self, count: int) -> bytes:
        data = bytearray()
        with gevent.Timeout(PATIENCE, AssertionError(f"{count} bytes did not arrive")):
            while len(data) < count:
                part = self.conn.read(count - len(data))
                if part is None:
                    self.conn.wait_readable()
                    continue
                assert part, f"ended after {len(data)} of {count} bytes"
                data += part
        return bytes(data)

    def read_request(self) -> RawRequest:
        magic, version, form, action, seq, client_id, msg_len, blob_len = REQUEST.unpack(
            self.read_exact(REQUEST.size)
        )
        assert (magic, version) == (MAGIC, 1)
        name = self.read_exact(action - STRING) if action >= STRING else action
        return RawRequest(
            seq, name, client_id, self.read_exact(msg_len), self.read_exact(blob_len), form
        )

    def read_reply(self) -> RawReply:
        magic, version, flag, msg_len, seq, blob_len = RESPONSE.unpack(
            self.read_exact(RESPONSE.size)
        )
        assert (magic, version) == (MAGIC, 1)
        msg = msg_len if flag == 1 else self.read_exact(msg_len)
        return RawReply(seq, flag, msg, self.read_exact(blob_len))

    def read_replies(self, count: int) -> list[RawReply]:
        """By seq: their order is not promised."""
        return sorted(self.read_reply() for _ in range(count))

    def send(self, data: bytes) -> None:
        """Write all; blocks while there is no room."""
        view = memoryview(data)
        with gevent.Timeout(PATIENCE, AssertionError("the other side does not read")):
            while view:
                written = self.conn.write(view)
                view = view[written:]
                if view:
                    self.conn.wait_writable()

    def has_input(self) -> bool:
        """Whether something comes without further doing; what came is lost."""
        for _ in range(5):
            gevent.sleep(0)
            if self.conn.read(1) is not None:
                return True
        return False

    def expect_eof(self) -> None:
        """The other side closes, and sends nothing before that."""
        with gevent.Timeout(PATIENCE, AssertionError("the connection is still open")):
            try:
                while (data := self.conn.read(100)) is None:
                    self.conn.wait_readable()
            except ConnectionResetError:
                return
        assert data == b"", f"{data!r} instead of the end"

    def half_close(self) -> None:
        self.conn.shutdown_write()

    def reset(self) -> None:
        """Close a TCP connection with RST."""
        sock: Any = self.conn._sock  # type: ignore[attr-defined]
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.conn.close()

    def close(self) -> None:
        self.conn.close()

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class ScriptedClient(Peer):
    """A raw client, connected."""

    def __init__(self, address: str) -> None:
        super().__init__(registry.connect(registry.checked_address(address), PATIENCE))

    def ping(self, seq: int) -> None:
        self.send(request(seq, 0))
        assert self.read_reply() == (seq, 0, b"", b"")


class ScriptedServer:
    """Listens at ``memory://`` or TCP; hands out accepted connections as peers."""

    def __init__(self, address: str | None = None) -> None:
        where = registry.checked_address(address or memory_url())
        self._listener = registry.listen(where)
        self._peers: list[Peer] = []
        self.address = str(self._listener.address)

    def accept(self) -> Peer:
        with gevent.Timeout(PATIENCE, AssertionError("nobody connects")):
            peer = Peer(self._listener.accept())
        self._peers.append(peer)
        return peer

    def close(self) -> None:
        self._listener.close()
        for peer in self._peers:
            peer.close()

    def __enter__(self) -> ScriptedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def memory_url() -> str:
    """An address that no other test uses."""
    return f"memory://scripted-{next(_names)}"


def wait_until(condition: Callable[[], Any]) -> None:
    """Let the other greenlets run until the condition holds."""
    with gevent.Timeout(PATIENCE, AssertionError("it never came true")):
        while not condition():
            # Not 0: a hub that never waits hardly ever lets native threads run.
            gevent.sleep(0.0005)


def in_hub(function: Callable[[], Any]) -> Any:
    """What the function returns, or the error that it raises, when it runs in the hub."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    gevent.get_hub().loop.run_callback(run)
    wait_until(lambda: outcome)
    return outcome[0]
