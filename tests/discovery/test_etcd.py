"""What is particular to etcd: hosts that fall silent, storms of events, watches that end at once."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from gevent.event import Event
from gevent.pywsgi import WSGIServer
from support.nodes import eventually

import razorg
from razorg.discovery import Register, election
from razorg.discovery.etcd_watch import client_of
from razorg.discovery.keeping import Registration
from razorg.discovery.registry import EngineUrl

LIMIT = 20.0


class FakeEtcd:
    """etcd's gateway with one lease, and one key that has it: counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.revision = 1
        #: What is refused by this name, and how.
        self.refused: dict[str, str] = {}
        #: What /watch answers: pieces of a stream.
        self.watched: Callable[[], Iterator[bytes]] = self._nothing
        self._speaks = Event()
        self._speaks.set()
        self._ended = Event()
        self._server = WSGIServer(("127.0.0.1", 0), self._answer, log=None)
        self._server.start()
        self.host = f"127.0.0.1:{self._server.server_port}"

    def silence(self) -> None:
        """Answer nothing any more."""
        self._speaks.clear()

    def close(self) -> None:
        self._ended.set()
        self._speaks.set()
        self._server.stop(0)

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        environ["wsgi.input"].read()
        name = environ["PATH_INFO"].rpartition("/")[2]
        self._speaks.wait()
        self.asked[name] += 1
        if name in self.refused:
            start("404 Not Found", [("Content-Type", "application/json")])
            return [json.dumps({"error": self.refused[name], "code": 5}).encode()]
        start("200 OK", [("Content-Type", "application/json")])
        if name == "watch":
            return self.watched()
        return [json.dumps(getattr(self, f"_{name}", dict)()).encode()]

    def _nothing(self) -> Iterator[bytes]:
        yield line(self.revision)
        self._ended.wait()

    def _range(self) -> Any:
        entry = {"key": b64("/services/cal/a"), "value": b64("tcp://127.0.0.1:1"), "lease": "1"}
        return {"header": {"revision": str(self.revision)}, "kvs": [entry]}

    def _grant(self) -> Any:
        return {"ID": "1", "TTL": "4"}

    def _keepalive(self) -> Any:
        return {"result": {"ID": "1", "TTL": "4"}}

    def _txn(self) -> Any:
        return {"succeeded": True}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def line(revision: int, **result: Any) -> bytes:
    """A piece of a watch's stream."""
    return json.dumps({"result": {"header": {"revision": str(revision)}, **result}}).encode() + b"\n"


@pytest.fixture
def etcds() -> Iterator[list[FakeEtcd]]:
    made = [FakeEtcd(), FakeEtcd()]
    yield made
    for etcd in made:
        etcd.close()


def test_a_host_that_falls_silent_costs_no_lead(etcds: list[FakeEtcd]) -> None:
    """The next one is asked while the lease lives."""
    first, second = etcds
    told: list[bool] = []
    url = f"etcd://{first.host},{second.host}/services/cal?timeout=4"
    with election(url, "tcp://127.0.0.1:1", told.append) as claim:
        eventually(lambda: claim.leads and first.asked["keepalive"], LIMIT, "it leads")
        first.silence()
        eventually(lambda: second.asked["keepalive"] >= 3, LIMIT, "the other one is asked")
        assert claim.leads and told == [True]


def kept(*hosts: str) -> Registration:
    """An entry that is there."""
    register = Register(f"etcd://{','.join(hosts)}/services/cal?timeout=4")
    (registration,) = register.start(["tcp://cal.example:1"])
    eventually(lambda: registration.is_held, LIMIT, "it is there")
    return registration


def test_an_entry_is_taken_out_by_another_host_when_its_own_is_gone(etcds: list[FakeEtcd]) -> None:
    first, second = etcds
    registration = kept(first.host, second.host)
    assert first.asked["put"] and not second.asked
    first.close()
    assert registration.withdraw(LIMIT)
    assert second.asked["revoke"] == 1


def test_of_an_entry_that_nobody_takes_out_it_is_not_said_that_it_is(
    etcds: list[FakeEtcd], caplog: pytest.LogCaptureFixture
) -> None:
    registration = kept(*(etcd.host for etcd in etcds))
    for etcd in etcds:
        etcd.refused["revoke"] = "etcdserver: no leader"
    for _ in range(2):
        caplog.clear()
        assert not registration.withdraw(LIMIT)
        (record,) = caplog.records
        assert "tcp://cal.example:1 could not be taken out of etcd://" in record.getMessage()
    assert [etcd.asked["revoke"] for etcd in etcds] == [1, 1]


def test_a_lease_that_is_over_needs_no_end(etcds: list[FakeEtcd]) -> None:
    registration = kept(*(etcd.host for etcd in etcds))
    etcds[0].refused["revoke"] = "etcdserver: requested lease not found"  # the last answer was lost
    assert registration.withdraw(LIMIT)
    assert not etcds[1].asked


def test_events_are_read_together(etcds: list[FakeEtcd]) -> None:
    """A storm: what was read with the first event of it is not read again for the others."""
    etcd = etcds[0]

    def storm() -> Iterator[bytes]:
        etcd.watched = etcd._nothing
        yield line(etcd.revision, created=True)
        etcd.revision = 500
        yield b"".join(line(revision, events=[{}]) for revision in range(2, 501))

    etcd.watched = storm
    with razorg.connect([f"etcd://{etcd.host}/services/cal"]) as pool:
        pool._wait_for_nodes(LIMIT)
        eventually(lambda: etcd.asked["watch"] == 2, LIMIT, "all were seen")
        assert etcd.asked["range"] <= 3  # at first, in the storm, for the next watch


def test_a_watch_that_ends_at_once_is_a_failure(etcds: list[FakeEtcd], caplog: pytest.LogCaptureFixture) -> None:
    """It is asked for again after a pause; meanwhile what was read may be old, and is said to be."""
    etcd = etcds[0]
    error = b'{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader"}}\n'
    etcd.watched = lambda: iter([error])
    with razorg.connect([f"etcd://{etcd.host}/services/cal"]) as pool:
        started = monotonic()
        pool._wait_for_nodes(LIMIT)
        eventually(lambda: etcd.asked["watch"] == 4, LIMIT, "it is asked again")
        assert monotonic() - started >= 1.4  # 0.2 and 0.4 and 0.8
        assert "no leader" in pool.stale and pool.addresses == ["tcp://127.0.0.1:1"]
        etcd.watched = etcd._nothing
        eventually(lambda: not pool.stale, LIMIT, "it is trusted again")
        assert [record.getMessage() for record in caplog.records if "no leader" in record.getMessage()][1:] == []


def test_the_environment_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle for the web must not replace the ca of the URL, and no proxy knows etcd."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/other.pem")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    client = client_of(EngineUrl.of("etcd+https://engine/x?ca=/ca.pem&cert=/own.pem&key=/own.key"), 0)
    url = client.get_url("/kv/range")
    used = client.session.merge_environment_settings(url, {}, None, None, None)
    assert (used["verify"], used["cert"]) == ("/ca.pem", ("/own.pem", "/own.key"))
    assert not used["proxies"]


@pytest.mark.parametrize("option", ["cert=/own.pem", "key=/own.key"])
def test_half_a_certificate_is_refused(option: str) -> None:
    with pytest.raises(ValueError, match="belong together"):
        razorg.connect(f"etcd+https://engine/x?{option}")
