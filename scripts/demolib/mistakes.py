"""One error of each kind, made on purpose, as it arrives at the caller."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

import razorg
from demolib.contract import READ, Files, NoSuchLine, NotFound, Reason, Refused


def unused_address() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


def call_nobody() -> None:
    with razorg.connect(unused_address(), connect_timeout=1) as nobody:
        nobody.client(Files).list()


def show_all(pool: razorg.ClientPool, path: str) -> list[str]:
    """Make every mistake and print what it raises; what came out wrong, one line each."""
    files = pool.client(Files)
    impatient = razorg.with_options(files, timeout=0.2)
    read_nothing = {"path": "no/such/file", "offset": 0, "len": 1}

    mistakes: list[tuple[str, Callable[[], Any], type[Exception], dict[str, Any]]] = [
        ("a number", lambda: files.stat("../secret"), Refused, {"code": Reason.OUTSIDE}),
        ("a text", lambda: files.stat("no/such/file"), NotFound, {"args": ("no/such/file",)}),
        ("a value", lambda: files.line(path, 0), NoSuchLine, {"path": path, "line": 0}),
        ("an OSError", lambda: files.digest("."), IsADirectoryError, {"errno": errno.EISDIR}),
        ("the same, raw", lambda: pool.send(READ, read_nothing).get(), FileNotFoundError, {}),
        ("not declared", lambda: files.parts(path, 0), razorg.InternalError, {"sent": "yes"}),
        ("too late", lambda: impatient.sleep(1), razorg.CallTimeout, {"sent": "maybe"}),
        ("nobody there", call_nobody, razorg.Unreachable, {"sent": "no"}),
        ("no such method", lambda: pool.call("Files.drop"), razorg.MethodNotFound, {"sent": "yes"}),
        (
            "a wrong argument",
            lambda: pool.call("Files.stat", 42),
            razorg.DecodeError,
            {"sent": "yes"},
        ),
    ]
    wrong = []
    for label, make, expected, attributes in mistakes:
        try:
            make()
        except Exception as error:
            print(f"  {label:<16}  {type(error).__name__}: {error}")
            is_right = isinstance(error, expected) and all(
                getattr(error, name) == value for name, value in attributes.items()
            )
            if not is_right:
                wrong.append(f"{label}: {error!r} instead of {expected.__name__} {attributes}")
        else:
            wrong.append(f"{label}: no error at all, instead of {expected.__name__}")
    return wrong
