"""Every exception of razorg, and the texts that stand for them on the wire.

::

    RazorError
    ├── RpcError            a call failed; says whether the request was sent
    │   ├── Unreachable     (also ConnectionError)   no connection could be had
    │   ├── ConnectionLost  (also ConnectionError)   the connection ended under the call
    │   ├── CallTimeout     (also TimeoutError)      no response in time
    │   ├── MethodNotFound, ServiceNotFound
    │   ├── AccessDenied    the server does not let this peer do this
    │   ├── EncodeError, DecodeError
    │   ├── InternalError   the handler failed with something it had not declared
    │   └── VersionError
    ├── ProtocolError
    │   ├── LocalProtocolError    this side used razorg wrongly
    │   └── RemoteProtocolError   the peer broke the protocol
    └── ErrorCode, ErrorText, ErrorValue   (razorg.declared) errors of the user's own methods
"""

from __future__ import annotations

from typing import ClassVar, Literal

Sent = Literal["no", "maybe", "yes"]


class RazorError(Exception):
    """Base of everything that razorg raises."""


class RpcError(RazorError):
    """A call failed.

    ``sent`` tells what is known of the request: ``"no"`` (not a byte of it was handed to the
    kernel), ``"yes"`` (a response arrived), ``"maybe"`` (anything else).  ``address`` and
    ``method`` say where the call went, as far as that is known.
    """

    wire: ClassVar[str] = ""  # the text that stands for this class on the wire

    def __init__(
        self,
        message: str = "",
        *,
        sent: Sent = "maybe",
        address: str | None = None,
        method: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.sent: Sent = sent
        self.address = address
        self.method = method

    def __str__(self) -> str:
        text = self.message or type(self).__name__
        where = " at ".join(part for part in (self.method, self.address) if part)
        notes = f"sent={self.sent}"
        return f"{text} ({where}, {notes})" if where else f"{text} ({notes})"

    def located(self, method: str | None, address: str | None) -> RpcError:
        """This error, with the method and address filled in where they were not known."""
        self.method = self.method or method
        self.address = self.address or address
        return self


class Unreachable(RpcError, ConnectionError):
    """No connection to the address could be made, or it is known to be unhealthy."""

    wire = "rpc_unreachable"


class ConnectionLost(RpcError, ConnectionError):
    """The connection ended before the response arrived."""

    wire = "rpc_io_err"


class CallTimeout(RpcError, TimeoutError):
    """No response within the time of the call."""

    wire = "rpc_timeout"


class MethodNotFound(RpcError):
    """The service has no such method."""

    wire = "rpc_method_notfound"


class ServiceNotFound(RpcError):
    """The server has no such service."""

    wire = "rpc_service_notfound"


class AccessDenied(RpcError):
    """The server does not let this peer make this call, or any."""

    wire = "rpc_access_denied"


class EncodeError(RpcError):
    """A value cannot be put on the wire; the text names the path of the wrong value."""

    wire = "rpc_encode"


class DecodeError(RpcError):
    """Bytes are not a value, or the value does not fit its type.

    ``raw`` holds an error number or error bytes that no declared error stands for.
    """

    wire = "rpc_decode"
    raw: int | bytes | None = None


class InternalError(RpcError):
    """The handler failed with something its method does not declare."""

    wire = "rpc_internal_err"


class VersionError(RpcError):
    """The peer speaks another version of the protocol."""

    wire = "rpc_invalid_ver"


class ProtocolError(RazorError):
    """The rules of the protocol, or of this library, were broken."""


class LocalProtocolError(ProtocolError):
    """This side used razorg in a way that cannot work, for example a call after close."""


class RemoteProtocolError(ProtocolError):
    """The peer sent something that the protocol does not allow; the connection is closed."""


#: The framework's errors by the bytes that stand for them in a response with flag 2.
WIRE_ERRORS: dict[bytes, type[RpcError]] = {
    error.wire.encode(): error
    for error in (
        Unreachable,
        ConnectionLost,
        CallTimeout,
        MethodNotFound,
        ServiceNotFound,
        AccessDenied,
        EncodeError,
        DecodeError,
        InternalError,
        VersionError,
    )
}
