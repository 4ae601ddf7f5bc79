"""The status page: over HTTP, and in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent
import gevent.os
import pytest
from gevent import socket
from support.peers import wait_until

import razorg
import razorg.status
from razorg.errors import LocalProtocolError

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@razorg.service
class Shop:
    def price(self, item: str) -> int:
        return 3

    @razorg.method(raises=OSError)
    def fail(self) -> None:
        raise OSError(2, "x")


@contextmanager
def shown(**options: Any) -> Iterator[tuple[razorg.RpcServer, razorg.ClientPool]]:
    with razorg.RpcServer("tcp://127.0.0.1:0", [Shop()], status="127.0.0.1:0", **options) as server:
        with razorg.connect(server.addresses[0]) as pool:
            yield server, pool


def get(server: razorg.RpcServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    assert server.status_url is not None
    host, _, port = server.status_url.removeprefix("http://").rstrip("/").rpartition(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while part := sock.recv(65536):
            data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest)
    return int(first.split()[1]), headers, body


def test_the_routes() -> None:
    with shown() as (server, pool):
        status, headers, body = get(server, "/")
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert b"<title>razorg</title>" in body
        assert b"http://" not in body and b"https://" not in body  # nothing from elsewhere
        status, _, body = get(server, "/healthz")
        assert (status, json.loads(body)["status"]) == (200, "serving")
        get(server, "/stats")
        pool.client(Shop).price("x")
        status, _, body = get(server, "/stats")
        assert json.loads(body)["methods"]["Shop.price"]["calls"] == 1
        assert get(server, "/nothing")[0] == 404
        assert get(server, "/../etc/passwd")[0] in (400, 404)
        assert get(server, "/", "POST")[0] == 405
        assert get(server, "/", "HEAD")[2] == b""


def test_what_is_no_http_leaves_no_line(capfd: pytest.CaptureFixture[str]) -> None:
    with shown() as (server, _):
        assert server.status_url is not None
        host, _, port = server.status_url.removeprefix("http://").rstrip("/").rpartition(":")
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(b"no such thing\r\n\r\n")
            assert b" 400 " in sock.recv(65536)
    assert capfd.readouterr().err == ""


def test_metrics_on_the_page() -> None:
    with shown(observer=razorg.Observer()) as (server, pool):
        pool.client(Shop).price("x")
        status, _, body = get(server, "/metrics")
        assert status == 200
        assert b'razorg_server_call_seconds_count{method="Shop.price"} 1.0' in body


def test_it_ends_with_the_server_and_says_when_the_server_does_not_serve() -> None:
    with shown() as (server, _):
        page = server._status_page
        server.state = "stopping"
        try:
            assert get(server, "/healthz")[0] == 503
        finally:
            server.state = "serving"
        url = server.status_url
    assert page._http is None
    assert url is not None


def test_an_error_of_the_page_is_no_error_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with shown() as (server, pool):
        def broken() -> Any:
            raise ValueError("broken")

        monkeypatch.setattr(server, "stats", broken)
        assert get(server, "/stats")[0] == 500
        assert pool.client(Shop).price("x") == 3


def test_an_address_that_is_taken_starts_nothing() -> None:
    with shown() as (server, _):
        assert server.status_url is not None
        taken = server.status_url.removeprefix("http://").rstrip("/")
        other = razorg.RpcServer("tcp://127.0.0.1:0", [Shop()], status=taken)
        with pytest.raises(OSError):
            other.start()
        assert other.state == "stopped"
        with pytest.raises(LocalProtocolError):
            other.start()


def test_a_server_at_sockets_that_it_was_given_waits_for_the_address_of_its_page(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another process may serve at them too, and have the page: a predecessor, or gunicorn's other worker."""
    monkeypatch.setattr(razorg.status, "RETRY_SECONDS", 0.01)
    with shown() as (server, _), socket.create_server(("127.0.0.1", 0)) as bound:
        assert server.status_url is not None
        taken = server.status_url.removeprefix("http://").rstrip("/")
        with razorg.RpcServer(bound, [Shop()], status=taken) as other:
            assert other.state == "serving" and other.status_url is None
            assert caplog.text.count(taken) == 1
            gone = server.status_url
            server.stop()
            wait_until(lambda: other.status_url == gone)
            assert get(other, "/healthz")[0] == 200
        assert other.status_url is None
        with shown() as (server, _), socket.create_server(("127.0.0.1", 0)) as bound:
            assert server.status_url is not None
            taken = server.status_url.removeprefix("http://").rstrip("/")
            with razorg.RpcServer(bound, [Shop()], status=taken):
                pass  # one that stops while it waits leaves nothing behind


def test_where_the_page_is_after_a_stop() -> None:
    with shown() as (server, _):
        pass
    assert server.status_url is None


def test_a_forked_child_leaves_the_page_to_its_parent() -> None:
    """Those who look at it keep their connection: the child must not answer there, either."""
    with shown() as (server, _):
        assert server.status_url is not None
        host, _, port = server.status_url.removeprefix("http://").rstrip("/").rpartition(":")
        with socket.create_connection((host, int(port))) as kept:

            def answering() -> int:
                kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                data = b""
                while not data.endswith(b"}"):
                    data += kept.recv(65536)
                return int(json.loads(data.partition(b"\r\n\r\n")[2])["pid"])

            assert answering() == os.getpid()
            ended, ending = os.pipe()
            child = gevent.os.fork()
            if not child:
                os.close(ending)
                gevent.get_hub().threadpool.apply(os.read, (ended, 1))  # its hub runs meanwhile
                os._exit(3 if server.status_url is None else 4)
            os.close(ended)
            for _ in range(50):
                assert json.loads(get(server, "/healthz")[2])["pid"] == os.getpid()
                assert answering() == os.getpid()
            os.close(ending)
            [(_, status)] = [gevent.os.waitpid(child, 0)]
            assert os.waitstatus_to_exitcode(status) == 3


LOOK = """
import sys
from playwright.sync_api import sync_playwright
url, path, browser = sys.argv[1:]
with sync_playwright() as play:
    chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    for _ in range(100):  # the page allows no script but its own, so it is looked at from outside
        rate = page.inner_text("#rate").replace(",", "")
        if rate.replace(".", "").isdecimal() and float(rate) > 5:
            break
        page.wait_for_timeout(200)
    print(page.inner_text("#rate"), "|", page.inner_text("#state"), "|", page.inner_text("#methods"), "|", faults)
    page.screenshot(path=path)
    chromium.close()
"""


@pytest.mark.timeout(90)
def test_in_a_browser(tmp_path: Path) -> None:
    pytest.importorskip("playwright", reason="playwright is not installed: no browser to look with")
    if BROWSER is None:
        pytest.skip("there is no chromium on this machine")
    picture = os.environ.get("RAZORG_SCREENSHOT", str(tmp_path / "status.png"))

    def load() -> None:
        while True:
            pool.client(Shop).price("x")
            try:
                pool.client(Shop).fail()
            except OSError:
                pass
            gevent.sleep(0.01)

    with shown() as (server, pool):
        calling = gevent.spawn(load)
        command = [sys.executable, "-c", LOOK, str(server.status_url), picture, BROWSER]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            output, _ = gevent.get_hub().threadpool.apply(process.communicate)
        calling.kill()
    assert process.returncode == 0
    rate, state, methods, faults = output.split(" | ")
    assert float(rate.replace(",", "")) > 5
    assert state == "serving"
    assert "Shop.price" in methods and "FileNotFoundError" in methods
    assert faults.strip() == "[]"
    assert Path(picture).stat().st_size > 10_000
