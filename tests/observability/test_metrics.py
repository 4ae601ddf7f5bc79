"""Prometheus, OpenTelemetry, access logs, snapshots of pools."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import gevent
import prometheus_client
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from support.peers import ScriptedClient, memory_url, request, wait_until

import razorg
from razorg.core.figures import OTHERS
from razorg.prometheus.processes import Synced
from razorg.server.told import Onlooker


class Broke(razorg.ErrorCode):
    code = 7


@razorg.service
class Cal:
    def add(self, a: int, b: int) -> int:
        return a + b

    @razorg.method(raises=Broke)
    def fail(self) -> None:
        raise Broke

    def inner(self) -> str:
        with trace.get_tracer("test").start_as_current_span("inside"):
            gevent.sleep(0)
            return format(trace.get_current_span().get_span_context().trace_id, "032x")


def samples(registry: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    text = prometheus_client.generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples
    }


def drive(pool: razorg.ClientPool) -> None:
    client = pool.client(Cal)
    for n in range(20):
        client.add(n, 1)
    for _ in range(3):
        with pytest.raises(Broke):
            client.fail()


def test_prometheus_reads_what_observers_have_counted() -> None:
    registry = prometheus_client.CollectorRegistry()
    url = memory_url()
    with razorg.RpcServer(url, [Cal()], observer=razorg.Observer()) as server:
        with razorg.connect(url, observer=razorg.Observer()) as pool:
            razorg.prometheus.watch(server, pool, registry=registry)
            drive(pool)
            told = samples(registry)
    for side in ("server", "client"):
        assert told[f"razorg_{side}_call_seconds_count", ("Cal.add",)] == 20
        assert told[f"razorg_{side}_call_seconds_bucket", ("+Inf", "Cal.add")] == 20
        assert told[f"razorg_{side}_errors_total", ("Broke", "Cal.fail")] == 3
        bounds = [(float(key[1][0]), value) for key, value in told.items()
                  if key[0] == f"razorg_{side}_call_seconds_bucket" and key[1][1] == "Cal.add"]
        assert [value for _, value in sorted(bounds)] == sorted(value for _, value in bounds)
        assert 0 < told[f"razorg_{side}_call_seconds_sum", ("Cal.add",)] < 20
    assert told["razorg_server_connections", (url,)] == 1
    assert told["razorg_server_running", ("Cal.add",)] == 0
    assert told["razorg_pool_healthy", (url,)] == 1
    assert told["razorg_pool_connections", (url,)] == told["razorg_pool_opened_total", (url,)] == 1
    assert told["razorg_pool_lost_total", (url,)] == 0
    assert any(name == "razorg_hub_blocked_seconds_total" for name, _ in told)


def test_watch_takes_servers_and_pools_only() -> None:
    with pytest.raises(TypeError, match="servers and pools"):
        razorg.prometheus.watch(Cal())  # type: ignore[arg-type]


def test_equal_labels_are_one_series() -> None:
    registry = prometheus_client.CollectorRegistry()
    url, other = memory_url(), memory_url()
    with razorg.RpcServer(url, [Cal()], observer=razorg.Observer()) as one, \
            razorg.RpcServer(other, [Cal()], observer=razorg.Observer()) as two, \
            razorg.connect(url, observer=razorg.Observer()) as pool, \
            razorg.connect(url, observer=razorg.Observer()) as same, razorg.connect(other) as third:
        razorg.prometheus.watch(one, pool, registry=registry)
        razorg.prometheus.watch(two, same, third, one, registry=registry)
        for each in (pool, same, third):
            drive(each)
        text = prometheus_client.generate_latest(registry).decode()
        told = samples(registry)
    names = [line.rsplit(" ", 1)[0] for line in text.splitlines()]
    assert len(names) == len(set(names))
    assert told["razorg_server_call_seconds_count", ("Cal.add",)] == 60
    assert told["razorg_client_call_seconds_count", ("Cal.add",)] == 40
    assert told["razorg_client_errors_total", ("Broke", "Cal.fail")] == 6
    assert told["razorg_pool_connections", (url,)] == told["razorg_pool_opened_total", (url,)] == 2
    assert told["razorg_pool_healthy", (url,)] == 1
    assert told["razorg_server_connections", (url,)] == 2


def test_what_is_gone_counts_no_more_and_nothing_is_taken_back() -> None:
    registry = prometheus_client.CollectorRegistry()
    url, observer = memory_url(), razorg.Observer()
    with razorg.RpcServer(url, [Cal()], observer=observer) as server:
        razorg.prometheus.watch(server, registry=registry)
        for number in (1, 2, 3):
            with razorg.connect(url, observer=observer) as pool:
                razorg.prometheus.watch(pool, registry=registry)
                drive(pool)
                assert samples(registry)["razorg_pool_connections", (url,)] == 1
            closed = weakref.ref(pool)
            del pool
            gc.collect()
            assert closed() is None
            told = samples(registry)
            assert told["razorg_pool_opened_total", (url,)] == number
            assert ("razorg_pool_connections", (url,)) not in told
            # One observer of both sides: each call is counted twice in it.
            assert told["razorg_client_call_seconds_count", ("Cal.add",)] == 40 * number
        with razorg.connect(url) as pool:
            drive(pool)  # of the observer only the server is left
        told = samples(registry)
        assert told["razorg_client_call_seconds_count", ("Cal.add",)] == 120
        assert told["razorg_server_call_seconds_count", ("Cal.add",)] == 140


def test_addresses_that_come_and_go_are_no_series_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(razorg.prometheus.collector, "ADDRESSES_MAX", 3)
    registry, urls = prometheus_client.CollectorRegistry(), [memory_url() for _ in range(8)]
    with razorg.RpcServer(urls, [Cal()]), razorg.connect(urls[:1]) as pool:
        razorg.prometheus.watch(pool, registry=registry)
        for url in (*urls, *urls):
            pool.update_addresses([url])
            assert pool.client(Cal).add(1, 2) == 3
            told = samples(registry)
        opened = {labels: count for (name, labels), count in told.items() if name == "razorg_pool_opened_total"}
        assert opened == {(urls[0],): 2, (urls[1],): 2, (urls[2],): 2, (OTHERS,): 10}
        assert [labels for name, labels in told if name == "razorg_pool_in_flight"] == [(urls[-1],)]


def test_nor_are_they_where_processes_share_their_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """There no series can be taken back."""
    monkeypatch.setattr(razorg.prometheus.processes, "ADDRESSES_MAX", 3)
    registry = prometheus_client.CollectorRegistry()
    healthy = prometheus_client.Gauge("razorg_pool_healthy", "x", ["address"], registry=registry)
    queued = prometheus_client.Gauge("razorg_pool_queued", "x", ["address"], registry=registry)
    synced = Synced()
    synced._metrics = {"razorg_pool_healthy": healthy, "razorg_pool_queued": queued}

    def bring(**values: tuple[float, float]) -> dict[str, tuple[float, float]]:
        for index, name in enumerate(synced._metrics):
            family = GaugeMetricFamily(name, "x", labels=["address"])
            for address, pair in values.items():
                family.add_metric([address], pair[index])
            synced._bring_gauge(family)
        told = samples(registry)
        addresses = {labels for _, labels in told}
        return {at: (told["razorg_pool_healthy", (at,)], told["razorg_pool_queued", (at,)]) for (at,) in addresses}

    first = {"a": (0, 1), "b": (1, 2), "c": (1, 3)}
    assert bring(**first) == first
    assert bring(d=(1, 4), e=(0, 5), b=(1, 6)) == {"a": (1, 0), "b": (1, 6), "c": (1, 0), OTHERS: (0, 9)}
    assert bring(f=(1, 1)) == {"a": (1, 0), "b": (1, 0), "c": (1, 0), OTHERS: (1, 1)}
    assert bring() == {"a": (1, 0), "b": (1, 0), "c": (1, 0), OTHERS: (1, 0)}


def test_a_failed_registration_can_be_made_good() -> None:
    registry = prometheus_client.CollectorRegistry(auto_describe=True)
    taken = prometheus_client.Gauge("razorg_server_running", "taken", registry=registry)
    with razorg.RpcServer(memory_url(), [Cal()], observer=razorg.Observer()) as server:
        with pytest.raises(ValueError, match="Duplicated"):
            razorg.prometheus.watch(server, registry=registry)
        registry.unregister(taken)
        razorg.prometheus.watch(server, registry=registry)
        assert ("razorg_server_connections", (server.addresses[0],)) in samples(registry)


def test_the_number_and_its_digits_are_two_actions() -> None:
    observer = razorg.Observer()
    observer.of(3).ended(1.0)
    observer.of("3").ended(1.0)
    observer.of("3").ended(1.0)
    assert [(one.action, one.calls) for one in observer.figures] == [("'3'", 2), ("3", 1)]


WORKER = """
import gc, sys, gevent, razorg
@razorg.service
class Cal:
    def add(self, a: int, b: int) -> int: return a + b
    @razorg.method(raises=OSError)
    def fail(self) -> None: raise OSError(2, "x")
