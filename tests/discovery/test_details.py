"""What is particular to one resolver, and how pools behave that follow one."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from support.nameserver import Nameserver
from support.nodes import eventually
from support.pools import part_of
from support.threads import in_thread

import razorg
from razorg.core.routing import Meter
from razorg.discovery import Answer, Node, Snapshot, dns, file
from razorg.discovery import loop as loop_module
from razorg.discovery.advertise import advertised
from razorg.discovery.following import Following
from razorg.discovery.node import leader_of, load_node, merged
from razorg.discovery.registry import EngineUrl, is_resolved, resolver_maker
from razorg.transport.address import Address

LIMIT = 20.0


@razorg.service
class Name:
    def __init__(self, name: str = "") -> None:
        self.name = name

    def of(self) -> str:
        return self.name


@pytest.fixture
def nameserver() -> Iterator[Nameserver]:
    made = Nameserver()
    yield made
    made.stop()


class Told:
    """A resolver that says what the test says."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.watches = self.closes = 0

    def watch(self, callback: Any) -> None:
        self.watches += 1
        self.tell = callback
        callback(self.answer)

    def close(self) -> None:
        self.closes += 1


@pytest.fixture
def told() -> Told:
    resolver = Told(Snapshot((Node("memory://told"),)))
    razorg.register_resolver("told", lambda url: resolver)
    return resolver


# URLs


