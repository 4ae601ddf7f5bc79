"""What a connection has to pass before its requests are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from razorg.config import KIB, Limits
from razorg.errors import AccessDenied, RemoteProtocolError
from razorg.link.reading import FrameReader
from razorg.link.seldom import Seldom
from razorg.link.writing import FrameWriter
from razorg.server.answers import ACCESS_DENIED
from razorg.server.http import START_BYTES, refusal
from razorg.server.peer import Peer
from razorg.transport.base import Connection
from razorg.wire.encoder import error_frame
from razorg.wire.heads import Frame
from razorg.wire.parser import RequestParser

#: ``authenticate(peer)`` gives the identity of a peer; what it raises keeps the peer out.
Authenticate = Callable[[Peer], Any]

#: What is read of a peer that was turned away, to answer it.
_LIMITS = Limits(max_msg_bytes=64 * KIB, max_blob_bytes=64 * KIB)


class Admission:
    """The transport's handshake, and the user's ``authenticate``."""

    def __init__(self, authenticate: Authenticate | None, timeout: float, seldom: Seldom) -> None:
        self._authenticate = authenticate
        self._timeout = timeout
        self.seldom = seldom

    def admit(self, conn: Connection, peer: Peer) -> bool:
        """Whether the peer may come in; blocks until that is known, for the read timeout at most
        in each step.

        OSError when the handshake fails, or takes longer than that.
        """
        handshake = getattr(conn, "handshake", None)
        if handshake is not None:
            self._shake_hands(handshake, peer)
            peer.certificate = conn.certificate()  # type: ignore[attr-defined]
        return self._authenticate is None or self._is_authentic(self._authenticate, peer)

    def _is_authentic(self, authenticate: Authenticate, peer: Peer) -> bool:
        late = gevent.Timeout.start_new(self._timeout)
        try:
            peer.identity = authenticate(peer)
            return True
        except AccessDenied as error:
            self.seldom.warning("%s was not let in: %s", peer, error.message)
        except (Exception, gevent.Timeout) as error:
            if error is late:
                self.seldom.warning(
                    "authenticate has not answered for %s within %g s: it was not let in",
                    peer,
                    self._timeout,
                )
            else:
                self.seldom.error(
                    "authenticate failed for %s: it was not let in", peer, error=error
                )
        finally:
            late.close()
        return False

    def turn_away(self, conn: Connection, peer: Peer) -> None:
        """Answer what the peer asks first with AccessDenied; blocks, for the read timeout at most
        in each step.

        It is read with small limits of its own: nobody knows who this is.
        """
        answers: list[Frame] = []
        parser = RequestParser(_LIMITS)
        try:
            with gevent.Timeout(self._timeout, False):  # pyright: ignore[reportArgumentType]
                requests = FrameReader(conn, parser).read() or ()
                answers += [error_frame(fields[0], ACCESS_DENIED) for fields in requests]
        except RemoteProtocolError as error:
            self.seldom.warning("%s broke the protocol, closing: %s", peer, error)
        page = None if answers else refusal(parser.start_of_rest(START_BYTES))
        if page is not None:
            answers.append(page)
        with gevent.Timeout(self._timeout, False):  # pyright: ignore[reportArgumentType]
            FrameWriter(conn).write(answers)

    def _shake_hands(self, handshake: Callable[[], None], peer: Peer) -> None:
        late = gevent.Timeout.start_new(self._timeout)
        try:
            handshake()
        except gevent.Timeout as expired:
            if expired is not late:
                raise
            self.seldom.warning("no handshake with %s within %g s", peer, self._timeout)
            raise ConnectionError(f"no handshake within {self._timeout:g} s") from None
        except OSError as error:
            self.seldom.warning("the handshake with %s failed: %s", peer, error)
            raise
        finally:
            late.close()
