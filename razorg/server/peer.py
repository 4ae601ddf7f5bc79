"""Who is at the other end of a connection of a server."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from razorg.errors import LocalProtocolError
from razorg.transport.base import Connection
from razorg.transport.credentials import Certificate, Credentials

_current: ContextVar[Peer] = ContextVar("razorg.peer")


class Peer:
    """The other end of a connection, as far as it is known; ``str(peer)`` is its address.

    - ``address``: ``tcp://10.0.0.7:50412``;
    - ``certificate``: what it has proven to hold, over ``tls://`` with client certificates;
    - ``credentials``: its process, over ``unix://`` where the system tells;
    - ``identity``: what the server's ``authenticate`` made of it.
    """

    __slots__ = ("address", "certificate", "credentials", "identity")

    def __init__(self, conn: Connection) -> None:
        self.address = conn.peer
        self.certificate: Certificate | None = None
        tell = getattr(conn, "credentials", None)
        self.credentials: Credentials | None = tell() if tell is not None else None
        self.identity: Any = None

    @property
    def origin(self) -> str:
        """What its connections have in common: the host, or the user of the process."""
        if self.credentials is not None:
            return f"uid {self.credentials.uid}"
        scheme, _, rest = self.address.partition("://")
        if scheme in ("unix", "memory"):
            return self.address
        return rest.rpartition(":")[0]

    def __str__(self) -> str:
        return self.address

    def __repr__(self) -> str:
        known = f" identity={self.identity!r}" if self.identity is not None else ""
        return f"<Peer {self.address}{known}>"


#: Set in the context of a session: all of its handlers see it.
set_current_peer = _current.set


def current_peer() -> Peer:
    """Inside a handler: who has sent the request.  LocalProtocolError elsewhere.

    Greenlets and threads that the handler starts know it when they are given a copy of its
    context.
    """
    try:
        return _current.get()
    except LookupError:
        raise LocalProtocolError("current_peer() is for the handlers of a server") from None
