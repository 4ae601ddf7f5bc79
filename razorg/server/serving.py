"""What all sessions of a server share."""

from __future__ import annotations

from contextvars import Context
from dataclasses import dataclass

from razorg.codec.base import Codec
from razorg.config import ServerConfig
from razorg.server.admission import Admission
from razorg.server.dispatch import Dispatch
from razorg.server.workers import Workers


@dataclass(frozen=True)
class Serving:
    """A server, as its sessions see it; ``context`` is the one that handlers get copies of."""

    dispatch: Dispatch
    workers: Workers
    admission: Admission
    codec: Codec
    config: ServerConfig
    context: Context
