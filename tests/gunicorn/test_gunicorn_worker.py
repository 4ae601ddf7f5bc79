"""razorg under a real gunicorn: reloads under load, signals, binds, heartbeat, wrong applications."""

from __future__ import annotations

import importlib.util
import signal
import socket
import urllib.error
import urllib.request
from pathlib import Path
from time import monotonic

import gevent
import pytest
from support.history import Figures, History, check
from support.line import UntilTheEnd, free_port, pid_on
from support.load import Kind, Load
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, eventually

import razorg

# Not importorskip: the folder of this file would pass for a package of that name.
if importlib.util.find_spec("gunicorn") is None or importlib.util.find_spec("gunicorn").origin is None:  # type: ignore[union-attr]
    pytest.skip("gunicorn is not installed: pip install razorg[gunicorn]", allow_module_level=True)

from support.gunicorn_master import Gunicorn

RECORD = 5  # of support.gunicorn_app, which only gunicorn can import
pytestmark = pytest.mark.timeout(40)


@razorg.service
class Echo:
    """As in support.gunicorn_app."""

    @razorg.method(idempotent=True)
    def echo(self, call_id: int) -> int:
        raise NotImplementedError


def who(pool: razorg.ClientPool | razorg.FailoverPool) -> int:
    """The pid of the worker at the other end."""
    return int(pool.client(Witness).who().split()[0])


# reloads

RELOADS = 4


def again(pool: razorg.FailoverPool) -> Kind:
    """A call that may run twice, and leaves no line in the ledger of those that may not."""
    return Kind(pool.client(Echo).echo, "echo", True, 3)


class Recording(UntilTheEnd):
    """Callers of what must not run twice and is written down when it is read, until the end."""

    def __init__(self, address: str, history: History, callers: int) -> None:
        super().__init__()
        self._history = history
        self._pools = [razorg.connect([address]) for _ in range(4)]
        self.greenlets = [
            gevent.Greenlet(self._call_on, self._pools[number % 4]) for number in range(callers)
        ]

    def _call_on(self, pool: razorg.FailoverPool) -> None:
        while not self.is_ending:
            call_id = self._history.begin("record")
            try:
                value = pool.send(RECORD, call_id).get().decode(int)
            except Exception as error:
                self._history.failed(call_id, error)
            else:
                self._history.ok(call_id, value)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        for pool in self._pools:
            pool.close()


def test_reloads_under_load_lose_no_call(tmp_path: Path) -> None:
    """Calls that may run twice never fail; of the others none fails that a worker has read."""
    repeatable, single = History(answer_of), History(answer_of)
    with Gunicorn(tmp_path, "-w", "2") as gunicorn:
        [address] = gunicorn.addresses
        with razorg.connect([address]) as pool, razorg.connect([address]) as other:
            loads = [Load(repeatable, [again(item)], 150) for item in (pool, other)]
            with loads[0], loads[1], Recording(address, single, callers=20):
                for _ in range(RELOADS):
                    before = repeatable.succeeded, single.succeeded
                    gunicorn.reload(2)
                    gunicorn.until(
                        lambda: repeatable.succeeded > before[0] + 100 and single.succeeded > before[1] + 100,
                        "both go on",
                    )  # fmt: skip
        gunicorn.signal(signal.SIGTERM)
        assert gunicorn.wait() == 0, gunicorn.log
        executed = gunicorn.executions()
        assert len(gunicorn.booted) == 2 + 2 * RELOADS
        assert "Traceback" not in gunicorn.log, gunicorn.log
    print("\nidempotent:", Figures.of(repeatable, []), "\nsingle:", Figures.of(single, [executed]))
    assert repeatable.succeeded == len(repeatable.calls) > 400
    violations = check(single, [executed])
    assert not violations, violations[:5]
    read_ids = {line.call_id for line in executed}
    accepted_and_lost = [call for call in single.calls.values() if call.id in read_ids and not call.is_ok]
    assert not accepted_and_lost, accepted_and_lost[:5]
    assert single.succeeded > 400


# signals


