"""The command ``razorg``: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import gevent
import pyte
import pytest
from click.testing import CliRunner, Result
from support.peers import memory_url, wait_until
from support.typed import ROOT, ended, line_of, outcome, start

import razorg
from razorg.cli import reloading
from razorg.cli.main import cli


class NotFound(razorg.ErrorText):
    pass


class Code(razorg.ErrorCode):
    pass


@dataclass
class Detail(razorg.ErrorValue):
    reason: str
    hint: Optional[str] = None


@razorg.service
class Shop:
    """Sells things."""

    def add(self, a: int, b: int) -> int:
        """The sum."""
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def raw(self) -> bytes:
        return b"\xff\x00"

    @razorg.method(raises=NotFound, idempotent=True)
    def find(self, name: str, count: int = 1) -> str:
        if name == "x":
            raise NotFound("there is no x")
        return name * count

    @razorg.method(raises=(Code, Detail))
    def fail(self, how: str) -> None:
        raise Code(7) if how == "code" else Detail("because")

    @razorg.method(requires="admin")
    def secret(self) -> None: ...

    def slow(self, seconds: float) -> None:
        gevent.sleep(seconds)

    def bug(self) -> None:
        raise ValueError("undeclared")


class Raw(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        respond.ok({"action": request.action, "msg": request.decode()} if request.msg else None, request.blob)


@pytest.fixture
def server() -> Iterator[razorg.RpcServer]:
    with razorg.RpcServer(["tcp://127.0.0.1:0", memory_url()], [Shop()], dispatch=Raw()) as running:
        yield running


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def at(server: razorg.RpcServer) -> str:
    return server.addresses[1]


@pytest.mark.parametrize("arguments, printed", [
    (["Shop.add", "1", "2"], 3),
    (["Shop.add", "b=2", "a=5"], 7),
    (["Shop.echo", "word"], "word"),
    (["Shop.echo", "Ünï ✓"], "Ünï ✓"),
    (["Shop.echo", '{"a": [1, null, true]}'], {"a": [1, None, True]}),
    (["Shop.echo", "{'a': (1, None)}"], {"a": [1, None]}),
    (["Shop.echo", "-5"], -5),
    (["Shop.echo", "a=b"], "a=b"),
    (["Shop.find", "name=ab", "count=2"], "abab"),
    (["Shop.find", "ab", "count=2"], "abab"),
    (["Shop.find", "ab"], "ab"),
    (["Shop.find", "name=ab"], "ab"),
    (["Shop.raw"], {"base64": "/wA="}),
    (["3", '{"inode": 1}'], {"action": 3, "msg": {"inode": 1}}),
    (["some-name", "5"], {"action": "some-name", "msg": 5}),
    (["3", "1", "--blob", "data"], {"msg": {"action": 3, "msg": 1}, "blob": "data"}),
])
def test_call(server: razorg.RpcServer, arguments: list[str], printed: Any) -> None:
    result = run("call", at(server), *arguments, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == printed
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("arguments, code, words", [
    (["Shop.find", "x", "1"], 1, "there is no x"),
    (["Shop.fail", "code"], 1, "error 7"),
    (["Shop.fail", "detail"], 1, "because"),
    (["Shop.add", "1"], 2, "missing b"),
    (["Shop.add", "1", "2", "3"], 2, "takes 2 arguments, not 3"),
    (["Shop.add", "1", "2", "b=3"], 2, "twice b"),
    (["Shop.find"], 2, "missing name"),
    (["Shop.add", "a=1"], 2, "missing b"),
    (["3", "1", "2"], 2, "takes one message"),
    (["Shop.slow", "5", "--timeout", "0.05"], 4, "--timeout gives it longer"),
    (["Shop.nothing"], 5, "lists its methods"),
    (["Nobody.nothing"], 0, ""),
    (["Shop.secret"], 5, "authorize"),
    (["Shop.bug"], 5, "the server's log says more"),
    (["Shop.add", "x", "y"], 5, "DecodeError"),
])
def test_how_a_call_fails(server: razorg.RpcServer, arguments: list[str], code: int, words: str) -> None:
    result = run("call", at(server), *arguments)
    assert result.exit_code == code, result.output
    assert words in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("arguments, code, words", [
    (["call", "127.0.0.1:1", "A.b"], 3, "is a server running there"),
    (["call", "nonsense://x:1", "A.b"], 2, "no transport for nonsense://"),
    (["call", "tcp://127.0.0.1", "A.b"], 2, "has no port"),
    (["call", "tls://127.0.0.1:1", "A.b", "--tls-ca", "/nowhere"], 2, "/nowhere"),
    (["ping", "127.0.0.1:1", "-c", "1"], 3, "no pong at all"),
    (["ls", "127.0.0.1:1"], 3, "Unreachable"),
    (["bench", "127.0.0.1:1", "--seconds", "0.1"], 3, "is a server running there"),
    (["serve", "nothing_like_it:x"], 2, "there is no module"),
    (["serve", "json"], 2, "expected MODULE:OBJECT"),
    (["serve", "json:nothing"], 2, "has no 'nothing'"),
    (["serve", "json:dumps", "--bind", "tcp://127.0.0.1:0"], 2, "dumps: missing a required argument: 'obj'; serve a function without"),
    (["replay", __file__, "127.0.0.1:1"], 2, "is no recording"),
    (["nothing"], 2, "No such command"),
])
def test_mistakes(arguments: list[str], code: int, words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert words in result.output


def test_a_blob_from_a_file_and_into_one(server: razorg.RpcServer, tmp_path: Path) -> None:
    data = bytes(range(256)) * 100
    (tmp_path / "in").write_bytes(data)
    result = run("call", at(server), "3", "1", "--blob", f"@{tmp_path}/in", "--out", f"{tmp_path}/out", "--json")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out").read_bytes() == data


def test_ls(server: razorg.RpcServer) -> None:
    result = run("ls", at(server))
    assert result.exit_code == 0
    assert "Shop Sells things." in result.output
    assert "find(name: str, count: int = 1) -> str  raises NotFound (text)  idempotent" in result.output
    assert "secret() -> None  requires admin" in result.output
    assert json.loads(run("ls", at(server), "Shop.add", "--json").output)["Shop"]["methods"].keys() == {"add"}
    assert run("ls", at(server), "Nothing").exit_code == 2
    assert "it has: add" in run("ls", at(server), "Shop.nothing").output


def test_ping(server: razorg.RpcServer) -> None:
    result = run("ping", at(server), "-c", "3", "-i", "0")
    assert result.exit_code == 0
    assert result.output.count("pong from") == 3
    assert "3 pongs, 0 lost" in result.output and "serving for" in result.output
    told = json.loads(run("ping", at(server), "-c", "2", "-i", "0", "--json").output)
    assert (told["pongs"], told["lost"], len(told["ms"])) == (2, 0, 2)


def test_bench(server: razorg.RpcServer, tmp_path: Path) -> None:
    told = json.loads(run("bench", at(server), "Shop.add", "1", "2", "--calls", "500", "--json").output)
    assert told["calls"] == 500 and told["errors"] == {}
    assert told["latency"]["p50"] <= told["latency"]["p99"] <= told["latency"]["max"]
    plot = tmp_path / "p.svg"
    result = run("bench", at(server), "--seconds", "0.3", "--rate", "200", "--plot", str(plot))
    assert result.exit_code == 0 and "calls/s" in result.output
    assert plot.read_text().startswith("<svg") and "polyline" in plot.read_text()
    told = json.loads(run("bench", at(server), "--seconds", "0.2", "--blob-bytes", "1000", "--json").output)
    assert told["megabytes_per_second"] > 0
    told = json.loads(run("bench", at(server), "Shop.slow", "0.05", "--calls", "20", "--callers", "20", "--json").output)
    assert told["latency"]["p50"] >= 0.05


def test_bench_at_a_rate_tells_of_a_stall(server: razorg.RpcServer) -> None:
    """Calls that were due while the server stood still have waited, though they were made later."""
    command = ("bench", at(server), "Shop.slow", "0.1", "--rate", "100", "--callers", "1", "--seconds", "0.6", "--json")
    told = json.loads(run(*command).output)
    assert told["latency"]["max"] > 0.3


def test_doctor(server: razorg.RpcServer) -> None:
    result = run("doctor", at(server))
    assert "answers a ping" in result.output and "serving, razorg" in result.output
    assert run("doctor", "127.0.0.1:1").exit_code == 1
    findings = json.loads(run("doctor", "--json").output)
    assert all(set(finding) == {"is_well", "text", "advice"} for finding in findings)


def test_stubgen_python_is_typed_and_works(server: razorg.RpcServer, tmp_path: Path) -> None:
    path = tmp_path / "stub.py"
    assert run("stubgen", at(server), "--out", str(path)).exit_code == 0
    names: dict[str, Any] = {"__name__": "stub"}
    sys.modules["stub"] = type(sys)("stub")
    names = sys.modules["stub"].__dict__
    exec(compile(path.read_text(), str(path), "exec"), names)
    with razorg.connect(at(server)) as pool:
        client = pool.client(names["Shop"])
        assert client.add(1, 2) == 3
        assert client.find("ab", 2) == "abab"
        assert client.find("ab") == "ab"
        with pytest.raises(names["NotFound"], match="there is no x"):
            client.find("x", 1)
        with pytest.raises(names["Detail"]) as caught:
            client.fail("detail")
        assert (caught.value.reason, caught.value.hint) == ("because", None)
    del sys.modules["stub"]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(path)], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
    )
    assert checked.returncode == 0, checked.stdout


def test_stubgen_rust(server: razorg.RpcServer) -> None:
    text = run("stubgen", at(server), "--lang", "rust").output
    assert "async fn add(&self, args: (i64, i64)) -> Result<i64, RpcError<()>>;" in text
    assert "async fn find(&self, args: (String, i64)) -> Result<String, RpcError<String>>;" in text
    assert "// echo is left out: no Rust for Any" in text
    assert "// fail is left out: its errors travel as code and value" in text


# processes

MODULE = """
import gevent, razorg
@razorg.service
class Shop:
    def version(self) -> int:
        return {version}
    def slow(self) -> int:
        gevent.sleep(0.3)
        return {version}
