"""Addresses: what is understood, what is refused, and how they print."""

from __future__ import annotations

import os
from typing import Any

import pytest

from razorg.transport.address import Address, parse_address

UNDERSTOOD: list[tuple[Any, Address, str]] = [
    ("tcp://127.0.0.1:7700", Address("tcp", "127.0.0.1", 7700), "tcp://127.0.0.1:7700"),
    ("127.0.0.1:7700", Address("tcp", "127.0.0.1", 7700), "tcp://127.0.0.1:7700"),
    ("localhost:1", Address("tcp", "localhost", 1), "tcp://localhost:1"),
    ("tcp://[::1]:65535", Address("tcp", "::1", 65535), "tcp://[::1]:65535"),
    ("[::]:0", Address("tcp", "::", 0), "tcp://[::]:0"),
    ("tcp://[fe80::1%eth0]:80", Address("tcp", "fe80::1%eth0", 80), "tcp://[fe80::1%eth0]:80"),
    (("::1", 80), Address("tcp", "::1", 80), "tcp://[::1]:80"),
    (("host", 0), Address("tcp", "host", 0), "tcp://host:0"),
    ("tls://example.org:443", Address("tls", "example.org", 443), "tls://example.org:443"),
    ("unix:///run/a.sock", Address("unix", "/run/a.sock"), "unix:///run/a.sock"),
    ("unix:///run/../run//a b", Address("unix", "/run/a b"), "unix:///run/a b"),
    ("unix:///tmp/a:1", Address("unix", "/tmp/a:1"), "unix:///tmp/a:1"),
    ("memory://test", Address("memory", "test"), "memory://test"),
    (Address("memory", "x"), Address("memory", "x"), "memory://x"),
]


@pytest.mark.parametrize(("given", "parsed", "url"), UNDERSTOOD, ids=lambda part: str(part))
def test_understood(given: Any, parsed: Address, url: str) -> None:
    assert parse_address(given) == parsed
    assert str(parse_address(given)) == url
    assert parse_address(url) == parsed
    assert hash(parse_address(url)) == hash(parsed)


def test_relative_socket_path_is_made_absolute() -> None:
    assert parse_address("unix://a/b").name == os.path.join(os.getcwd(), "a", "b")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "localhost",
        "tcp://localhost",
        "tcp://:80",
        ":80",
        "tcp://[]:80",
        "tcp://::1:80",
        "::1",
        "[::1]",
        "[::1:80",
        "tcp://host:",
        "host:-1",
        "host:+1",
        "host: 1",
        "host:65536",
        "host:0x50",
        "host:http",
        "host:\u0661",
        "host:1.0",
        "host:99999999999999999999",
        "tcp://host:80/",
        "tcp://host:80/path",
        "tcp://host:80?x=1",
        "tcp://user@host:80",
        "tcp://ho st:80",
        "host:80\n",
        "ho\0st:80",
        "://host:80",
        "a-b://host:80",
        "unix://",
        "unix:///a\0b",
        "unix:///" + "a" * 107,
        "unix:///" + "é" * 54,
        "memory://",
        ("host",),
        ("host", 1, 2),
        ("host", None),
        ("host", True),
        ("host", -1),
        ("host", 65536),
        "tcp://a..b:1",
        f"tcp://{'a' * 64}:1",
        ("host", 1.0),
        (b"host", 1),
        (1, "host"),
    ],
    ids=repr,
)
def test_refused_with_valueerror(given: Any) -> None:
    with pytest.raises(ValueError):
        parse_address(given)


@pytest.mark.parametrize("given", [None, 80, b"host:80", ["host", 80], object()], ids=repr)
def test_refused_with_typeerror(given: Any) -> None:
    with pytest.raises(TypeError):
        parse_address(given)


def test_longest_socket_path() -> None:
    assert parse_address("unix:///" + "a" * 106).name == "/" + "a" * 106


def test_addresses_are_values() -> None:
    assert len({parse_address("h:1"), parse_address("tcp://h:1"), Address("tcp", "h", 1)}) == 1
    with pytest.raises(AttributeError):
        parse_address("h:1").port = 2  # type: ignore[misc]
