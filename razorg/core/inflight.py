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
    """Calls by seq, oldest first.  A call leaves once, and whoever takes it out ends it."""

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
        """Keep the call under the next seq, which it is given."""
        seq = self.next_seq
        self.next_seq = seq + 1
        call.seq = seq
        self[seq] = call

    def complete(self, seq: int) -> EntryT | None:
        """Take a call out; None when it has ended before (or was a ping).

        Raises RemoteProtocolError for a seq that no request has had yet.
        """
        call = self.pop(seq, None)
        if call is None and seq >= self.next_seq:
            raise RemoteProtocolError(
                f"a response to request {seq}; the next request will be {self.next_seq}"
            )
        return call

    def expired(self, now: float) -> list[EntryT]:
        """The calls whose deadline has passed; they stay until they are completed."""
        return [call for call in self.values() if call.deadline <= now]
