"""The pool of several addresses: whom it asks, and where errors and updates send its calls."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest
from support.cluster import Cluster, Node, NotLeader, names
from support.peers import ScriptedServer, in_hub, memory_url, reply, wait_until

import razorg


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.stop(*cluster.servers)


def test_round_robin_asks_each_in_turn(cluster: Cluster) -> None:
    with razorg.connect(cluster.start("a", "b", "c")) as pool:
        assert names(6, pool.client(Node).who) == ["a", "b", "c"] * 2


def test_leader_mode_stays_with_one_until_it_is_gone(cluster: Cluster) -> None:
    with razorg.connect(cluster.start("a", "b"), mode="leader") as pool:
        who = pool.client(Node).who
        assert names(3, who) == ["a"] * 3
        cluster.stop("a")
        assert names(3, who) == ["b"] * 3
        cluster.start("a")
        wait_until(lambda: "unhealthy" not in repr(pool))
        assert names(3, who) == ["b"] * 3  # until that one errs


def test_least_loaded_prefers_the_idle_one(cluster: Cluster) -> None:
    with ScriptedServer() as slow:
        with razorg.connect([slow.address, *cluster.start("a")], mode="least_loaded") as pool:
            who = pool.client(Node).who
            accepted = gevent.spawn(slow.accept)
            stuck = []
            while not accepted.ready():  # until one has met the node that does not answer
                stuck.append(razorg.submit(who))
                gevent.sleep(0)
            wait_until(lambda: pool.in_flight == 1)
            assert names(20, who) == ["a"] * 20
            for future in stuck:
                future.cancel()


def test_an_unknown_mode_and_no_address_are_refused() -> None:
    with pytest.raises(ValueError, match="round_robin"):
        razorg.connect(["memory://a"], mode="random")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="at least one"):
        razorg.connect([])
    with pytest.raises(ValueError, match="no transport"):
        razorg.connect(["memory://a", "ftp://b:1"])


def test_a_dead_node_costs_no_call(cluster: Cluster) -> None:
    live = cluster.start("a", "b")
    with razorg.connect([memory_url(), *live], retry_limit=0) as pool:
        assert sorted(names(4, pool.client(Node).who)) == ["a", "a", "b", "b"]


def test_all_dead_is_unreachable_at_once_and_heals(cluster: Cluster) -> None:
    urls = cluster.start("a", "b")
    cluster.stop("a", "b")
    with razorg.connect(urls) as pool:
        who = pool.client(Node).who
        for _ in range(3):
            with pytest.raises(razorg.Unreachable) as caught, gevent.Timeout(0.5):
                who()
            assert (caught.value.sent, caught.value.method) == ("no", "Node.who")
        cluster.start("a", "b")
        wait_until(lambda: repr(pool).count(" healthy") == 2)
        assert sorted(names(2, who)) == ["a", "b"]


def test_a_redirect_is_followed_and_remembered(cluster: Cluster) -> None:
    first, second, unknown = cluster.start("a", "b", "c")
    cluster.nodes["a"].leader = cluster.nodes["b"].leader = unknown
    with razorg.connect([first, second], mode="leader") as pool:
        lead = pool.client(Node).lead
        assert names(3, lead) == ["c"] * 3
        assert cluster.nodes["a"].asked == 1 and cluster.nodes["b"].asked == 0
        assert pool.addresses == [first, second, unknown]
        assert repr(pool).endswith(f"{unknown} healthy, 1 connection, 0 in flight, 0 queued, leader>")
        pool.update_addresses([first, second])
        cluster.nodes["a"].leader = None
        cluster.nodes["b"].leader = first
        assert lead() == "a"


def test_redirects_of_futures_are_followed(cluster: Cluster) -> None:
    first, second = cluster.start("a", "b")
    cluster.nodes["a"].leader = second
    with razorg.connect([first, second], mode="leader") as pool:
        futures = [razorg.submit(pool.client(Node).lead) for _ in range(5)]
        assert [future.get(timeout=5) for future in futures] == ["b"] * 5


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a_redirect_in_circles_ends_at_the_limit(cluster: Cluster, limit: int) -> None:
    (url,) = cluster.start("a")
    cluster.nodes["a"].leader = url
    with razorg.connect([url], retry_limit=limit) as pool:
        with pytest.raises(NotLeader, match=url):
            pool.client(Node).lead()
        assert cluster.nodes["a"].asked == limit + 1


def test_next_asks_another_and_ends_with_the_last_one(cluster: Cluster) -> None:
    urls = cluster.start("a", "b")
    cluster.nodes["a"].leader = ""
    with razorg.connect(urls) as pool:
        assert names(4, pool.client(Node).lead) == ["b"] * 4
    with razorg.connect(urls[:1]) as alone, pytest.raises(NotLeader):
        alone.client(Node).lead()


def test_a_redirect_to_nonsense_is_the_callers_error(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    (url,) = cluster.start("a")
    cluster.nodes["a"].leader = "no address at all"
    with razorg.connect([url]) as pool, pytest.raises(NotLeader, match="no address at all"):
        pool.client(Node).lead()
    assert "makes no sense" in caplog.text


def test_a_pool_of_one_address_leaves_steering_to_the_caller(cluster: Cluster) -> None:
    (url,) = cluster.start("a")
    cluster.nodes["a"].leader = ""
    with razorg.connect(url) as pool, pytest.raises(NotLeader):
        pool.client(Node).lead()
    assert cluster.nodes["a"].asked == 1


def test_addresses_change_under_way(cluster: Cluster) -> None:
    first, second = cluster.start("a", "b")
    with razorg.connect([first]) as pool:
        who = pool.client(Node).who
        assert who() == "a"
        pool.update_addresses([second])
        assert names(3, who) == ["b"] * 3 and pool.addresses == [second]
        wait_until(lambda: cluster.servers["a"].connections == 0)
        for wrong in ([], ["ftp://x:1"]):
            with pytest.raises(ValueError):
                pool.update_addresses(wrong)
        assert who() == "b"
    with pytest.raises(razorg.LocalProtocolError, match="closed"):
        pool.update_addresses([first])


def test_a_removed_address_answers_what_it_was_asked(cluster: Cluster) -> None:
    with ScriptedServer() as old:
        with razorg.connect([old.address], window=1, max_connections=1) as pool:
            first = razorg.submit(pool.client(Node).who)
            queued = gevent.spawn(pool.client(Node).who)
            peer = old.accept()
            asked = peer.read_request()
            wait_until(lambda: "1 queued" in repr(pool))
            pool.update_addresses(cluster.start("a"))
            assert queued.get(timeout=5) == "a"  # nothing of it was sent
            peer.send(reply(asked.seq, b"\xa3old"))
            assert first.get(timeout=5) == "old"
            peer.expect_eof()


def test_closed_is_closed(cluster: Cluster) -> None:
    pool = razorg.connect(cluster.start("a", "b"))
    who = pool.client(Node).who
    names(2, who)
    pool.close()
    for use in (who, lambda: razorg.submit(who), lambda: pool.send(2)):
        with pytest.raises(razorg.LocalProtocolError, match="closed"):
            use()
    pool.close()
    assert "closed" in repr(pool)


def test_calls_in_the_hub_never_wait(cluster: Cluster) -> None:
    with razorg.connect(cluster.start("a")) as pool:
        client = pool.client(Node)
        assert isinstance(in_hub(lambda: razorg.submit(client.who)), razorg.LocalProtocolError)
        assert client.who() == "a"
        assert in_hub(lambda: razorg.submit(client.who)).get(timeout=5) == "a"
        assert isinstance(in_hub(client.who), razorg.LocalProtocolError)


def test_a_caller_killed_in_the_line_leaves_no_trace() -> None:
    with ScriptedServer() as first, ScriptedServer() as second:
        with razorg.connect([first.address, second.address], window=1, max_connections=1) as pool:
            who = pool.client(Node).who
            busy = [razorg.submit(who) for _ in range(2)]
            for server in (first, second):
                server.accept().read_request()
            waiting = gevent.spawn(who)
            wait_until(lambda: "1 queued" in repr(pool))
            waiting.kill()
            assert "1 queued" not in repr(pool)
            assert all(future.cancel() for future in busy) and pool.in_flight == 0
