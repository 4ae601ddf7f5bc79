"""``tls://host:port``: TLS over TCP.

A connection around a connection: what TLS makes of the bytes goes through buffers in memory, so
that it blocks, closes and forks as the one inside does.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence

from razorg.hubs.limit import time_limit
from razorg.tls import ClientTls, ServerTls
from razorg.transport.address import Address
from razorg.transport.base import Connection
from razorg.transport.credentials import Certificate
from razorg.transport.lingering import linger
from razorg.transport.pieces import write_in_turn
from razorg.transport.sockets import SocketListener
from razorg.transport.tcp import TcpTransport
from razorg.transport.tls_errors import in_words
from razorg.wire.heads import Buffer

#: A record holds at most 16 KiB; so much more is read than was asked for.
_RECORD_BYTES = 16 * 1024 + 512
#: At most so much is encrypted before it is handed over.
_WRITE_BYTES = 256 * 1024
#: New keys are acknowledged, and so on: at most so much for a peer that asks and does not read.
_ANSWERS_MAX_BYTES = 64 * 1024

#: How long a client that was refused may take to read why.
LINGER_SECONDS = 1.0

#: What OpenSSL does not send to a peer that does not speak TLS: "protocol version"; three times,
#: which is as long as the head of a response: a client of razorg then says what this is.
_ALERT = b"\x15\x03\x01\0\x02\x02\x46" * 3


class TlsConnection:
    """TLS around a connection; nothing goes through before ``handshake()``."""

    def __init__(
        self,
        inner: Connection,
        tls: ssl.SSLObject,
        bios: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
        peer: str,
    ) -> None:
        self.peer = peer
        self._inner = inner
        self._tls = tls
        self._incoming, self._outgoing = bios
        self._unsent = memoryview(b"")  # encrypted, and not handed over
        self._handed_bytes = 0  # encrypted, and handed over
        #: The first byte of what is written next was encrypted already.
        self._is_ahead = False
        self._peeked = b""
        self._is_starved = True  # nothing can be read before more has come
        #: How often more may be taken before somebody waits: others want to run meanwhile.
        self._takes_left = 1
        self._is_ready = False

    def handshake(self) -> None:
        """Agree with the other end; blocks.  OSError, in plain words, when that fails."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush_all()
                if self._feed() is None:
                    self._inner.wait_readable()
            except ssl.SSLError as error:
                with contextlib.suppress(OSError):  # the alert that says why
                    if not self._outgoing.pending:
                        self._unsent = memoryview(_ALERT)
                    self._flush()
                    if self._tls.server_side:
                        # It may have sent its first requests; else it would see a reset.
                        linger(self._inner, LINGER_SECONDS)
                raise ConnectionError(f"TLS: {in_words(error)}") from error
            else:
                self._flush_all()
                self._look_for_more()  # what came behind the last word of the handshake
                self._is_ready = True
                return

    def certificate(self) -> Certificate | None:
        """The verified certificate of the other end; None when it has shown none."""
        fields, der = self._tls.getpeercert(), self._tls.getpeercert(True)
        return Certificate(fields, der) if fields and der else None

    def read(self, max_bytes: int) -> bytes | None:
        if self._peeked:
            peeked, self._peeked = self._peeked, b""
            return peeked
        while True:
            try:
                data = self._tls.read(max_bytes)
            except ssl.SSLError as error:
                ended = self._make_room(error, max_bytes)
                if ended is not None:
                    return b"" if ended else None
            else:
                self._look_for_more()
                return data

    def read_into(self, buffer: memoryview) -> int | None:
        if self._peeked:
            buffer[:1], self._peeked = self._peeked, b""
            return 1
        while True:
            try:
                count: int = self._tls.read(len(buffer), buffer)  # type: ignore[assignment]
            except ssl.SSLError as error:
                ended = self._make_room(error, len(buffer))
                if ended is not None:
                    return 0 if ended else None
            else:
                self._look_for_more()
                return count

    def write(self, data: Buffer) -> int:
        """As of any connection; of what is encrypted and waits for room, the last byte is said
        not to be taken, so that somebody comes back to hand it over.

        So it is, too, when the connection breaks after a part was handed over: the other end may
        have that, and who comes back meets the error.
        """
        if not self._flush():
            return 0
        ahead, self._is_ahead = int(self._is_ahead), False
        rest = memoryview(data)[ahead : ahead + _WRITE_BYTES]
        taken = ahead + (self._tls.write(rest) if len(rest) else 0)
        handed_before = self._handed_bytes
        try:
            is_whole = self._flush()
        except OSError:
            if self._handed_bytes == handed_before:
                raise
            is_whole = False
        if taken and not is_whole:
            self._is_ahead = True
            return taken - 1
        return taken

    def write_pieces(self, pieces: Sequence[Buffer]) -> int:
        return write_in_turn(self.write, pieces)

    def wait_readable(self) -> None:
        if self._is_starved:
            self._inner.wait_readable()
            self._is_starved = False
            self._takes_left = 1

    def wait_writable(self) -> None:
        self._inner.wait_writable()

    def stop_waiting_to_read(self) -> None:
        self._inner.stop_waiting_to_read()

    def acknowledge(self) -> None:
        """As of a TCP connection."""
        self._inner.acknowledge()  # type: ignore[attr-defined]

    def end_of_stream(self) -> bool:
        if self._peeked:
            return False
        # The end is in what was encrypted: it has to be read, and the reader told that it was.
        self._takes_left = 3  # something of TLS itself may stand before it
        try:
            found = self.read(1)
        except OSError:
            return True
        if found:
            self._peeked = found
            self._inner.stop_waiting_to_read()
        return found == b""

    def shutdown_write(self) -> None:
        self._say_goodbye()
        self._inner.shutdown_write()

    def close(self) -> None:
        if self._is_ready:
            self._say_goodbye()
        self._inner.close()

    def _say_goodbye(self) -> None:
        """Tell the other end that this was all, so that nobody can cut it short unnoticed."""
        self._is_ready = False
        with contextlib.suppress(OSError, ValueError):  # it says so also when it awaits an answer
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._flush()

    def _make_room(self, error: ssl.SSLError, max_bytes: int) -> bool | None:
        """What follows a failed read: True at the end, False when nothing is there now, None when
        it is worth another try."""
        if isinstance(error, (ssl.SSLZeroReturnError, ssl.SSLEOFError)):
            return True
        if not isinstance(error, ssl.SSLWantReadError):
            raise ConnectionError(f"TLS: {in_words(error)}") from error
        if not self._flush() and self._outgoing.pending > _ANSWERS_MAX_BYTES:
            raise ConnectionError("TLS: the other end does not read what TLS itself answers")
        if not self._takes_left or self._feed(max_bytes) is None:
            self._is_starved = True
            self._takes_left = 1
            return False
        self._takes_left -= 1
        return None

    def _feed(self, max_bytes: int = 0) -> bool | None:
        """Take what has come; None when that is nothing."""
        data = self._inner.read(max(max_bytes, _RECORD_BYTES))
        if data is None:
            return None
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True

    def _look_for_more(self) -> None:
        self._is_starved = not (self._tls.pending() or self._incoming.pending)

    def _flush(self) -> bool:
        """Hand over what is encrypted, as far as it is taken now; whether that was all."""
        while True:
            if not self._unsent:
                if not self._outgoing.pending:
                    return True
                self._unsent = memoryview(self._outgoing.read())
            written = self._inner.write(self._unsent)
            if not written:
                return False
            self._handed_bytes += written
            self._unsent = self._unsent[written:]

    def _flush_all(self) -> None:
        while not self._flush():
            self._inner.wait_writable()