with razorg.RpcServer("memory://w", [Cal()], observer=razorg.Observer()) as server, \\
        razorg.RpcServer("memory://v", [Cal()], observer=razorg.Observer()) as other:
    razorg.prometheus.watch(server)
    razorg.prometheus.watch(other)
    with razorg.connect("memory://w") as pool, razorg.connect("memory://v") as few:
        for n in range(int(sys.argv[1])):
            pool.client(Cal).add(n, 1)
        few.client(Cal).add(n, 1)
        try: pool.client(Cal).fail()
        except OSError: pass
        gone = razorg.connect("memory://w")
        razorg.prometheus.watch(gone)
        gone.ping()
        for _ in range(3): razorg.prometheus._synced.bring()
        gone.close()
        del gone
        gc.collect()
        razorg.prometheus._synced.bring()
"""


def test_several_processes_share_their_metrics(tmp_path: Path) -> None:
    environment = {
        **os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "PYTHONPATH": str(Path(razorg.__file__).parents[1]),
    }
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(count)], env=environment) for count in (30, 12)
    ]
    for worker in workers:
        assert gevent.get_hub().threadpool.apply(worker.wait) == 0
    code = (
        "import prometheus_client as p; from prometheus_client import multiprocess as m\n"
        "r = p.CollectorRegistry(); m.MultiProcessCollector(r); print(p.generate_latest(r).decode())"
    )
    text = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout
    told = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples
    }
    assert told["razorg_server_call_seconds_count", "Cal.add"] == 44
    assert told["razorg_server_call_seconds_bucket", "+Inf", "Cal.add"] == 44
    assert told["razorg_server_errors_total", "Cal.fail", "FileNotFoundError"] == 2
    assert told["razorg_pool_opened_total", "memory://w"] == 2
    pools = {key: value for key, value in told.items() if key[0] == "razorg_pool_connections"}
    assert sum(pools.values()) == 0


# OpenTelemetry

@pytest.fixture
def spans() -> Any:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def test_spans_of_both_sides(spans: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    provider, exporter = spans
    monkeypatch.setattr(trace, "get_tracer", lambda *args: provider.get_tracer("t"))
    client = [razorg.opentelemetry.client_spans(provider)]
    server = [razorg.opentelemetry.server_spans(provider)]
    url = memory_url()
    with razorg.RpcServer(url, [Cal()], interceptors=server):
        with razorg.connect(url, interceptors=client) as pool:
            with provider.get_tracer("t").start_as_current_span("request") as request:
                pool.client(Cal).add(1, 2)
                seen_inside = pool.client(Cal).inner()
                with pytest.raises(Broke):
                    pool.client(Cal).fail()
                future = razorg.submit(pool.client(Cal).add, 3, 4)
                assert future.get(10) == 7
                wait_until(lambda: len(exporter.get_finished_spans()) >= 9)
            parent = request.get_span_context()
    done = exporter.get_finished_spans()
    of_client = [span for span in done if span.kind == trace.SpanKind.CLIENT]
    of_server = [span for span in done if span.kind == trace.SpanKind.SERVER]
    assert sorted(span.name for span in of_client) == ["Cal.add", "Cal.add", "Cal.fail", "Cal.inner"]
    assert sorted(span.name for span in of_server) == ["Cal.add", "Cal.add", "Cal.fail", "Cal.inner"]
    assert all(span.parent.span_id == parent.span_id for span in of_client)
    assert all(span.parent is None or span.parent.span_id != parent.span_id for span in of_server)
    (inside,) = [span for span in done if span.name == "inside"]
    (handler,) = [span for span in of_server if span.name == "Cal.inner"]
    assert inside.parent.span_id == handler.context.span_id
    assert seen_inside == format(handler.context.trace_id, "032x")
    (failed,) = [span for span in of_client if span.name == "Cal.fail"]
    assert failed.status.status_code == trace.StatusCode.ERROR
    assert failed.attributes["rpc.service"] == "Cal" and failed.attributes["rpc.method"] == "fail"
    assert failed.events[0].name == "exception"


def test_spans_of_many_greenlets_have_their_own_parents(spans: Any) -> None:
    provider, exporter = spans
    url = memory_url()
    with razorg.RpcServer(url, [Cal()]):
        with razorg.connect(url, interceptors=[razorg.opentelemetry.client_spans(provider)]) as pool:
            def work(number: int) -> None:
                with provider.get_tracer("t").start_as_current_span(f"work {number}"):
                    gevent.sleep(0)
                    pool.client(Cal).add(number, 1)

            gevent.joinall([gevent.spawn(work, number) for number in range(20)], raise_error=True)
    done = exporter.get_finished_spans()
    works = {span.context.span_id for span in done if span.name.startswith("work")}
    calls = [span for span in done if span.name == "Cal.add"]
    assert len(calls) == len(works) == 20
    assert {span.parent.span_id for span in calls} == works


# logs

def logged(caplog: pytest.LogCaptureFixture, **options: Any) -> list[dict[str, Any]]:
    with caplog.at_level(logging.INFO, "razorg.access"):
        url = memory_url()
        log = razorg.logs.access_log(**options)
        with razorg.RpcServer(url, [Cal()], interceptors=[log]), razorg.connect(url) as pool:
            drive(pool)
    return [json.loads(record.getMessage()) for record in caplog.records if record.name == "razorg.access"]


def test_an_access_log_has_a_line_for_each_call(caplog: pytest.LogCaptureFixture) -> None:
    lines = logged(caplog)
    assert [line["outcome"] for line in lines] == ["ok"] * 20 + ["Broke"] * 3
    assert set(lines[0]) == {"action", "peer", "seconds", "outcome"}


@razorg.service
class Picky:
    def sell(self, count: int) -> int:
        if not count:
            raise KeyError(count)
        return 2**70 if count < 0 else count

    @razorg.method(inline=True)
    def sell_inline(self, count: int) -> int:
        return self.sell(count)

    @razorg.method(requires="staff")
    def close(self) -> None:
        raise AssertionError("nobody may come here")

    def call_out(self) -> None:
        raise razorg.EncodeError("of a call to somebody else")


class Raw(razorg.Dispatch):
    def __init__(self) -> None:
        self.kept: list[Any] = []

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if request.action == 1:
            self.kept.append(respond)
        elif request.action == 2:
            raise ValueError
        elif request.action == 3:
            raise OSError(2, "x")
        elif request.action == 4:
            respond.ok(2**70)
        elif request.action == 5:
            del respond
        elif request.action == 6:
            respond.ok(blob=bytes(100_000))
        else:
            respond.error(razorg.ErrorText("no"))


@pytest.mark.parametrize("observer", [None, razorg.Observer()])
def test_the_access_log_has_all_calls_whatever_became_of_them(
    caplog: pytest.LogCaptureFixture, observer: razorg.Observer | None
) -> None:
    raw, options = Raw(), {"observer": observer, "interceptors": [razorg.logs.access_log(), by_the_way]}
    caplog.set_level(logging.INFO, "razorg.access")
    with (
        razorg.RpcServer(memory_url(), [Picky()], dispatch=raw, **options) as server,
        ScriptedClient(server.addresses[0]) as client,
    ):
        actions: list[tuple[int | str, bytes]] = [
            ("Picky.sell", b"\x01"), ("Picky.sell_inline", b"\x01"), ("Picky.sell", b"\x00"),
            ("Picky.sell", b"\xff"), ("Picky.sell_inline", b"\xff"), ("Picky.sell", b"\xa1x"), ("Picky.sell", b""),
            ("Picky.nothing", b""), ("Picky.close", b""), ("Picky.call_out", b""), ("Razorg.health", b""),
            *((number, b"") for number in range(1, 8)),
        ]  # fmt: skip
        for seq, (action, msg) in enumerate(actions, 1):
            client.send(request(seq, action, msg))
            if action == 1:
                wait_until(lambda: raw.kept)
                raw.kept.pop().ok("later")
            client.read_reply()
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "razorg.access"]
    assert [line["action"] for line in lines] == [action for action, _ in actions]
    assert [line["outcome"] for line in lines] == [
        "ok", "ok", "KeyError", "EncodeError", "EncodeError", "DecodeError", "DecodeError",
        "MethodNotFound", "AccessDenied", "EncodeError", "ok",
        "ok", "ValueError", "FileNotFoundError", "EncodeError", "Dropped", "ok", "ErrorText",
    ]  # fmt: skip


@pytest.mark.parametrize("error", [ValueError("the disk is full"), gevent.Timeout(1)])
def test_an_onlooker_that_fails_costs_no_answer(caplog: pytest.LogCaptureFixture, error: BaseException) -> None:
    class Broken(Onlooker):
        __call__ = staticmethod(by_the_way)

        def answered(self, *_: Any) -> None:
            raise error

    seen: list[str] = []

    class Seeing(Onlooker):
        __call__ = staticmethod(by_the_way)

        def answered(self, action: int | str, peer: Any, seconds: float, name: str) -> None:
            seen.append(name)

    around: Any = [Broken(), Seeing()]
    url = memory_url()
    with razorg.RpcServer(url, [Picky()], interceptors=around) as server, razorg.connect(url) as pool:
        assert [pool.call("Picky.sell", 1, timeout=5) for _ in range(3)] == [1, 1, 1]
        wait_until(lambda: server.running == 0)
    if isinstance(error, Exception):  # a Timeout may be of somebody outside
        assert seen == [""] * 3 and "Broken" in caplog.text and "the disk is full" in caplog.text


def by_the_way(call: Any, proceed: Any) -> Any:
    return proceed(call)


def test_an_access_log_out_of_an_interceptor(caplog: pytest.LogCaptureFixture) -> None:
    log = razorg.logs.access_log()
    caplog.set_level(logging.INFO, "razorg.access")
    around = [lambda call, proceed: log(call, proceed)]
    url = memory_url()
    with razorg.RpcServer(url, [Picky()], interceptors=around), razorg.connect(url) as pool:
        assert pool.call("Picky.sell", 1) == 1
        with pytest.raises(razorg.InternalError):
            pool.call("Picky.sell", 0)
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "razorg.access"]
    assert [line["outcome"] for line in lines] == ["ok", "KeyError"]


def test_a_share_of_the_calls_and_all_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    assert [line["outcome"] for line in logged(caplog, share=0.0)] == ["Broke"] * 3


def test_slow_calls_are_warnings(caplog: pytest.LogCaptureFixture) -> None:
    logged(caplog, share=0.0, slow=0.0)
    kinds = {record.levelno for record in caplog.records if record.name == "razorg.access"}
    assert kinds == {logging.WARNING}


def test_no_more_lines_than_so_many(caplog: pytest.LogCaptureFixture) -> None:
    lines = logged(caplog, max_per_second=5)
    assert 5 <= len(lines) <= 10


def test_a_wrong_share() -> None:
    with pytest.raises(ValueError, match="share"):
        razorg.logs.access_log(share=2)


# snapshots

def test_stats_of_a_pool() -> None:
    url, nobody = memory_url(), memory_url()
    server = razorg.RpcServer(url, [Cal()])
    server.start()
    with razorg.connect([url, nobody]) as pool:
        assert pool.stats() == []
        drive(pool)  # type: ignore[arg-type]
        by_address = {one.address: one for one in pool.stats()}
        assert by_address[url]._replace(opened=0) == (url, True, 1, 0, 0, 0, 0)
        assert by_address[url].opened >= 1
        assert (by_address[nobody].is_healthy, by_address[nobody].connections) == (False, 0)
        server.stop()
        wait_until(lambda: {one.address: one.lost for one in pool.stats()}[url] == 1)
