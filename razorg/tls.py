"""Settings of ``tls://``: what is trusted, and what is shown.

Files are read when the settings are made, and again by ``reload()``; connections that exist are
not touched by that.  Verification is on by default, and TLS 1.2 the least that is spoken.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    import ssl

PathLike = Union[str, "os.PathLike[str]"]


class ClientTls:
    """How a client speaks TLS; ``connect("tls://host:port", tls=ClientTls(…))``.

    - ``ca``: a file with the certificates that are trusted; those of the system when None;
    - ``certificate``, ``key``: its own certificate with what stands above it, for servers that
      ask for one, and its private key (None: in the same file), with ``password`` if need be;
    - ``server_name``: what the server's certificate must be for, and what it is asked for (SNI);
      by default the host of the address;
    - ``verify=False`` accepts whatever certificate the server shows: then anybody in between can
      read and change everything.  For tests.

    OSError for a file that cannot be read, ValueError for one that holds something else.
    """

    def __init__(
        self,
        ca: PathLike | None = None,
        *,
        certificate: PathLike | None = None,
        key: PathLike | None = None,
        password: str | None = None,
        server_name: str | None = None,
        verify: bool = True,
    ) -> None:
        if key is not None and certificate is None:
            raise ValueError("a key goes with its certificate")
        if server_name is not None:
            _sent_name(server_name)
        self.ca = ca
        self.server_name = server_name
        self.verify = verify
        self._own = None if certificate is None else (certificate, key, password)
        self.reload()

    def reload(self) -> None:
        """Read the files again, for connections to come; after an error the old ones stay."""
        context = _new_context(is_server=False)
        if self.verify:
            _trust(context, self.ca)
        else:
            import ssl

            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self._own is not None:
            _show(context, *self._own)
        self._context = context

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, host: str) -> ssl.SSLObject:
        """The TLS of one connection to the host."""
        name = (self.server_name or host).rstrip(".")  # certificates are for names without it
        return self._context.wrap_bio(incoming, outgoing, server_hostname=name)

    def __repr__(self) -> str:
        trusted = str(self.ca or "the system's") if self.verify else "ANY"
        own = f", certificate {str(self._own[0])!r}" if self._own else ""
        return f"<ClientTls trusts {trusted}{own}>"


class ServerTls:
    """How a server speaks TLS; ``RpcServer("tls://host:port", tls=ServerTls(…))``.

    - ``certificate``, ``key``, ``password``: what it shows, as for ClientTls;
    - ``client_ca``: a file with the certificates that clients' are checked against.  Clients
      without a certificate are refused then, unless ``is_client_optional``;
      handlers see it as ``razorg.current_peer().certificate``;
    - ``by_name``: other certificates for other names, as ``{"b.example": (certificate, key)}``:
      a client that asks for the name (SNI) is shown that one.
    """

    def __init__(
        self,
        certificate: PathLike,
        key: PathLike | None = None,
        *,
        password: str | None = None,
        client_ca: PathLike | None = None,
        is_client_optional: bool = False,
        by_name: Mapping[str, tuple[PathLike, PathLike | None]] | None = None,
    ) -> None:
        if is_client_optional and client_ca is None:
            raise ValueError("without client_ca no client is asked for a certificate")
        self.client_ca = client_ca
        self.is_client_optional = is_client_optional
        self._own = (certificate, key, password)
        self._by_name = {_sent_name(name): files for name, files in (by_name or {}).items()}
        self.reload()

    def reload(self) -> None:
        """Read the files again, for connections to come; after an error the old ones stay."""
        others = {
            name: self._made((certificate, key, None))
            for name, (certificate, key) in self._by_name.items()
        }
        context = self._made(self._own)
        if others:

            def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
                other = others.get((name or "").rstrip(".").lower())
                if other is not None:
                    tls.context = other

            context.sni_callback = choose
        self._context = context

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> ssl.SSLObject:
        """The TLS of one connection."""
        return self._context.wrap_bio(incoming, outgoing, server_side=True)

    def _made(self, own: tuple[PathLike, PathLike | None, str | None]) -> ssl.SSLContext:
        import ssl

        context = _new_context(is_server=True)
        _show(context, *own)
        if self.client_ca is not None:
            _trust(context, self.client_ca)
            is_optional = self.is_client_optional
            context.verify_mode = ssl.CERT_OPTIONAL if is_optional else ssl.CERT_REQUIRED
        return context

    def __repr__(self) -> str:
        clients = f", clients of {str(self.client_ca)!r}" if self.client_ca else ""
        return f"<ServerTls {str(self._own[0])!r}{clients}>"


@cache
def default_tls() -> ClientTls:
    """What all clients without settings share: to read the system's authorities takes time."""
    return ClientTls()


def _sent_name(name: str) -> str:
    """The name of a host as TLS sends it; ValueError for what cannot be one, as a pattern."""
    try:
        sent = name.rstrip(".").encode("idna").decode().lower()
    except UnicodeError as error:
        raise ValueError(f"{name!r} cannot be the name of a host: {error}") from None
    if not sent or any(char in sent for char in "*/ \0"):
        raise ValueError(f"{name!r} cannot be the name of a host")
    return sent


def _new_context(is_server: bool) -> ssl.SSLContext:
    # Not before there is a use for it: imported before gevent's patches, ssl would miss them.
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _trust(context: ssl.SSLContext, ca: PathLike | None) -> None:
    if ca is None:
        context.load_default_certs()
        return
    import ssl

    try:
        context.load_verify_locations(os.fspath(ca))
    except ssl.SSLError as error:
        raise ValueError(f"{os.fspath(ca)!r} holds no certificates: {error}") from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(ca)) from None


def _show(
    context: ssl.SSLContext, certificate: PathLike, key: PathLike | None, password: str | None
) -> None:
    import ssl

    path = os.fspath(certificate)
    key_path = None if key is None else os.fspath(key)
    try:
        # A function: without one OpenSSL asks at the terminal.
        context.load_cert_chain(path, key_path, lambda: password or "")
    except ssl.SSLError as error:
        where = repr(path) if key_path is None else f"{path!r} with {key_path!r}"
        raise ValueError(f"{where} is no certificate with its key: {error}") from None
    except OSError as error:
        named = [name for name in (path, key_path) if name is not None]
        missing = next((name for name in named if not os.path.exists(name)), path)
        raise OSError(error.errno, error.strerror, missing) from None
