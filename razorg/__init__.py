"""razorg: RPC for Python on gevent, on the wire of razor-rpc.

One connection carries any number of calls at once; code looks blocking and only its own greenlet
waits.  README.md is the tour; importing this patches nothing and starts nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from razorg.api.connect import connect
from razorg.api.endpoint import submit, with_options
from razorg.api.pools import ClientPool, FailoverPool
from razorg.api.rpcserver import RpcServer
from razorg.api.service import method, service
from razorg.client.calls import ClientTask
from razorg.client.future import RpcFuture
from razorg.client.intercepted import ClientCall
from razorg.client.reply import Reply
from razorg.client.stream import ClientStream
from razorg.codec.base import Codec
from razorg.codec.nil import NIL
from razorg.config import ClientConfig, Limits, ServerConfig
from razorg.core.figures import Figures, Observer
from razorg.declared import NEXT, ErrorCode, ErrorText, ErrorValue, Failover
from razorg.diagnosis import Diagnosis, diagnose
from razorg.discovery.advertise import Register
from razorg.discovery.keeping import NotLeader
from razorg.discovery.node import Node
from razorg.discovery.registry import register_resolver
from razorg.errors import (
    AccessDenied,
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
from razorg.server.intercepted import ServerCall
from razorg.server.peer import Peer, current_peer
from razorg.tls import ClientTls, ServerTls
from razorg.transport.base import Connection, Listener, Transport
from razorg.transport.credentials import Certificate, Credentials
from razorg.transport.registry import register_transport
from razorg.version import __version__

if TYPE_CHECKING:
    from razorg import aio, logs, opentelemetry, prometheus, status, testing

__all__ = [
    "__version__",
    "NEXT",
    "NIL",
    "AccessDenied",
    "CallTimeout",
    "Certificate",
    "ClientCall",
    "ClientConfig",
    "ClientPool",
    "ClientStream",
    "ClientTask",
    "ClientTls",
    "Codec",
    "Credentials",
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
    "Figures",
    "InternalError",
    "Limits",
    "Listener",
    "LocalProtocolError",
    "MethodNotFound",
    "Node",
    "NotLeader",
    "Observer",
    "Peer",
    "ProtocolError",
    "RazorError",
    "Register",
    "RemoteProtocolError",
    "Reply",
    "Request",
    "Respond",
    "RpcError",
    "RpcFuture",
    "RpcServer",
    "ServerCall",
    "ServerConfig",
    "ServerTls",
    "ServiceNotFound",
    "Transport",
    "Unreachable",
    "VersionError",
    "aio",
    "connect",
    "current_peer",
    "deadline",
    "diagnose",
    "inherited_sockets",
    "logs",
    "method",
    "opentelemetry",
    "prometheus",
    "register_resolver",
    "register_transport",
    "service",
    "status",
    "submit",
    "testing",
    "watch_blocking",
    "with_options",
]


_LAZY = ("aio", "logs", "opentelemetry", "prometheus", "status", "testing")


def __getattr__(name: str) -> Any:
    if name in _LAZY:  # imported by those who need them
        return importlib.import_module(f"razorg.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