def refuses(address: str) -> bool:
    """Whether nobody listens there, not even the kernel for somebody who never accepts."""
    host, port = address.removeprefix("tcp://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_graceful_end_answers_what_runs(tmp_path: Path, number: signal.Signals) -> None:
    with Gunicorn(tmp_path, "-w", "1") as gunicorn, razorg.connect(gunicorn.addresses) as pool:
        end = tmp_path / "end"
        calls = [razorg.submit(pool.client(Witness).held, call_id, str(end)) for call_id in range(1, 11)]
        eventually(lambda: len(gunicorn.executions()) == 10, PATIENCE, "all run")
        gunicorn.signal(number)
        if number == signal.SIGTERM:
            eventually(lambda: refuses(gunicorn.addresses[0]), PATIENCE, "it takes no more")
        else:
            gunicorn.until(lambda: len(gunicorn.booted) == 2, "the next one boots")
        assert not any(call.ready() for call in calls), "while it drains"
        end.touch()
        assert [call.get() for call in calls] == [answer_of(call_id) for call_id in range(1, 11)]
        if number == signal.SIGTERM:
            assert gunicorn.wait() == 0, gunicorn.log
            with pytest.raises(razorg.Unreachable):
                pool.client(Witness).read(20)
        else:
            assert pool.client(Witness).read(20) == answer_of(20)


def test_the_graceful_timeout_ends_what_runs_on(tmp_path: Path) -> None:
    with Gunicorn(tmp_path, "-w", "1", "--graceful-timeout", "1") as gunicorn:
        with razorg.connect(gunicorn.addresses[0]) as pool:
            call = razorg.submit(pool.client(Witness).slow, 1, 30_000)
            eventually(lambda: gunicorn.executions(), PATIENCE, "it runs")
            began = monotonic()
            gunicorn.reload(1)
            assert 0.9 < monotonic() - began < 4
            with pytest.raises((razorg.ConnectionLost, razorg.InternalError)):
                call.get(timeout=PATIENCE)
        assert "SIGKILL" not in gunicorn.log, "the worker ends it, not the master"


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT])
def test_a_quick_end_waits_for_nobody(tmp_path: Path, number: signal.Signals) -> None:
    with Gunicorn(tmp_path, "-w", "2", "--graceful-timeout", "20") as gunicorn:
        with razorg.connect(gunicorn.addresses[0]) as pool:
            gunicorn.workers(2)
            call = razorg.submit(pool.client(Witness).slow, 1, 30_000)
            eventually(lambda: gunicorn.executions(), PATIENCE, "it runs")
            began = monotonic()
            gunicorn.signal(number)
            with pytest.raises((razorg.ConnectionLost, razorg.InternalError)):
                call.get(timeout=PATIENCE)
            assert gunicorn.wait() == 0, gunicorn.log
            assert monotonic() - began < 4


def test_starting_and_stopping_in_quick_turns(tmp_path: Path) -> None:
    for turn, number in enumerate([signal.SIGTERM, signal.SIGINT]):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with Gunicorn(folder, "-w", "2", "--graceful-timeout", "1") as gunicorn:
            assert gunicorn.addresses
            gunicorn.signal(number)  # while the workers boot
            assert gunicorn.wait() == 0, gunicorn.log
            assert "Traceback" not in gunicorn.log, gunicorn.log


def test_one_of_the_workers_has_the_status_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = free_port()
    monkeypatch.setenv("STATUS_PAGE", f"127.0.0.1:{page}")
    with Gunicorn(tmp_path, "-w", "2") as gunicorn, razorg.connect(gunicorn.addresses) as pool:
        first = set(gunicorn.workers(2))
        assert pid_on(page) in first
        gunicorn.reload(2)
        gunicorn.until(lambda: pid_on(page) not in {*first, 0}, "one of the new ones has it")
        assert who(pool) not in first
        gunicorn.signal(signal.SIGTERM)
        assert gunicorn.wait() == 0, gunicorn.log
        assert "Traceback" not in gunicorn.log, gunicorn.log


def test_more_and_fewer_workers(tmp_path: Path) -> None:
    with Gunicorn(tmp_path, "-w", "1") as gunicorn, razorg.connect(gunicorn.addresses) as pool:
        first = who(pool)
        gunicorn.signal(signal.SIGTTIN)
        eventually(lambda: len(gunicorn.booted) == 2, PATIENCE, "a second one starts")
        gunicorn.signal(signal.SIGTTOU)
        eventually(lambda: gunicorn.exited == [first], PATIENCE, "the older one ends")
        eventually(lambda: who(pool) == gunicorn.booted[1], PATIENCE, "the younger one answers")
        hooks = (tmp_path / "hooks").read_text().split("\n")
        assert f"post_fork {first}" in hooks and f"worker_exit {first}" in hooks


# the heartbeat and the number of requests


def test_only_a_handler_that_stops_the_hub_is_killed(tmp_path: Path) -> None:
    with Gunicorn(tmp_path, "-w", "1", "--timeout", "1") as gunicorn, razorg.connect(gunicorn.addresses) as pool:
        first = who(pool)
        assert pool.client(Witness).slow(1, 2200) == answer_of(1)
        assert who(pool) == first, "cooperative waiting is no reason"
        blocked = pool.submit("Blocker.block")
        eventually(lambda: len(gunicorn.booted) == 2, PATIENCE, f"it is replaced:\n{gunicorn.log}")
        with pytest.raises((razorg.ConnectionLost, razorg.InternalError)):
            blocked.get(timeout=PATIENCE)  # SIGABRT ends the handler, if not the process
        assert "WORKER TIMEOUT" in gunicorn.log
        eventually(lambda: who(pool) != first, PATIENCE, "another one answers")