shops = [Shop()]
def make():
    return razorg.RpcServer("tcp://127.0.0.1:0", [Shop()])
ready_made = make()
class Raw(razorg.Dispatch):
    def dispatch(self, request, respond):
        respond.ok(request.action)
"""


@pytest.mark.parametrize("target, how", [
    ("shop:Shop", signal.SIGTERM), ("shop:shops", signal.SIGINT), ("shop:make", signal.SIGTERM), ("shop:Raw", signal.SIGINT),
])
def test_serve(target: str, how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(MODULE.format(version=1))
    process = start("serve", target, "--bind", "tcp://127.0.0.1:0", FOLDER=str(tmp_path))
    line = line_of(process)
    address = line.split()[-1]
    assert line.startswith(f"serving {target} at tcp://127.0.0.1:")
    with razorg.connect(address) as pool:
        if target == "shop:Raw":
            assert pool.send(4).get(10).msg == 4
        else:
            assert pool.call("Shop.version") == 1
    process.send_signal(how)
    assert outcome(process) == (0, "", "")


@pytest.mark.parametrize("target, bind", [
    ("shop:Shop", ["--bind", "tcp://127.0.0.1:0"]), ("shop:ready_made", []),
])
def test_serve_hands_over_at_sighup(target: str, bind: list[str], tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(MODULE.format(version=1))
    process = start("serve", target, *bind, FOLDER=str(tmp_path))
    address = line_of(process).split()[-1]
    with razorg.connect([address]) as pool:
        assert pool.call("Shop.version") == 1
        (tmp_path / "shop.py").write_text(MODULE.format(version=22))
        process.send_signal(signal.SIGHUP)
        successor = line_of(process)  # on the same pipe
        assert successor.split()[-1] == address
        # A call may be on its way when the predecessor says that it reads no more: nobody knows then
        # whether it ran, so only what may run twice is tried again.
        wait_until(lambda: pool.call("Shop.version", idempotent=True) == 22)
        pid = pool.call("Razorg.health")["pid"]
    assert pid != process.pid
    os.kill(pid, signal.SIGTERM)
    assert ended(process) == 0


def test_what_a_reload_looks_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is hidden below the folder; above it no name matters."""
    for name in (".work/shop/a.py", ".work/shop/b/c.py", ".work/shop/.venv/d.py", ".work/shop/__pycache__/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folder = tmp_path / ".work" / "shop"
    monkeypatch.chdir(folder)
    assert {path for path, _ in reloading._sources()} == {str(folder / "a.py"), str(folder / "b" / "c.py")}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_serve_reloads_when_a_file_changes(how: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(MODULE.format(version=1))
    address = f"unix://{tmp_path}/s"
    process = start("serve", "shop:Shop", "--bind", address, "--reload", FOLDER=str(tmp_path))
    assert "serving" in line_of(process)
    with razorg.connect(address) as pool:
        assert pool.call("Shop.version") == 1
    (tmp_path / "shop.py").write_text(MODULE.format(version=2))
    os.utime(tmp_path / "shop.py", (1, 1))
    assert "shop.py has changed" in line_of(process)
    assert "serving" in line_of(process)
    with razorg.connect(address) as pool:
        assert pool.call("Shop.version") == 2
        running = gevent.spawn(pool.call, "Shop.slow")
        wait_until(lambda: pool.call("Razorg.health")["running"] == 2)
        os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)  # as a terminal does
        assert running.get() == 2
    assert outcome(process) == (0, "", "")  # and nobody else has its pipes


def test_record_and_replay_ten_thousand_calls(server: razorg.RpcServer, tmp_path: Path) -> None:
    recording = str(tmp_path / "calls.rec")
    process = start("record", "tcp://127.0.0.1:0", server.addresses[0], "--out", recording, "--calls", "10000")
    found = re.search(r"recording at (\S+)", line_of(process))
    assert found
    with razorg.connect(found[1], window=500) as pool:
        client = pool.client(Shop)
        futures: list[Any] = []
        for number in range(10_000):
            kind = number % 5
            futures.append(
                razorg.submit(client.add, number, 1) if kind < 2
                else razorg.submit(client.find, "x" if kind == 2 else "abc", 2) if kind < 4
                else pool.send(number % 100 + 1, {"n": number}, blob=b"b" * (number % 50 + 1))
            )
        gevent.joinall(futures, timeout=30)
    assert "10,0" in line_of(process)
    assert ended(process) == 0
    replayed = start("replay", recording, server.addresses[0])
    assert re.search(r"10,\d\d\d calls in .*, 0 differ", line_of(replayed))
    assert ended(replayed) == 0
    with razorg.RpcServer("tcp://127.0.0.1:0", [Shop()]) as other:  # without the Dispatch
        replayed = start("replay", recording, other.addresses[0])
        assert "2,000 differ" in line_of(replayed)
        assert ended(replayed) == 1


def test_top_on_a_screen(server: razorg.RpcServer) -> None:
    """Under a pseudo-terminal, against a thousand calls a second."""

    def load() -> None:
        with razorg.connect(server.addresses[0]) as pool:
            client = pool.client(Shop)
            while True:
                for _ in range(10):
                    client.add(1, 2)
                try:
                    client.find("x", 1)
                except NotFound:
                    pass
                gevent.sleep(0.01)

    calling = gevent.spawn(load)
    screen = pyte.Screen(110, 30)
    stream = pyte.ByteStream(screen)
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "110", "LINES": "30"}
        os.execve(sys.executable, [sys.executable, "-m", "razorg", "top", server.addresses[0], "-i", "0.5"], environment)
    try:
        seen = ""

        def shows_calls() -> bool:
            nonlocal seen
            if select.select([terminal], [], [], 0)[0]:
                stream.feed(os.read(terminal, 65536))
            seen = "\n".join(line.rstrip() for line in screen.display)
            rate = re.search(r"Shop\.add\s+(\d[\d,]*)", seen)
            return bool(rate and int(rate[1].replace(",", "")) > 200 and "NotFound" in seen)

        wait_until(shows_calls)
    finally:
        os.kill(pid, signal.SIGINT)
        _, status = gevent.get_hub().threadpool.apply(os.waitpid, (pid, 0))
        os.close(terminal)
        calling.kill()
    print(seen)
    assert os.waitstatus_to_exitcode(status) == 130
    assert server.addresses[0] in seen and "serving for" in seen
    assert re.search(r"Shop\.find\s+\d+\s+\d+", seen)


def test_top_as_json_and_a_server_that_is_away() -> None:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Shop()]) as server:
        address = server.addresses[0]
        result = run("top", address, "-n", "1", "-i", "0.1", "--json")
        told = json.loads(result.output.splitlines()[-1])
        assert told["server"]["status"] == "serving"
        assert {line["action"] for line in told["methods"]} >= {"Shop.add", "Razorg.stats"}
        assert result.exit_code == 0
    result = run("top", address, "-n", "2", "-i", "0.1", "--json")
    assert ["Unreachable" in json.loads(look)["error"] for look in result.output.splitlines()] == [True, True]
    assert result.exit_code == 3


def test_without_click_it_says_what_is_missing() -> None:
    code = "import sys; sys.modules['click'] = None; sys.argv = ['razorg']; import razorg.cli.start as s; s.main()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert run.returncode == 2
    assert "pip install 'razorg[cli]'" in run.stderr or "click" in run.stderr


def test_importing_razorg_imports_no_extra() -> None:
    code = "import razorg, sys; print([m for m in ('click', 'rich', 'prometheus_client', 'opentelemetry', 'ssl', 'kazoo') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert run.stdout.strip() in ("[]", "['ssl']"), run.stdout
