"""razorg: RPC for Python on gevent, on the wire of razor-rpc.

One connection carries any number of calls at once; code looks blocking and only its own greenlet
waits.  README.md is the tour; importing this patches nothing and starts nothing.
"""

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
from razorg.server.dispatch import Dispatch, Request, Respond
from razorg.transport.base import Connection, Listener, Transport
from razorg.transport.registry import register_transport

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
    "connect",
    "method",
    "register_transport",
    "service",
    "submit",
    "with_options",
]
