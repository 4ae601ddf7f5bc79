"""What commands share that talk to a server: options, errors, exit codes."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, NoReturn

import click

from razorg.api.pools import ClientPool
from razorg.cli.values import to_json
from razorg.declared import ErrorCode, ErrorText
from razorg.errors import (
    AccessDenied,
    CallTimeout,
    ConnectionLost,
    DecodeError,
    EncodeError,
    LocalProtocolError,
    MethodNotFound,
    RemoteProtocolError,
    RpcError,
    ServiceNotFound,
    Unreachable,
)
from razorg.tls import ClientTls

DECLARED, USAGE, NO_SERVER, TOO_LATE, SERVER = 1, 2, 3, 4, 5
INTERRUPTED = 130

#: ``with connect(address, **settings) as pool``.
Connect = Callable[..., AbstractContextManager[ClientPool]]

_HINTS: list[tuple[type[Exception], int, str]] = [
    (Unreachable, NO_SERVER, "is a server running there, and is the address right?"),
    (ConnectionLost, NO_SERVER, "it may have run: see `sent`"),
    (CallTimeout, TOO_LATE, "--timeout gives it longer"),
    (MethodNotFound, SERVER, "razorg ls ADDR SERVICE lists its methods"),
    (ServiceNotFound, SERVER, "razorg ls ADDR lists the services"),
    (AccessDenied, SERVER, "the server's authorize or authenticate says no"),
    (RpcError, SERVER, "the server's log says more"),
]


def connection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command that connects; the command gets ``connect``."""

    @click.option("--tls-ca", type=click.Path(), help="Trust these certificates (tls://).")
    @click.option("--cert", type=click.Path(), help="Our own certificate, with its key.")
    @click.option("--key", type=click.Path(), help="The key, when it is not with the certificate.")
    @click.option("--insecure", is_flag=True, help="Accept whatever certificate is shown.")
    @click.option("--codec", type=click.Choice(["msgpack", "msgspec"]), default="msgpack")
    @functools.wraps(function)
    def command(
        *args: Any,
        tls_ca: str | None,
        cert: str | None,
        key: str | None,
        insecure: bool,
        codec: str,
        **kwargs: Any,
    ) -> Any:
        @contextmanager
        def connect(address: str, **settings: Any) -> Generator[ClientPool, None, None]:
            try:
                if address.startswith("tls://") or tls_ca or cert or insecure:
                    settings["tls"] = ClientTls(
                        tls_ca, certificate=cert, key=key, verify=not insecure
                    )
                pool = ClientPool(address, codec=codec, **settings)
            except (OSError, ValueError, TypeError) as error:
                raise click.UsageError(str(error)) from None
            try:
                yield pool
            except BaseException:
                pool.close(0)  # Ctrl-C waits for no call that is on its way
                raise
            pool.close()

        return function(*args, connect=connect, **kwargs)

    return command


def code_of(error: RpcError) -> tuple[int, str]:
    """The exit code for an error, and what may help."""
    return next((code, hint) for kind, code, hint in _HINTS if isinstance(error, kind))


@contextmanager
def errors_told() -> Generator[None, None, None]:
    """End with a line and an exit code instead of a traceback."""
    try:
        yield
    except EncodeError as error:
        fail(USAGE if error.sent == "no" else SERVER, f"EncodeError: {error}")
    except RpcError as error:
        code, hint = code_of(error)
        fail(code, f"{type(error).__name__}: {error}", hint)
    except LocalProtocolError as error:
        fail(USAGE, str(error))
    except RemoteProtocolError as error:
        fail(NO_SERVER, f"{type(error).__name__}: {error}")
    except RecursionError:
        fail(USAGE, "an argument, or the answer, is nested too deep")
    except BrokenPipeError:
        _gave_up_stdout()
        sys.exit(0)  # whoever read what we print has had enough
    except OSError as error:
        what = "standard output" if _gave_up_stdout() else error.filename
        fail(USAGE, f"{what}: {error.strerror}" if what else str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _gave_up_stdout() -> bool:
    """Whether it takes nothing; then the interpreter does not try once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            sys.stdout.close()
        return True
    return False


@contextmanager
def failures_told(
    action: str, pool: ClientPool, method: dict[str, Any] | None = None
) -> Generator[None, None, None]:
    """End with a line and DECLARED when a call has failed with an error of its method.

    Nothing but the call may be in it: any OSError is the method's.
    """
    try:
        yield
    except (ErrorCode, ErrorText) as error:
        fail(DECLARED, f"{action} failed: {error}")
    except OSError as error:
        if isinstance(error, RpcError) or error.errno is None:
            raise
        fail(DECLARED, f"{action} failed: error {_number(error.errno, method)}")
    except DecodeError as error:
        if not isinstance(error.raw, bytes):
            raise
        fail(DECLARED, f"{action} failed: {_raw_error(error.raw, pool)}")


def _number(number: int, method: dict[str, Any] | None) -> str:
    """With the name it has among the method's codes, or else as an errno."""
    codes = [one for one in (method or {}).get("errors", ()) if one.get("kind") == "code"]
    names = [one["name"] for one in codes if one.get("code") == number]
    if names:
        return f"{number}: {names[0]}"
    if codes or number not in errno.errorcode:
        return f"{number}"
    return f"{number}: {errno.errorcode[number]}, {os.strerror(number)}"


def _raw_error(raw: bytes, pool: ClientPool) -> str:
    try:
        return to_json(pool.codec.decode(raw))
    except DecodeError:
        return repr(raw)


@contextmanager
def ended_by_signals(stop: Callable[[], object]) -> Generator[None, None, None]:
    """SIGTERM and the first Ctrl-C call ``stop``; another Ctrl-C ends the process at once.

    ``stop`` runs in whatever greenlet is there, or in the hub: it must not block.
    """

    def interrupted(*_: object) -> None:
        signal.signal(signal.SIGINT, before[signal.SIGINT])
        stop()

    handlers = {signal.SIGTERM: lambda *_: stop(), signal.SIGINT: interrupted}
    before = {number: signal.getsignal(number) for number in handlers}
    for number, handler in handlers.items():
        if before[number] is not signal.SIG_IGN:  # as for what runs in the background
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def fail(code: int, text: str, hint: str = "") -> NoReturn:
    """Say it on stderr and end."""
    click.echo(f"razorg: {text}" + (f"\n        {hint}" if hint else ""), err=True)
    sys.exit(code)
