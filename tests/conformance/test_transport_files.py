"""What is special to one transport: socket files, TCP options, and sockets bound by others."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from pathlib import Path
from typing import Any

import gevent
import pytest

from razorg.transport import registry
from razorg.transport.address import Address, parse_address


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


def unix(path: Path) -> Address:
    return Address("unix", str(path))


def is_answering(address: Address, listener: Any) -> bool:
    accepting = gevent.spawn(listener.accept)
    client = registry.connect(address, 5.0)
    server = accepting.get()
    client.close()
    server.close()
    return True


def test_stale_file_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    with pytest.raises(ConnectionRefusedError):
        registry.connect(unix(path), 5.0)
    listener = registry.listen(unix(path))
    assert is_answering(unix(path), listener)
    listener.close()
    assert not path.exists()


def test_live_file_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        with pytest.raises(OSError) as caught:
            registry.listen(unix(path))
        assert caught.value.errno == errno.EADDRINUSE
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_live_file_with_a_full_backlog_is_left_alone(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen(0)
        waiting = []
        try:
            while True:
                client = socket.socket(socket.AF_UNIX)
                waiting.append(client)
                client.setblocking(False)
                client.connect(str(path))
        except BlockingIOError:
            pass
        with pytest.raises(OSError) as caught:
            registry.listen(unix(path))
        assert caught.value.errno == errno.EADDRINUSE
        assert path.exists()
        for client in waiting:
            client.close()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_never_deleted(path: Path, kind: str) -> None:
    if kind == "file":
        path.write_text("precious")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.parent / "nowhere")
    with pytest.raises(OSError):
        registry.listen(unix(path))
    assert os.path.lexists(path)
    if kind == "file":
        assert path.read_text() == "precious"


def test_no_such_folder(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        registry.listen(unix(path / "deeper"))
    with pytest.raises(FileNotFoundError):
        registry.connect(unix(path), 5.0)


def test_file_is_removed_at_close(path: Path) -> None:
    listener = registry.listen(unix(path))
    assert stat.S_ISSOCK(path.stat().st_mode)
    listener.close()
    assert not path.exists()
    listener.close()


@pytest.mark.parametrize("kind", ["socket", "file"])
def test_file_of_a_successor_is_not_removed(path: Path, kind: str) -> None:
    listener = registry.listen(unix(path))
    path.unlink()
    if kind == "file":
        path.write_text("precious")
        listener.close()
        assert path.read_text() == "precious"
        return
    successor = registry.listen(unix(path))
    listener.close()
    assert is_answering(unix(path), successor)
    successor.close()


def test_close_never_raises(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may have gone in between, or the folder may have become read-only."""

    def refuse(name: object, **_: object) -> None:
        raise PermissionError(errno.EACCES, "read-only", name)

    listener: Any = registry.listen(unix(path))
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", refuse)
            listener.close()
    finally:
        listener.close()


def test_relative_path_becomes_absolute(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    listener = registry.listen(parse_address("unix://s"))
    assert str(listener.address) == f"unix://{path}"
    assert is_answering(parse_address(f"unix://{path}"), listener)
    listener.close()


def test_bound_unix_socket_keeps_its_file(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        listener = registry.listen(bound)
        assert listener.address == unix(path)
        assert is_answering(listener.address, listener)
        listener.close()
        assert path.exists()
        assert bound.fileno() >= 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names without files")
def test_bound_unix_socket_without_a_file(tmp_path: Path) -> None:
    name = f"\0razorg{tmp_path}"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(name)
        listener = registry.listen(bound)
        assert listener.address == Address("unix", name)
        assert is_answering(listener.address, listener)
        listener.close()


def test_bound_tcp_socket() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        listener = registry.listen(bound)
        assert listener.address == Address("tcp", *bound.getsockname())
        assert is_answering(listener.address, listener)
        listener.close()
        assert bound.fileno() >= 0


def test_tcp_options_on_both_ends() -> None:
    listener = registry.listen(Address("tcp", "127.0.0.1", 0))
    accepting = gevent.spawn(listener.accept)
    client: Any = registry.connect(listener.address, 5.0)
    server: Any = accepting.get()
    for end in (client, server):
        assert end._sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert end._sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not end._sock.getblocking()
        end.close()
    listener.close()


def test_tcp_connect_within_its_timeout() -> None:
    """A full backlog takes no more: the connection neither comes nor is refused."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        target = Address("tcp", *full.getsockname())
        held = []
        try:
            with pytest.raises(OSError) as caught:
                for _ in range(50):
                    held.append(registry.connect(target, 0.2))
            assert isinstance(caught.value, TimeoutError)
        finally:
            for connection in held:
                connection.close()


def test_unknown_scheme() -> None:
    with pytest.raises(ValueError, match="no transport for carrier"):
        registry.checked_address("carrier://pigeon:1")
    with pytest.raises(ValueError):
        registry.register_transport("not a scheme", registry._transports["tcp"])
    assert registry.checked_address("tcp://localhost:1") == Address("tcp", "localhost", 1)