class TlsListener:
    """Accepts connections of TLS; their handshakes are for the greenlets that serve them."""

    def __init__(self, inner: SocketListener, tls: ServerTls) -> None:
        self.address = Address("tls", inner.address.name, inner.address.port)
        self._inner = inner
        self._tls = tls

    def accept(self) -> TlsConnection:
        inner = self._inner.accept()
        bios = ssl.MemoryBIO(), ssl.MemoryBIO()
        peer = f"tls{inner.peer.removeprefix('tcp')}"
        return TlsConnection(inner, self._tls.wrap(*bios), bios, peer)

    def fileno(self) -> int:
        return self._inner.fileno()

    def close(self) -> None:
        self._inner.close()


def connect_tls(address: Address, timeout: float, tls: ClientTls) -> TlsConnection:
    """A connection to the address, agreed upon; blocks at most ``timeout`` seconds.  OSError."""
    with time_limit(timeout, f"no TLS connection within {timeout:g} s"):
        inner = TcpTransport().connect(Address("tcp", address.name, address.port), timeout)
        try:
            bios = ssl.MemoryBIO(), ssl.MemoryBIO()
            conn = TlsConnection(inner, tls.wrap(*bios, address.name), bios, str(address))
            conn.handshake()
            return conn
        except BaseException:
            inner.close()
            raise
