"""What client and server agree on: the service `Files`, its errors, and one raw action."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import razorg


@dataclass
class Entry:
    path: str  # below the root, with slashes
    size: int


@dataclass
class Stat:
    path: str
    size: int
    modified: float  # seconds since the epoch
    executable: bool


class NotFound(razorg.ErrorText):
    """There is no such file; the text is the path."""


class Reason(enum.IntEnum):
    OUTSIDE = 1  # the path leads out of the tree
    NOT_A_FILE = 2


class Refused(razorg.ErrorCode, codes=Reason):
    """The server does not serve this; the code is a Reason."""


@dataclass
class NoSuchLine(razorg.ErrorValue):
    path: str
    line: int
    lines: int  # that the file has


@razorg.service
class Files:
    def list(self) -> tuple[Entry, ...]:
        """All files of the tree."""
        raise NotImplementedError

    @razorg.method(raises=(NotFound, Refused), idempotent=True)
    def stat(self, path: str) -> Stat:
        """What is known of a file."""
        raise NotImplementedError

    @razorg.method(raises=OSError, idempotent=True)
    def digest(self, path: str) -> str:
        """The SHA-256 of a file, in hex."""
        raise NotImplementedError

    @razorg.method(raises=(OSError, NoSuchLine), idempotent=True)
    def line(self, path: str, number: int) -> str:
        """One line of a text file; the first has the number 1."""
        raise NotImplementedError

    def parts(self, path: str, part_bytes: int) -> int:
        """How many parts of this size a file has.  It declares no errors; see mistakes.py."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        """Return after so long."""
        raise NotImplementedError


#: The raw action: asks with a ReadRequest, answers with a ReadReply and the bytes as its blob.
READ = 1


@dataclass
class ReadRequest:
    path: str
    offset: int
    len: int


@dataclass
class ReadReply:
    is_last: bool  # nothing follows these bytes
