"""What is measured: the workloads, by name. Knows no contestant."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True)
class Workload:
    """One kind of load.

    `callers` greenlets block in calls, one after another, spread over `connections`; or, when `in_flight` is not 0, one
    greenlet keeps that many futures outstanding. Without a `payload` the call is `add` of two small integers; with one,
    that many bytes go to the server (`way` "up"), come from it ("down") or go there and back ("both"), as the blob
    beside a message or as a `bytes` argument (`form`). `idle` connections stand beside the working ones.
    """

    name: str
    title: str
    callers: int
    in_flight: int = 0
    bases: tuple[str, ...] = ("bare",)
    """The contestants that the others are divided by, repetition by repetition."""
    payload: int = 0
    form: str = "blob"
    way: str = "both"
    connections: int = 1
    idle: int = 0

    @property
    def bytes_per_call(self) -> int:
        """What of one call counts for MB/s: the payload, twice when it travels both ways."""
        return self.payload * 2 if self.way == "both" else self.payload

    @property
    def kind(self) -> str:
        """What a contestant must be able to do: `call`, `future`, `blob` or `bytes`."""
        if self.payload:
            return self.form
        return "future" if self.in_flight else "call"


_JOINED = ("bare", "bare-join", "rust")
_FULL_SPEED = ("bare", "bare-join", "raw", "rust")
_SMALL_BLOB = ("bare", "raw")

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("W1", "one caller, small call", callers=1, bases=("bare", "raw", "rust")),
        Workload(
            "W2", "100 callers, one connection", callers=100, bases=("bare", "razorg-plain", "razorg-untyped", "rust")
        ),
        Workload("W3", "futures, 1000 in flight", 1, in_flight=1000, bases=("bare", "bare-futures", "bare-asyncresult", "rust")),
        Workload("W4-blob", "64 KiB blobs both ways, 16 callers", 16, bases=_JOINED, payload=64 * KIB),
        Workload(
            "W4-bytes",
            "64 KiB as `bytes` argument and result, 16 callers",
            16,
            bases=_JOINED,
            payload=64 * KIB,
            form="bytes",
        ),
        Workload("W5", "1 MiB blob both ways, one at a time", 1, bases=_FULL_SPEED, payload=MIB),
        Workload("W5-up", "1 MiB blob to the server, one at a time", 1, bases=_FULL_SPEED, payload=MIB, way="up"),
        Workload("W5-down", "1 MiB blob from the server, one at a time", 1, bases=_FULL_SPEED, payload=MIB, way="down"),
        Workload(
            "W5-bytes",
            "1 MiB as `bytes` argument and result, one at a time",
            1,
            bases=_FULL_SPEED,
            payload=MIB,
            form="bytes",
        ),
        Workload("W6-8k", "8 KiB blob both ways, one at a time", 1, bases=_SMALL_BLOB, payload=8 * KIB),
        Workload("W6-16k", "16 KiB blob both ways, one at a time", 1, bases=_SMALL_BLOB, payload=16 * KIB),
    )
}
