"""What is measured: the workloads, by name. Knows no contestant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """One kind of load on one connection.

    `callers` greenlets block in small calls; or, when `in_flight` is not 0, one greenlet keeps that many futures
    outstanding. W4 to W6 (blobs) will add a payload size here, and a unit beside calls/s.
    """

    name: str
    title: str
    callers: int
    in_flight: int = 0
    bases: tuple[str, ...] = ("bare",)
    """The contestants that the others are divided by, repetition by repetition."""


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("W1", "one caller, small call", callers=1, bases=("bare", "raw")),
        Workload("W2", "100 greenlets, one connection", callers=100),
        Workload("W3", "futures, 1000 in flight", callers=1, in_flight=1000, bases=("bare", "bare-futures")),
    )
}
