"""The calls of one connection that wait for their response."""

from __future__ import annotations

from typing import Protocol, TypeVar

from razorg.errors import RemoteProtocolError


class Entry(Protocol):
    """What the table knows of a call."""

    seq: int
    deadline: float


EntryT = TypeVar("EntryT", bound=Entry)


class InFlight(dict[int, EntryT]):
    """Calls by seq, oldest first.  A call leaves once, and whoever pops it ends it."""

    __slots__ = ("next_seq",)

    def __init__(self) -> None:
        super().__init__()
        self.next_seq = 1

    def take_seq(self) -> int:
        """A seq for a request that is not kept here: a ping."""
        seq = self.next_seq
        self.next_seq = seq + 1
        return seq

    def register(self, call: EntryT) -> None:
        """Keep the call, whose seq is the next one."""
        self[call.seq] = call
        self.next_seq = call.seq + 1

    def check_past(self, seq: int) -> None:
        """RemoteProtocolError for a seq that no request has had yet."""
        if seq >= self.next_seq:
            raise RemoteProtocolError(
                f"a response to request {seq}; the next request will be {self.next_seq}"
            )

    def expired(self, now: float) -> list[EntryT]:
        """The calls whose deadline has passed; they stay until they are popped."""
        return [call for call in self.values() if call.deadline <= now]