@pytest.mark.parametrize("url, reason", [
    ("zk://127.0.0.1:2181", "has no path"),
    ("zk://127.0.0.1:x/services", "no host:port"),
    ("zk://127.0.0.1:70000/services", "no host:port"),
    ("zk://a@127.0.0.1/services", "user"),
    ("zk:///services", "no host:port"),
    ("etcd://127.0.0.1/services?timeout=x", "expected seconds"),
    ("etcd://127.0.0.1/services?timeout=0", "expected seconds"),
    ("etcd://127.0.0.1/services?ttl=3", "no option 'ttl'"),
    ("etcd://127.0.0.1/services?ca=/a", "no option 'ca'"),
    ("dns+tcp://name", "has no port"),
    ("dns+tcp://name:1/path", "nothing after it"),
    ("dns+tcp://name:1?scheme=unix", "expected tcp or tls"),
    ("dns+tcp://name:1?nameserver=:x", "no host:port"),
    ("dns+srv://a,b", "expected one name"),
    ("dns+tcp://name:1?nameserver=ns.example", "expected an IP address"),
    ("dns+tcp://name:0", "no host:port"),
    ("dns+srv://_razor._tcp.name:7700", "SRV records tell the ports"),
    ("zk://::1/services", "in brackets"),
    ("zk://[::1/services", "zk://"),
    ("zk://h /services", "no host:port"),
    ("zk://h/services/../cal", "no . or .."),
    ("zk://h/services/./cal", "no . or .."),
    ("zk://h/services?timeout", "zk://h/services"),
    ("etcd://h/services#one", "%23"),
    ("file:///etc/cal#1.json", "%23"),
    ("file://host/path", "expected file:///"),
    ("file://", "expected file:///"),
])
def test_wrong_urls_are_refused_when_the_pool_is_made(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        razorg.connect(url)


def test_urls() -> None:
    url = EngineUrl.of("zk://a,b:1,[::1]:2/services/cal/?timeout=2.5")
    assert url.hosts == (("a", 2181), ("b", 1), ("::1", 2))
    assert (url.path, url.timeout, url.netloc) == ("/services/cal", 2.5, "a:2181,b:1,[::1]:2")


@pytest.mark.parametrize("register", ["file:///a.json", "dns+tcp://a:1", "zk://a", "tcp://a:1", 3])
def test_servers_are_registered_in_engines_only(register: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        razorg.RpcServer("memory://never", [Name()], register=register)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("razorg.discovery.registry.find_spec", lambda name: None)
    for url, extra in [("zk://a/b", "zookeeper"), ("etcd://a/b", "etcd"), ("dns+srv://a", "dns")]:
        with pytest.raises(ImportError, match=rf"pip install 'razorg\[{extra}\]'"):
            razorg.connect(url)
    with pytest.raises(ImportError, match="razorg.etcd"):
        razorg.RpcServer("memory://never", [Name()], register="etcd://a/b")


def test_nothing_of_an_engine_is_imported_before_the_first_call() -> None:
    program = (
        "import sys, razorg\n"
        "pools = [razorg.connect(url) for url in ('zk://a/b', 'etcd://a/b', 'dns+tcp://a:1')]\n"
        "print({'kazoo', 'etcd3gw', 'requests', 'dns'} & set(sys.modules))\n"
    )
    assert _run(program) == "set()"


def _run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50,
        env={**os.environ, "PYTHONPATH": str(Path(razorg.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("scheme", ["tcp", "tls", "unix", "memory", "", "a b", "+", 3, None])
def test_schemes_that_no_resolver_can_have(scheme: Any) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        razorg.register_resolver(scheme, lambda url: Told(Snapshot(())))
    assert not is_resolved("tcp://a:1") and not is_resolved("a:1") and not is_resolved(("a", 1))


# nodes


@pytest.mark.parametrize("data", [
    b"", b"\xff", b"{", b"{}", b"[]", b'{"address": 3}', b'{"address": "a"}', b'{"address": "ftp://a:1"}',
    b'{"address": "a:1", "weight": -1}', b'{"address": "a:1", "weight": "x"}', b"tcp://a:1 b",
    b'{"address": "a:1", "weight": NaN}', b'{"address": "a:1", "weight": true}', b"a:99999",
    b'{"address": "a:1", "attributes": 3}', b'{"address": "a:1", "wieght": 3}', b"a" * 70000,
])
def test_garbage_is_no_node(data: bytes) -> None:
    with pytest.raises(ValueError):
        load_node(data)
    assert leader_of(data) is None


def test_weights_have_a_bound() -> None:
    for weight in (10**400, 1e308, float("inf"), -1):
        with pytest.raises(ValueError, match="a weight is"):
            Node("10.0.0.1:1", weight)
    (both,) = merged([Node("10.0.0.1:1", 900_000)] * 2)
    assert both.weight == 1_000_000


def test_a_loop_that_fails_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "_ANEW_SECONDS", 0.01)
    runs: list[Any] = []

    def run(loop: Any) -> None:
        runs.append(loop)
        if len(runs) < 3:
            raise ZeroDivisionError
        loop.wait(LIMIT)

    loop = loop_module.Loop("test", run, blocks=False)
    eventually(lambda: len(runs) == 3, LIMIT, "it has begun anew, twice")
    loop.close()


def test_nodes() -> None:
    assert load_node(b"a:1\n") == load_node(b'"tcp://a:1"') == Node("tcp://a:1")
    node = Node("tls://a:1", 2.5, {"zone": "b", "racks": [1, 2]})
    assert load_node(node.dump()) == node
    assert merged([Node("b:1", 2), Node("a:1"), Node("b:1", 3)]) == (Node("a:1"), Node("b:1", 5))


# files


def test_a_file_with_weights_attributes_and_a_leader(tmp_path: Path) -> None:
    path = tmp_path / "cal.json"
    nodes = [{"address": "a:1", "weight": 2}, {"address": "tcp://b:2", "attributes": {"zone": "x"}}, "c:3"]
    path.write_text(json.dumps({"nodes": nodes, "leader": "b:2"}))
    with razorg.connect([f"file://{path}"], mode="leader") as pool:
        pool._wait_for_nodes(LIMIT)
        assert pool.leader == "tcp://b:2"
        assert pool.nodes == (
            Node("tcp://a:1", 2), Node("tcp://b:2", 1, {"zone": "x"}), Node("tcp://c:3")
        )


def test_the_addresses_of_a_file_are_of_the_scheme_that_its_url_says(tmp_path: Path) -> None:
    path = tmp_path / "cal.json"
    nodes = ["a:1", {"address": "b:2"}, "tcp://c:3"]
    path.write_text(json.dumps({"nodes": nodes, "leader": "b:2"}))
    with razorg.connect(f"file://{path}?scheme=tls", tls=razorg.ClientTls(verify=False)) as pool:
        pool._wait_for_nodes(LIMIT)
        assert pool.addresses == ["tls://a:1", "tls://b:2"]  # c is in the clear, and passed over
        assert pool.leader == "tls://b:2"
    with pytest.raises(ValueError, match="scheme=udp: expected tcp or tls"):
        razorg.connect(f"file://{path}?scheme=udp")


def test_a_file_that_cannot_be_read_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nodes.json"
    path.write_text('["10.0.0.1:1"]')
    may_open = False

    def open_soon(*args: Any) -> Any:
        if not may_open:
            raise OSError(24, "Too many open files")
        return open(*args)

    monkeypatch.setattr(file, "open", open_soon, raising=False)
    monkeypatch.setattr(file, "LOOK_SECONDS", 0.01)
    with razorg.connect([f"file://{path}"]) as pool:
        with pytest.raises(razorg.Unreachable, match="Too many open files"):
            pool._wait_for_nodes(LIMIT)
        may_open = True
        eventually(lambda: pool.addresses, LIMIT, "it is read again, though it has not changed")


@pytest.mark.parametrize("engine", ["[::1]", "127.0.0.1", "localhost"])
def test_a_server_of_ipv4_is_advertised_by_ipv4(engine: str) -> None:
    (told,) = advertised(["tcp://0.0.0.0:7700"], razorg.Register(f"zk://{engine}:2181/x"))
    assert "[" not in told and told.endswith(":7700")


def test_a_server_that_cannot_register_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ImportError("kazoo is broken")

    monkeypatch.setattr(razorg.Register, "start", fail)
    server = razorg.RpcServer("tcp://127.0.0.1:0", [Name()], register="zk://127.0.0.1:1/x")
    with pytest.raises(ImportError):
        server.start()
    assert server.state == "stopped"


def test_in_a_child_the_problem_of_the_parent_is_forgotten(told: Told) -> None:
    following = Following("told://x", lambda: told, lambda _: None)
    following.heard(OSError("the engine is down"))
    assert following.problem
    following.after_fork()
    assert not following.problem


# DNS


def test_srv_priorities_and_weights(nameserver: Nameserver) -> None:
    """The second priority is for the time in which nobody of the first one answers."""
    first, spare = (razorg.RpcServer("tcp://127.0.0.1:0", [Name(name)]) for name in ("first", "spare"))
    for server in (first, spare):
        server.start()
    port, spare_port = (server.addresses[0].rpartition(":")[2] for server in (first, spare))
    nameserver.records = {"SRV": [f"10 3 {port} 127.0.0.1.", f"20 0 {spare_port} 127.0.0.1."]}
    url = f"dns+srv://_razor._tcp.example?nameserver={nameserver.where}"
    with razorg.connect([url], reconnect_max=0.2) as pool:
        client = pool.client(Name)
        assert [client.of() for _ in range(5)] == 5 * ["first"]
        by_port = {node.address.rpartition(":")[2]: node for node in pool.nodes}
        assert (by_port[port].weight, by_port[port].attributes) == (3, {"priority": 10})
        first.stop()
        assert [client.of() for _ in range(5)] == 5 * ["spare"]
        again = razorg.RpcServer(f"tcp://127.0.0.1:{port}", [Name("first")])
        again.start()
        eventually(lambda: client.of() == "first", LIMIT, "the better one is taken again")
        eventually(lambda: pool.addresses == again.addresses, LIMIT, "the spare one is left alone")
        again.stop()
    spare.stop()


def test_addresses_of_both_families(nameserver: Nameserver) -> None:
    nameserver.records = {"A": ["127.0.0.5"], "AAAA": ["::5"]}
    url = f"dns+tcp://cal.example:7700?nameserver={nameserver.where}&scheme=tls"
    with razorg.connect([url]) as pool:
        pool._wait_for_nodes(LIMIT)
        assert sorted(pool.addresses) == ["tls://127.0.0.5:7700", "tls://[::5]:7700"]


def test_a_nameserver_that_is_silent_about_one_family(nameserver: Nameserver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "_ANSWER_SECONDS", 100 * LIMIT)
    monkeypatch.setattr(dns, "_SECOND_ANSWER_SECONDS", 0.1)
    nameserver.records, nameserver.silent = {"A": ["127.0.0.5"]}, {"AAAA"}
    with razorg.connect([f"dns+tcp://cal.example:7700?nameserver={nameserver.where}"]) as pool:
        pool._wait_for_nodes(LIMIT)
        assert pool.addresses == ["tcp://127.0.0.5:7700"]


def test_the_ttl_says_when_to_ask_again(nameserver: Nameserver) -> None:
    nameserver.ttl = 1000
    nameserver.records = {"A": ["127.0.0.5"]}
    with razorg.connect([f"dns+tcp://cal.example:7700?nameserver={nameserver.where}"]) as pool:
        pool._wait_for_nodes(LIMIT)
        gevent.sleep(2.5)
        assert nameserver.asked == 2  # A and AAAA


def test_a_family_that_fails_keeps_its_last_addresses(nameserver: Nameserver) -> None:
    nameserver.records = {"A": ["127.0.0.5"], "AAAA": ["::5"]}
    with razorg.connect([f"dns+tcp://cal.example:7700?nameserver={nameserver.where}"]) as pool:
        pool._wait_for_nodes(LIMIT)
        nameserver.failing, nameserver.records = {"A"}, {"AAAA": ["::6"]}
        eventually(lambda: "tcp://[::6]:7700" in pool.addresses, LIMIT, "the other one has changed")
        assert sorted(pool.addresses) == ["tcp://127.0.0.5:7700", "tcp://[::6]:7700"]


def test_the_ttl_of_an_alias_counts(nameserver: Nameserver) -> None:
    nameserver.ttl = 1000
    nameserver.records = {"A": ["127.0.0.5"]}
    nameserver.alias = ("one.example.", 1)
    with razorg.connect([f"dns+tcp://cal.example:7700?nameserver={nameserver.where}"]) as pool:
        pool._wait_for_nodes(LIMIT)
        nameserver.alias, nameserver.records = ("two.example.", 1), {"A": ["127.0.0.6"]}
        eventually(lambda: pool.addresses == ["tcp://127.0.0.6:7700"], LIMIT, "the alias has changed")


def test_a_name_that_is_no_more_is_no_reason_to_forget_it(nameserver: Nameserver) -> None:
    nameserver.records = {"A": ["127.0.0.5"]}
    with razorg.connect([f"dns+tcp://cal.example:7700?nameserver={nameserver.where}"]) as pool:
        pool._wait_for_nodes(LIMIT)
        nameserver.exists = False
        eventually(lambda: pool.stale, LIMIT, "it is noticed")
        assert "does not exist" in pool.stale
        assert pool.addresses == ["tcp://127.0.0.5:7700"]


# pools that follow


def test_the_first_call_starts_the_resolver_and_close_ends_it(told: Told) -> None:
    with razorg.RpcServer("memory://told", [Name("told")]):
        with razorg.connect("told://x") as pool:
            assert told.watches == 0 and "told://x" in repr(pool)
            assert pool.client(Name).of() == "told"
            assert pool.client(Name).of() == "told"
            assert (told.watches, told.closes) == (1, 0)
        assert told.closes >= 1
        with pytest.raises(razorg.LocalProtocolError, match="closed"):
            pool.client(Name).of()
        told.tell(Snapshot((Node("memory://other"),)))
        assert told.watches == 1


@pytest.mark.parametrize("use", [
    lambda pool: razorg.with_options(pool.client(Name), timeout=0.05).of(), lambda pool: pool.send(1, timeout=0.05).get(),
    lambda pool: razorg.submit(razorg.with_options(pool.client(Name), timeout=0.05).of).get(),
], ids=["method", "send", "submit"])
@pytest.mark.parametrize("native", [False, True])
def test_a_call_waits_no_longer_for_the_first_answer_than_it_may_take(use: Any, native: bool) -> None:
    class Silent(Told):
        def watch(self, callback: Any) -> None:
            pass

    razorg.register_resolver("silent", lambda url: Silent(Snapshot(())))
    with razorg.connect("silent://x") as pool, pytest.raises(razorg.Unreachable, match="no answer within 0.0"):
        in_thread(use, pool) if native else use(pool)


def test_a_pool_that_nobody_uses_is_not_followed(told: Told) -> None:
    with razorg.RpcServer("memory://told", [Name("told")]):
        pool = razorg.connect("told://x")
        pool.client(Name).of()
        known = weakref.ref(pool)
        del pool
        gc.collect()
        eventually(lambda: known() is None and told.closes, LIMIT, "it is collected")


def test_what_the_pool_cannot_use_is_refused(told: Told) -> None:
    """Addresses in the clear, for a pool that shall encrypt."""
    told.answer = Snapshot((Node("tls://127.0.0.1:1"),))
    tls = razorg.ClientTls(verify=False)
    with razorg.connect(["told://x"], tls=tls) as pool:
        pool._wait_for_nodes(LIMIT)
        told.tell(Snapshot((Node("tcp://127.0.0.1:1"),)))
        assert pool.addresses == ["tls://127.0.0.1:1"] and "not encrypted" in pool.stale


def test_a_resolver_that_cannot_be_made_fails_the_call_not_the_pool() -> None:
    broken = [True]

    def make(url: str) -> Told:
        if broken:
            raise OSError("no such thing")
        return Told(Snapshot((Node("memory://told"),)))

    razorg.register_resolver("breaks", make)
    with razorg.RpcServer("memory://told", [Name("told")]), razorg.connect("breaks://x") as pool:
        with pytest.raises(OSError, match="no such thing"):
            pool.client(Name).of()
        broken.clear()
        assert pool.client(Name).of() == "told"


def test_from_a_native_thread(told: Told) -> None:
    server = razorg.RpcServer("tcp://127.0.0.1:0", [Name("told")])
    server.start()
    told.answer = Snapshot((Node(server.addresses[0]),))
    with razorg.connect("told://x") as pool:
        assert gevent.get_hub().threadpool.spawn(pool.client(Name).of).get() == "told"
    server.stop()


def named(nodes: Iterable[Node]) -> list[razorg.RpcServer]:
    """A started server at each, which tells the last letter of its address."""
    servers = [razorg.RpcServer(node.address, [Name(node.address[-1])]) for node in nodes]
    for server in servers:
        server.start()
    return servers


def test_a_leader_that_is_told_again_does_not_move_calls_back(told: Told) -> None:
    """A server may have pointed elsewhere meanwhile, and knows better."""
    nodes = tuple(Node(f"memory://lead-{name}") for name in "abc")
    told.answer = Snapshot(nodes, nodes[1].address)
    servers = named(nodes)
    with razorg.connect(["told://x"], mode="leader") as pool:
        client = pool.client(Name)
        assert [client.of() for _ in range(3)] == ["b", "b", "b"]
        told.tell(Snapshot(nodes, nodes[2].address))
        assert [client.of() for _ in range(3)] == ["c", "c", "c"]
        servers[2].stop()
        after = client.of()
        assert after in "ab"
        told.tell(Snapshot((*nodes, Node("memory://lead-d")), nodes[2].address))
        assert client.of() == after
        told.tell(Snapshot(nodes[:2], nodes[0].address))
        assert [client.of() for _ in range(3)] == ["a", "a", "a"]
    for server in servers[:2]:
        server.stop()


def test_weights_count_where_calls_are_balanced(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Meter, "succeeded", lambda meter, seconds: None)  # nothing but weights
    told.answer = Snapshot(tuple(Node(f"memory://{name}", weight) for name, weight in (("a", 4), ("b", 1), ("c", 0))))
    servers = named(told.answer.nodes)
    with razorg.connect(["told://x"], mode="balanced") as pool:
        client = pool.client(Name)
        counted = Counter(client.of() for _ in range(300))
        assert counted["c"] == 0 and counted["a"] > counted["b"]
        told.tell(Snapshot(tuple(Node(node.address, 5 - node.weight) for node in told.answer.nodes)))
        counted = Counter(client.of() for _ in range(300))
        assert counted["c"] > counted["a"]
        told.tell(Snapshot((Node("memory://a", 0),)))
        assert client.of() == "a"  # of last resort
    for server in servers:
        server.stop()


def test_an_aperture_is_a_part_of_the_nodes(told: Told) -> None:
    told.answer = Snapshot(tuple(Node(f"10.0.0.{n}:7700") for n in range(1, 101)))
    with razorg.connect(["told://x"], aperture=10) as pool:
        pool._wait_for_nodes(LIMIT)
        assert 10 <= len(pool.addresses) <= 11
        assert len(pool.nodes) == 100
        assert sum(pool._weights.values()) == pytest.approx(10)


def test_an_aperture_leaves_out_those_of_last_resort(told: Told) -> None:
    told.answer = Snapshot(tuple(Node(f"10.0.0.{n}:7700", float(n == 50)) for n in range(1, 101)))
    with razorg.connect(["told://x"], mode="balanced", aperture=2) as pool:
        pool._wait_for_nodes(LIMIT)
        assert pool.addresses == ["tcp://10.0.0.50:7700"]


def test_what_nobody_expected_of_an_answer_changes_nothing(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    with razorg.connect(["told://x"]) as pool:
        pool._wait_for_nodes(LIMIT)
        monkeypatch.setattr(pool, "_part", lambda nodes: 1 / 0)
        told.tell(Snapshot((Node("memory://other"),)))
        assert "division" in pool.stale
        assert pool.addresses == ["memory://told"]


def test_a_node_in_the_clear_does_not_stop_an_encrypted_pool(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.answer = Snapshot((Node("tls://10.0.0.1:1"), Node("tcp://10.0.0.9:1")), leader="tcp://10.0.0.1:1")
    with razorg.connect("told://x", tls=razorg.ClientTls(verify=False)) as pool:
        pool._wait_for_nodes(LIMIT)
        assert (pool.addresses, pool.stale) == (["tls://10.0.0.1:1"], "")
        assert "passed over: 'tcp://10.0.0.1:1' is not encrypted" in caplog.text
        told.tell(Snapshot((Node("tcp://10.0.0.2:1"),)))
        assert "not encrypted" in pool.stale
        assert pool.addresses == ["tls://10.0.0.1:1"]


@pytest.mark.parametrize("aperture", [0, 1])
def test_a_leader_beside_the_nodes_stays_when_they_change(told: Told, aperture: int) -> None:
    told.answer = Snapshot((Node("memory://a"), Node("memory://b")), leader="memory://told")
    with razorg.RpcServer("memory://told", [Name("leads")]):
        with razorg.connect("told://x", mode="leader", aperture=aperture) as pool:
            client = pool.client(Name)
            for nodes in ((Node("memory://a"),), (Node("memory://b"), Node("memory://c"))):
                assert client.of() == "leads"
                told.tell(Snapshot(nodes, leader="memory://told"))
            assert client.of() == "leads"


def test_calls_go_back_to_the_told_leader_when_that_to_which_they_were_sent_is_gone(told: Told) -> None:
    nodes = tuple(Node(f"memory://back-{name}") for name in "abc")
    told.answer = Snapshot(nodes, nodes[1].address)
    servers = named(nodes)
    with razorg.connect("told://x", mode="leader") as pool:
        client = pool.client(Name)
        assert client.of() == "b"
        servers[1].stop()
        other = client.of()
        assert other in "ac"
        servers[1] = razorg.RpcServer(nodes[1].address, [Name("b")])
        servers[1].start()
        back = part_of(pool)._places[Address("memory", "back-b")]
        eventually(lambda: back.is_healthy, LIMIT, "it is known to be back")
        told.tell(Snapshot(nodes, nodes[1].address))
        assert client.of() == other
        told.tell(Snapshot(tuple(node for node in nodes if node.address[-1] != other), nodes[1].address))
        assert client.of() == "b"
    for server in servers:
        server.stop()


def test_a_leader_among_those_in_reserve_stays_when_they_are_left(told: Told) -> None:
    told.answer = Snapshot((Node("memory://best-a"), Node("memory://rest-b", 1, {"priority": 1})), "memory://rest-b")
    with razorg.RpcServer("memory://rest-b", [Name("b")]) as reserve:
        with razorg.connect("told://x", mode="leader") as pool:
            client = pool.client(Name)
            assert client.of() == "b"
            reserve.stop()
            with pytest.raises(razorg.Unreachable):
                client.of()  # nobody is healthy: those in reserve are used
            part = part_of(pool)
            assert part._uses_spares
            with razorg.RpcServer("memory://best-a", [Name("a")]):
                eventually(lambda: part._places[Address("memory", "best-a")].is_healthy, LIMIT, "it is back")
                part.on_tick(0.0)
                assert not part._uses_spares
                assert "memory://rest-b" in pool.addresses


def test_the_leader_is_called_wherever_it_stands(told: Told) -> None:
    nodes = tuple(Node(f"memory://{n}") for n in range(50))
    with razorg.RpcServer("memory://leader", [Name("leader")]):
        told.answer = Snapshot((*nodes, Node("memory://leader")), "memory://leader")
        with razorg.connect(["told://x"], aperture=1, mode="leader") as pool:
            assert {pool.client(Name).of() for _ in range(10)} == {"leader"}


APART = """
import os, razorg
from razorg.api.following import _own_offset
from razorg.core.balancing import aperture
from razorg.discovery import Node, Snapshot

NAMES = [f"tcp://10.0.0.{n}:7700" for n in range(1, 251)]

class Told:
    def __init__(self, url): pass
    def watch(self, callback): callback(Snapshot(tuple(map(Node, NAMES))))
    def close(self): pass

razorg.register_resolver("told", Told)
pool = razorg.connect("told://x", aperture=5)
pool._wait_for_nodes(5)
read, write = os.pipe()
children = []
for number in range(5):
    if number == 4 or (child := os.fork()) == 0:  # the last one is this process
        os.write(write, " ".join([repr(_own_offset()), *pool.addresses]).encode() + b"\\n")
        if number < 4:
            os._exit(0)
    children.append(child)
for child in children[:4]:
    os.waitpid(child, 0)
parts = [line.split() for line in os.read(read, 65536).decode().splitlines()]
assert len({offset for offset, *_ in parts}) == 5, parts
for offset, *addresses in parts:  # two may happen to be neighbours: of 250 places there are
    assert addresses == list(aperture(NAMES, float(offset), 5)), (offset, addresses)
print("ok")
"""


def test_forked_workers_take_different_parts() -> None:
    assert _run(APART) == "ok"


FORKED = """
import os, sys, json, razorg, tempfile

@razorg.service
class Name:
    def of(self) -> str:
        return "told"

path = tempfile.mktemp()
server = razorg.RpcServer("tcp://127.0.0.1:0", [Name()]); server.start()
json.dump(server.addresses, open(path, "w"))
pool = razorg.connect("file://" + path)
assert pool.client(Name).of() == "told"
child = os.fork()
if child == 0:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Name()]) as own:
        assert pool.addresses == json.load(open(path)), pool
        json.dump(own.addresses, open(path + "n", "w")); os.rename(path + "n", path)
        import gevent
        pool._wait_for_nodes(5)
        for _ in range(200):
            if pool.addresses == own.addresses: break
            gevent.sleep(0.05)
        assert pool.client(Name).of() == "told"
        assert pool.addresses == own.addresses, pool
    os._exit(0)
import gevent
while True:
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid: break
    gevent.sleep(0.01)
assert status == 0, status
os.remove(path)
print("ok")
"""


def test_in_a_forked_child_it_is_followed_anew() -> None:
    assert _run(FORKED) == "ok"


PROGRAM = """
import gevent.monkey
{patches}
import sys, time, razorg

@razorg.service
class Name:
    def of(self) -> str:
        return "told"

url = {url!r}
server = razorg.RpcServer("tcp://127.0.0.1:0", [Name()], register=url)
server.start()
claim = razorg.discovery.election(url, server.addresses[0])
pool = razorg.connect(url, mode="leader")
for _ in range(2000):
    if all(entry.is_held for entry in server.registrations) and claim.leads: break
    gevent.sleep(0.01)
assert pool.client(Name).of() == "told"
for _ in range(2000):
    if pool.leader: break
    gevent.sleep(0.01)
assert pool.leader == server.addresses[0], pool
laps = 0
started = time.monotonic()
while time.monotonic() - started < 1.5:
    gevent.sleep(0.001); laps += 1
assert laps > 200, laps  # nothing blocks this hub; the machine may stand still for a while
if {closes}:
    claim.close(); pool.close(); server.stop()
print("ok")
"""


@pytest.mark.parametrize("closes", [True, False], ids=["closed", "left"])
@pytest.mark.parametrize(
    "patches", ["gevent.monkey.patch_all()", "gevent.monkey.patch_all(socket=False)", ""], ids=["patched", "no-sockets", "plain"]
)
def test_in_processes_of_every_kind(running: Any, patches: str, closes: bool) -> None:
    """Patched or not, and whether it is closed or the interpreter just ends."""
    assert _run(PROGRAM.format(patches=patches, closes=closes, url=running.url())) == "ok"
    eventually(lambda: not running.entries(), LIMIT, "the entries go")


def test_one_made_for_a_url_of_a_user() -> None:
    made = resolver_maker("file:///a.json")
    assert callable(made)