def test_a_worker_that_drains_is_alive(tmp_path: Path) -> None:
    with Gunicorn(tmp_path, "-w", "1", "--timeout", "1") as gunicorn, razorg.connect(gunicorn.addresses) as pool:
        call = razorg.submit(pool.client(Witness).slow, 1, 2500)
        eventually(lambda: gunicorn.executions(), PATIENCE, "it runs")
        gunicorn.signal(signal.SIGTTIN)
        gunicorn.workers(2)
        gunicorn.signal(signal.SIGTTOU)  # not a reload: there newer versions look at no heartbeat
        assert call.get() == answer_of(1)
        gunicorn.until(lambda: len(gunicorn.exited) == 1, "it ends")
        assert "WORKER TIMEOUT" not in gunicorn.log, gunicorn.log


def test_a_worker_ends_after_so_many_requests(tmp_path: Path) -> None:
    with Gunicorn(tmp_path, "-w", "1", "--max-requests", "30") as gunicorn:
        with razorg.connect(gunicorn.addresses) as pool:
            witness = pool.client(Witness)
            done = 0
            while len(gunicorn.booted) < 3:
                done += 1
                assert witness.read(done) == answer_of(done)
            assert done >= 30
        assert "Traceback" not in gunicorn.log


def test_a_worker_whose_server_was_stopped_makes_room_for_another(tmp_path: Path) -> None:
    with Gunicorn(tmp_path, "-w", "1") as gunicorn:
        with razorg.connect(gunicorn.addresses) as pool:
            assert pool.call("Blocker.stop") == gunicorn.booted[0]
            eventually(lambda: len(gunicorn.booted) == 2, PATIENCE, "another one is started")
            assert who(pool) == gunicorn.booted[1] != gunicorn.booted[0]
        assert "Traceback" not in gunicorn.log


# binds and applications


def test_several_binds(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with Gunicorn(tmp_path, "-w", "2", "-b", "127.0.0.1:0", "-b", f"unix:{path}") as gunicorn:
        addresses = gunicorn.addresses
        assert len(addresses) == 2 and addresses[1] == f"unix://{path}"
        for address in addresses:
            with razorg.connect([address]) as pool:
                first = who(pool)
                assert first in gunicorn.booted
                old = gunicorn.reload(2)
                assert first in old
                assert who(pool) not in old
        gunicorn.signal(signal.SIGTERM)
        assert gunicorn.wait() == 0
        assert not path.exists()


def test_preload(tmp_path: Path) -> None:
    with Gunicorn(tmp_path, "-w", "2", "--preload") as gunicorn:
        answers = set()
        for _ in range(4):
            with razorg.connect(gunicorn.addresses[0]) as pool:
                pid, state, loaded_by = pool.client(Witness).who().split()
                answers.add((state.rstrip(","), int(loaded_by)))
                assert int(pid) in gunicorn.booted
        assert answers == {("new", gunicorn.pid)}


@pytest.mark.parametrize(
    ("app", "code", "text"),
    [
        ("wrong", 4, "serves a razorg.RpcServer, not <function wrong"),
        ("nowhere", 3, "cannot listen at unix:///no/such/folder/s"),
    ],
)
def test_what_cannot_be_served_stops_gunicorn(
    tmp_path: Path, app: str, code: int, text: str
) -> None:
    # With more workers gunicorn may get two exit codes at once, and stumble over the second.
    with Gunicorn(tmp_path, "-w", "1", app=f"support.gunicorn_app:{app}") as gunicorn:
        assert gunicorn.wait() == code
        assert len(gunicorn.booted) == 1, "it does not try for ever"
        assert text in gunicorn.log, gunicorn.log


def test_there_is_no_tls(tmp_path: Path) -> None:
    for name in ("cert", "key"):
        (tmp_path / name).touch()
    with Gunicorn(tmp_path, "--certfile", str(tmp_path / "cert"), "--keyfile", str(tmp_path / "key")) as gunicorn:
        assert gunicorn.wait() == 4
        assert "has no TLS" in gunicorn.log


@pytest.mark.parametrize("worker", ["sync", "razorg.gunicorn.Worker"])
def test_an_http_client_is_told_how_it_is_served(tmp_path: Path, worker: str) -> None:
    with Gunicorn(tmp_path, worker=worker) as gunicorn:
        url = gunicorn.addresses[0].replace("tcp://", "http://")

        def fetch() -> tuple[int, bytes]:
            try:
                urllib.request.urlopen(url, timeout=10)
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read()
            raise AssertionError("it answers HTTP")

        status, body = gevent.get_hub().threadpool.apply(fetch)
        assert status == 426 and b"gunicorn -k razorg.gunicorn.Worker" in body
