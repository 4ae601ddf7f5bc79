"""Every pair of client and server, Rust and Python, over TCP and Unix sockets; each case is a test of its own."""

from __future__ import annotations

from typing import Any, List

import gevent
import pytest

from . import cases_api, cases_failover, cases_stream
from .case import Case, check
from .peers import World, rust_cases

TRANSPORTS = ("tcp", "unix")
KINDS = ("rust", "python")  # of the server
PATIENCE = 60  # seconds for one case of the Python client


def pairs(cases: List[Case]) -> List[Any]:
    """kind, transport, case: all of them, but reference cases only for a Rust server."""
    return [
        pytest.param(kind, transport, case, id=f"{kind}-{transport}-{case.name}")
        for kind in KINDS
        for transport in TRANSPORTS
        for case in cases
        if kind == "rust" or not case.reference
    ]


@pytest.mark.parametrize(("kind", "transport", "case"), pairs(cases_api.CASES))
def test_python_client_calls(world: World, kind: str, transport: str, case: Case) -> None:
    clients = world.clients(kind, transport)
    with gevent.Timeout(PATIENCE):
        check(case, clients)


@pytest.mark.parametrize(("kind", "transport", "case"), pairs(cases_stream.CASES))
def test_python_client_streams(world: World, kind: str, transport: str, case: Case) -> None:
    link = world.link(kind, transport)
    with gevent.Timeout(PATIENCE):
        check(case, link)


@pytest.mark.parametrize(("kind", "transport", "case"), pairs(cases_failover.CASES))
def test_python_client_fails_over(world: World, kind: str, transport: str, case: Case) -> None:
    nodes = world.api(kind, transport)
    with gevent.Timeout(PATIENCE):
        check(case, nodes)


@pytest.mark.parametrize("name", rust_cases("api"))
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_rust_client_calls_python(world: World, transport: str, name: str) -> None:
    assert_ok(world, "api", transport, name)


@pytest.mark.parametrize("name", rust_cases("stream"))
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_rust_client_streams_to_python(world: World, transport: str, name: str) -> None:
    assert_ok(world, "stream", transport, name)


def assert_ok(world: World, role: str, transport: str, name: str) -> None:
    report = world.rust_client(role, "python", transport)
    assert name in report, "the Rust client does not report this case"
    assert report[name]["ok"], report[name]["got"]


@pytest.mark.parametrize("role", ["api", "stream"])
def test_no_case_is_forgotten(world: World, role: str) -> None:
    assert sorted(world.rust_client(role, "python", "tcp")) == sorted(rust_cases(role))


@pytest.mark.parametrize("role", ["api", "stream"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_rust_with_rust(world: World, transport: str, role: str) -> None:
    """The peer itself: what fails here says nothing about razorg."""
    report = world.rust_client(role, "rust", transport)
    assert [line for line in report.values() if not line["ok"]] == []
