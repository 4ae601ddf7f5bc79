"""Settings of clients and servers: frozen, checked when made, changed with ``replace()``.

Times are seconds as float.  The defaults of times and of the window are those of the Rust
reference, so that both ends of a mixed pair agree on them.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from razorg.tls import ClientTls, ServerTls

KIB = 1024
MIB = 1024 * 1024
I32_MAX = 2**31 - 1

ConfigT = TypeVar("ConfigT", bound="_Checked")


class _Checked:
    """Checking and replacing, shared by the settings below."""

    def replace(self: ConfigT, **changes: Any) -> ConfigT:
        """A copy with some settings changed; TypeError for a name that is no setting."""
        known = [item.name for item in dataclasses.fields(self)]  # type: ignore[arg-type]
        for name in changes:
            if name not in known:
                raise TypeError(f"{name!r} is not a setting; there are: {', '.join(known)}")
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            low, high = item.metadata.get("range", (None, None))
            if low is None:
                continue
            whole = item.metadata["whole"]
            kinds = (int,) if whole else (int, float)
            if not isinstance(value, kinds) or isinstance(value, bool):
                kind = "an integer" if whole else "a number of seconds"
                raise TypeError(f"{item.name} must be {kind}, not {value!r}")
            if not low <= value <= high:
                raise ValueError(f"{item.name} must be in {low} … {high}, not {value!r}")


def _count(default: int, low: int = 1, high: int = I32_MAX) -> Any:
    return field(default=default, metadata={"range": (low, high), "whole": True})


_NO_LIMIT = I32_MAX


def _seconds(default: float, low: float = 0.001) -> Any:
    return field(default=default, metadata={"range": (low, 10 * 365 * 86400.0), "whole": False})


@dataclass(frozen=True)
class Limits(_Checked):
    """What a peer may announce; checked before anything is allocated.

    - ``max_msg_bytes``: 64 MiB was the default ``total_bytes_limit`` of Protocol Buffers.
    - ``max_blob_bytes``: 256 MiB was the default ``native_transport_max_frame_size`` of Apache
      Cassandra.  The wire itself ends at 2**31 - 1, since the reference reads an i32.
    - ``max_action_bytes``: D-Bus caps interface and member names at 255 bytes each; a service,
      a dot and a method, with room for four-byte characters, come to 1 KiB.
    - ``min_bytes_per_second``: the idea is the ``MinRate`` of Apache's ``mod_reqtimeout``; 64
      KiB/s gives the largest blob 68 minutes.
    """

    max_msg_bytes: int = _count(64 * MIB)
    max_blob_bytes: int = _count(256 * MIB)
    max_action_bytes: int = _count(1 * KIB)
    min_bytes_per_second: int = _count(64 * KIB)


@dataclass(frozen=True)
class ClientConfig(_Checked):
    """Settings of a client; ``connect`` and ``ClientStream`` take them as keywords too.

    A call ends within ``task_timeout`` (checked each second) unless it brings a timeout of its
    own.  ``window`` is the number of requests in flight per connection.

    Of pools: each address has ``min_connections`` … ``max_connections``; one more is opened while
    the windows of all are full, and closed after ``idle_timeout`` without a call.  An address that
    cannot be reached is tried again after at most ``reconnect_max`` seconds while calls ask for
    it, ``reconnect_idle_max`` otherwise.

    Of pools of several addresses: ``retry_limit`` is the number of retries after the first
    attempt; ``retry="safe"`` repeats what may have run only for idempotent methods,
    ``"always"`` for all, as the Rust reference does.

    Of the servers that a resolver tells each process uses ``aperture`` at most, 0 for all: see
    docs/scaling.md.

    With ``tls`` every address must be ``tls://``, and those without a scheme are.
    """

    task_timeout: float = _seconds(20.0)
    connect_timeout: float = _seconds(10.0)
    read_timeout: float = _seconds(5.0)
    write_timeout: float = _seconds(5.0)
    idle_timeout: float = _seconds(120.0)
    window: int = _count(128, high=1_000_000)
    min_connections: int = _count(1, high=100_000)
    max_connections: int = _count(4, high=100_000)
    retry_limit: int = _count(3, low=0, high=1_000)
    retry: Literal["safe", "always"] = "safe"
    reconnect_max: float = _seconds(1.5)
    reconnect_idle_max: float = _seconds(30.0)
    client_id: int = _count(0, low=0, high=2**64 - 1)
    tls: ClientTls | None = None
    aperture: int = _count(0, low=0, high=100_000)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.retry not in ("safe", "always"):
            raise ValueError(f"retry must be 'safe' or 'always', not {self.retry!r}")
        if self.min_connections > self.max_connections:
            raise ValueError(
                f"min_connections ({self.min_connections}) is more than "
                f"max_connections ({self.max_connections})"
            )
        _check_tls(self.tls, ClientTls)
        _check_limits(self.limits)


@dataclass(frozen=True)
class ServerConfig(_Checked):
    """Settings of a server; ``RpcServer`` takes them as keywords too.

    ``max_running`` bounds the unanswered requests of one connection: when it is reached, the
    connection is not read until one is answered; so it should not be less than the ``window`` of
    the clients, whose pings would wait unread too.  ``max_unwritten_bytes`` bounds what is answered
    but not yet with the kernel: above it, handlers wait in their response.

    ``max_connections_per_peer`` and the two after it are for all connections of one host, or of
    one user of a Unix socket, together: each of them gets an equal part.  No limit by default.

    ``tls`` is for the listeners at ``tls://``, at addresses without a scheme, and on bound sockets
    of TCP.
    """

    read_timeout: float = _seconds(5.0)
    write_timeout: float = _seconds(5.0)
    idle_timeout: float = _seconds(120.0)
    stop_timeout: float = _seconds(90.0, low=0.0)
    max_connections: int = _count(10_000)
    max_running: int = _count(256, high=1_000_000)
    max_unwritten_bytes: int = _count(4 * MIB)
    max_connections_per_peer: int = _count(_NO_LIMIT)
    max_running_per_peer: int = _count(_NO_LIMIT)
    max_unwritten_bytes_per_peer: int = _count(_NO_LIMIT)
    tls: ServerTls | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_tls(self.tls, ServerTls)
        _check_limits(self.limits)


def _check_limits(limits: object) -> None:
    if not isinstance(limits, Limits):
        raise TypeError(f"limits must be a razorg.Limits, not {limits!r}")


def _check_tls(tls: object, kind: type) -> None:
    if tls is not None and not isinstance(tls, kind):
        raise TypeError(f"tls must be a razorg.{kind.__name__}, not {tls!r}")


def configured(config: ConfigT | None, default: type[ConfigT], settings: dict[str, Any]) -> ConfigT:
    """``config`` (or the defaults) with the keywords of a constructor on top."""
    if config is None:
        config = default()
    elif not isinstance(config, default):
        raise TypeError(f"config must be a {default.__name__}, not {config!r}")
    return config.replace(**settings) if settings else config


def check_timeout(timeout: object) -> None:
    """TypeError or ValueError for what is neither None nor a finite number of seconds above 0."""
    if timeout is None:
        return
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool):
        raise TypeError(f"timeout must be a number of seconds, not {timeout!r}")
    if not 0 < timeout < math.inf:
        raise ValueError(f"timeout must be more than 0 seconds, and finite, not {timeout!r}")
