"""``razorg serve``."""

from __future__ import annotations

import importlib
import inspect
import os
import signal
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import click
import gevent

from razorg.api.rpcserver import RpcServer
from razorg.api.service import services_of
from razorg.cli.connecting import USAGE, ended_by_signals, fail
from razorg.cli.reloading import Reloader
from razorg.cli.values import value_of
from razorg.errors import LocalProtocolError
from razorg.server.dispatch import Dispatch
from razorg.server.inherit import InheritedSocket, inherited_sockets
from razorg.server.targets import targets_of
from razorg.tls import ServerTls


@click.command()
@click.argument("target", metavar="MODULE:OBJECT")
@click.option("--bind", multiple=True, metavar="URL", help="Where to listen; may be repeated.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A ServerConfig's.")
@click.option("--cert", type=click.Path(), help="For tls://: the certificate, with its key.")
@click.option("--key", type=click.Path(), help="The key, when it is not with the certificate.")
@click.option("--client-ca", type=click.Path(), help="Clients must show certificates of these.")
@click.option("--reload", "reloads", is_flag=True, help="Start anew when a source file changes.")
@click.option("--reloaded", is_flag=True, hidden=True, help="What --reload starts.")
def command(
    target: str,
    bind: tuple[str, ...],
    settings: tuple[str, ...],
    cert: str | None,
    key: str | None,
    client_ca: str | None,
    reloads: bool,
    reloaded: bool,
) -> None:
    """Serve what a module holds: an RpcServer, services, a Dispatch, or a function that makes one.

    The working directory is on sys.path.  SIGTERM and Ctrl-C let accepted
    calls end, then the exit code is 0; another Ctrl-C does not wait for them.
    SIGHUP starts a successor first, which takes over the listeners; with
    --reload it ends the server.

    \b
    razorg serve shop:Shop --bind tcp://127.0.0.1:7700
    razorg serve shop:make_server
    razorg serve shop:services --bind unix:///run/shop --set max_running=64
    """
    if reloads:
        sys.exit(Reloader().run())
    sys.path.insert(0, os.getcwd())
    found = _found(target)
    options: dict[str, Any] = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise click.UsageError(f"--set takes NAME=VALUE, not {setting!r}")
        options[name] = value_of(value)
    if cert is None and (key or client_ca):
        raise click.UsageError("--key and --client-ca go with --cert: without it there is no TLS")
    try:
        if cert is not None:
            options["tls"] = ServerTls(cert, key, client_ca=client_ca)
        server = _server(found, list(bind), options)
        server.start()
    except (OSError, ValueError, TypeError, LocalProtocolError) as error:
        fail(USAGE, str(error))

    def stop() -> None:  # a greenlet of its own: a signal may come upon one that stops already
        gevent.spawn(server.stop)

    if reloaded:  # a successor would have no one who looks at the files
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, lambda *_: stop())
    else:
        gevent.signal_handler(signal.SIGHUP, _succeed, server)
    with ended_by_signals(stop):
        click.echo(f"serving {target} at {', '.join(server.addresses)}")
        server.serve_forever()


def _succeed(server: RpcServer) -> None:
    try:
        server.start_successor([sys.executable, *sys.orig_argv[1:]])
    except (OSError, LocalProtocolError) as error:
        click.echo(f"razorg: no successor: {error}", err=True)
    else:
        server.stop()


def _found(target: str) -> Any:
    module_name, _, path = target.partition(":")
    if not module_name or not path or module_name.startswith("."):
        raise click.UsageError(f"{target!r}: expected MODULE:OBJECT")
    found: Any = None
    missing = ""
    with _mistakes_shown(f"{module_name} cannot be imported"):
        try:
            found = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if not missing or not f"{module_name}.".startswith(f"{missing}."):
                raise  # one that it imports
    if missing:
        fail(USAGE, f"there is no module {missing!r} (looked in {os.getcwd()}, too)")
    for name in path.split("."):
        if not hasattr(found, name):
            fail(USAGE, f"{module_name} has no {name!r}; to be served there are: {_there(found)}")
        found = getattr(found, name)
    return found


def _there(found: Any) -> str:
    """The names of what could be served."""
    names = [
        name
        for name, value in getattr(found, "__dict__", {}).items()
        if isinstance(value, (RpcServer, Dispatch))
        or services_of(value if inspect.isclass(value) else type(value))
    ]
    return ", ".join(names) or "none"


@contextmanager
def _mistakes_shown(what: str) -> Generator[None, None, None]:
    """Around what the user has written: end with its traceback, and a line."""
    try:
        yield
    except SystemExit as error:
        fail(USAGE, f"{what}: it ends the process, with {error.code!r}")
    except Exception as error:
        traceback.print_exception(error.with_traceback(_of_the_user(error.__traceback__)))
        fail(USAGE, f"{what}: {type(error).__name__}")


def _of_the_user(trace: TracebackType | None) -> TracebackType | None:
    """Without the frames above that are ours and those of the import."""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name != __file__ and "importlib" not in name:
            break
        trace = trace.tb_next
    return trace


def _made(maker: Any) -> Any:
    """What a function or a class without arguments makes."""
    try:
        inspect.signature(maker).bind()
    except TypeError as error:
        hint = "serve a function without arguments that makes what is to be served"
        raise TypeError(f"{maker.__name__}: {error}; {hint}") from None
    except ValueError:
        pass  # one in C that does not tell
    with _mistakes_shown(f"{maker.__name__}() fails"):
        return maker()


def _server(found: Any, bind: list[str], options: dict[str, Any]) -> RpcServer:
    if inspect.isfunction(found):
        found = _made(found)
    if isinstance(found, RpcServer):
        if options:
            raise TypeError("an RpcServer has its settings: --set, --cert and --key are not for it")
        _listen_too(found, bind)
        return found
    many = list(found) if isinstance(found, (list, tuple)) else [found]
    if not many:
        raise ValueError("there are no services in it: an empty list")
    made = [_made(item) if inspect.isclass(item) else item for item in many]
    listen: Any = inherited_sockets() or bind
    if not listen:
        raise ValueError("where shall it listen? --bind tcp://127.0.0.1:7700")
    if len(made) == 1 and isinstance(made[0], Dispatch):
        services = made if services_of(type(made[0])) else []
        return RpcServer(listen, services, dispatch=made[0], **options)
    return RpcServer(listen, made, **options)


def _listen_too(server: RpcServer, bind: list[str]) -> None:
    """A server that is ready made: what a predecessor listened at is all that it is to have."""
    inherited = inherited_sockets()
    if inherited:
        server._listen = targets_of(inherited, is_encrypted=server.config.tls is not None)
    elif not any(isinstance(target, InheritedSocket) for target in server._listen):
        server._listen += targets_of(bind, is_encrypted=server.config.tls is not None)
