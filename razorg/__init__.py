"""razorg: RPC for Python on gevent, on the wire of razor-rpc.

One connection carries any number of calls at once; code looks blocking and only its own greenlet
waits.  README.md is the tour; importing this patches nothing and starts nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from razorg.api.connect import ClientPool, FailoverPool, connect
from razorg.api.endpoint import submit, with_options
from razorg.api.serve import RpcServer
from razorg.api.service import method, service
from razorg.client.calls import ClientTask
from razorg.client.future import RpcFuture
from razorg.client.reply import Reply
from razorg.client.stream import ClientStream
from razorg.codec.base import Codec
from razorg.codec.nil import NIL
from razorg.config import ClientConfig, Limits, ServerConfig
from razorg.declared import NEXT, ErrorCode, ErrorText, ErrorValue, Failover
from razorg.diagnosis import Diagnosis, diagnose
from razorg.errors import (
    CallTimeout,
    ConnectionLost,
    DecodeError,
    EncodeError,
    InternalError,
    LocalProtocolError,
    MethodNotFound,
    ProtocolError,
    RazorError,
    RemoteProtocolError,
    RpcError,
    ServiceNotFound,
    Unreachable,
    VersionError,
)
from razorg.hubs.deadline import deadline
from razorg.link.watch import watch_blocking
from razorg.server.dispatch import Dispatch, Request, Respond
from razorg.server.inherit import inherited_sockets
from razorg.transport.base import Connection, Listener, Transport
from razorg.transport.registry import register_transport

if TYPE_CHECKING:
    from razorg import aio

__version__ = "0.1.0"

__all__ = [
    "NEXT",
    "NIL",
    "CallTimeout",
    "ClientConfig",
    "ClientPool",
    "ClientStream",
    "ClientTask",
    "Codec",
    "Connection",
    "ConnectionLost",
    "DecodeError",
    "Diagnosis",
    "Dispatch",
    "EncodeError",
    "ErrorCode",
    "ErrorText",
    "ErrorValue",
    "Failover",
    "FailoverPool",
    "InternalError",
    "Limits",
    "Listener",
    "LocalProtocolError",
    "MethodNotFound",
    "ProtocolError",
    "RazorError",
    "RemoteProtocolError",
    "Reply",
    "Request",
    "Respond",
    "RpcError",
    "RpcFuture",
    "RpcServer",
    "ServerConfig",
    "ServiceNotFound",
    "Transport",
    "Unreachable",
    "VersionError",
    "aio",
    "connect",
    "deadline",
    "diagnose",
    "inherited_sockets",
    "method",
    "register_transport",
    "service",
    "submit",
    "watch_blocking",
    "with_options",
]


def __getattr__(name: str) -> Any:
    if name == "aio":  # asyncio takes its time to import; those who need it have it already
        return importlib.import_module("razorg.aio")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
