"""What a transport can tell of who is at the other end."""

from __future__ import annotations

from typing import Any, NamedTuple


class Credentials(NamedTuple):
    """The process at the other end of a Unix socket, as the kernel saw it connect."""

    pid: int
    uid: int
    gid: int


class Certificate:
    """A certificate that was verified.

    - ``subject``: its fields by name, as in ``{"commonName": "cal-client"}``;
    - ``names``: its subject alternative names, as in ``[("DNS", "cal.example"), ("URI", "…")]``;
    - ``der``: all of it, in the binary form.
    """

    __slots__ = ("der", "names", "subject")

    def __init__(self, fields: dict[str, Any], der: bytes) -> None:
        #: ``fields`` is what ``ssl.SSLSocket.getpeercert()`` gives.
        self.subject: dict[str, str] = {
            name: value for part in fields.get("subject", ()) for name, value in part
        }
        self.names: list[tuple[str, str]] = [
            (kind, value) for kind, value in fields.get("subjectAltName", ())
        ]
        self.der = der

    @property
    def common_name(self) -> str:
        """The subject's common name; empty where there is none."""
        return self.subject.get("commonName", "")

    def __repr__(self) -> str:
        return f"<Certificate {self.subject!r} {self.names!r}>"
