"""ZooKeeper and etcd as Debian packages them, on loopback, with their data in a folder of the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket as gsocket

from support.nodes import _reserve_port, eventually

ZK_SERVER = Path("/usr/share/zookeeper/bin/zkServer.sh")
START_SECONDS = 60.0  # Java on a busy machine
HOST = "127.0.0.2"


class Engine:
    """A server process that can be killed and started again on the same data and port."""

    scheme = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self._reserved = _reserve_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / f"{self.scheme}.log"

    def url(self, path: str = "/services/cal", timeout: float = 2) -> str:
        return f"{self.scheme}://{HOST}:{self.port}{path}?timeout={timeout:g}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            # It ends with us, even when we are killed.
            leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
            self._process = subprocess.Popen(
                [*leash, *self.command()], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.environment()}, start_new_session=True,
            )
        try:
            eventually(self.answers, START_SECONDS, f"{self.scheme} answers")
        except AssertionError:
            raise AssertionError(self._log.read_text()[-3000:]) from None

    def pause(self) -> None:
        """SIGSTOP: it is there, and says nothing; ``kill`` ends it all the same."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        process = self._process
        assert process is not None
        os.killpg(process.pid, signal.SIGKILL)
        eventually(lambda: process.poll() is not None, 20, "it ends")
        self._process = None

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        self._reserved.close()

    def names(self) -> list[str]:
        """What is there for the service."""
        raise NotImplementedError

    def entries(self) -> list[str]:
        """The servers that are there."""
        return [name for name in self.names() if name != "leader"]

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def answers(self) -> bool:
        raise NotImplementedError


class ZooKeeper(Engine):
    scheme = "zk"

    @staticmethod
    def missing() -> str:
        """Why it cannot be had; empty when it can."""
        if not ZK_SERVER.exists():
            return f"there is no {ZK_SERVER}: apt-get install zookeeper"
        return "" if shutil.which("java") else "there is no java"

    def command(self) -> list[str]:
        config = self.folder / "zoo.cfg"
        config.write_text(
            f"tickTime=200\ndataDir={self.folder}/zk\nclientPort={self.port}\n"
            f"clientPortAddress={HOST}\nadmin.enableServer=false\nmaxClientCnxns=0\n"
            "minSessionTimeout=400\nmaxSessionTimeout=60000\n4lw.commands.whitelist=ruok\n"
        )
        (self.folder / "zk").mkdir(exist_ok=True)
        return [str(ZK_SERVER), "start-foreground", str(config)]

    def environment(self) -> dict[str, str]:
        return {
            "ZOO_LOG_DIR": str(self.folder), "JMXDISABLE": "true", "JVMFLAGS": "-Xmx128m",
            "ZOOPIDFILE": str(self.folder / "zk.pid"),
        }

    def answers(self) -> bool:
        try:
            with gsocket.create_connection((HOST, self.port), 2) as sock:
                sock.sendall(b"ruok")
                return sock.recv(4) == b"imok"
        except OSError:
            gevent.sleep(0.1)
            return False

    def client(self) -> Any:
        """A client of the test's own."""
        from kazoo.client import KazooClient
        from kazoo.handlers.gevent import SequentialGeventHandler

        client = KazooClient(f"{HOST}:{self.port}", handler=SequentialGeventHandler())
        client.start(START_SECONDS)
        return client

    def put(self, name: str, data: bytes) -> None:
        """What somebody else has put there: it stays."""
        client = self.client()
        try:
            client.ensure_path("/services/cal")
            path = f"/services/cal/{name}"
            client.set(path, data) if client.exists(path) else client.create(path, data, makepath=True)
        finally:
            client.stop()
            client.close()

    def delete(self, name: str) -> None:
        client = self.client()
        try:
            client.delete(f"/services/cal/{name}")
        finally:
            client.stop()
            client.close()

    def names(self) -> list[str]:
        client = self.client()
        try:
            return sorted(client.get_children("/services/cal")) if client.exists("/services/cal") else []
        finally:
            client.stop()
            client.close()

    def lead(self, address: str | None) -> None:
        """Let this address lead, or nobody."""
        client = self.client()
        try:
            path = "/services/cal/leader"
            client.ensure_path(path)
            for name in client.get_children(path):
                client.delete(f"{path}/{name}")
            if address is not None:
                client.create(f"{path}/test__lock__", address.encode(), sequence=True)
        finally:
            client.stop()
            client.close()


class Etcd(Engine):
    scheme = "etcd"

    @staticmethod
    def missing() -> str:
        return "" if shutil.which("etcd") else "there is no etcd: apt-get install etcd-server"

    def command(self) -> list[str]:
        peer, reserved = _reserve_port()
        reserved.close()
        url, peer_url = f"http://{HOST}:{self.port}", f"http://127.0.0.2:{peer}"
        return [
            "etcd", "--data-dir", str(self.folder / "etcd"), "--listen-client-urls", url,
            "--advertise-client-urls", url, "--listen-peer-urls", peer_url,
            "--initial-advertise-peer-urls", peer_url, "--initial-cluster", f"default={peer_url}",
        ]

    def answers(self) -> bool:
        try:
            with gsocket.create_connection((HOST, self.port), 2) as sock:
                sock.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                data = b""
                while part := sock.recv(4096):
                    data += part
                return b'"health":"true"' in data
        except OSError:
            gevent.sleep(0.1)
            return False

    def _post(self, path: str, **body: Any) -> Any:
        import base64
        import json

        for name in ("key", "value", "range_end"):
            if name in body:
                body[name] = base64.b64encode(body[name]).decode()
        data = json.dumps(body).encode()
        url = f"http://{HOST}:{self.port}/v3/kv/{path}"
        return gevent.get_hub().threadpool.apply(
            lambda: json.loads(urllib.request.urlopen(url, data, timeout=10).read())
        )

    def put(self, name: str, data: bytes) -> None:
        self._post("put", key=f"/services/cal/{name}".encode(), value=data)

    def delete(self, name: str) -> None:
        self._post("deleterange", key=f"/services/cal/{name}".encode())

    def names(self) -> list[str]:
        import base64

        found = self._post("range", key=b"/services/cal/", range_end=b"/services/cal0").get("kvs", [])
        return sorted(base64.b64decode(item["key"]).decode().rpartition("/")[2] for item in found)

    def lead(self, address: str | None) -> None:
        self.delete("leader") if address is None else self.put("leader", address.encode())


ENGINES: dict[str, type[Any]] = {"zk": ZooKeeper, "etcd": Etcd}


def engine(kind: str, folder: Path) -> Any:
    """A running engine; skips the test, with the reason, where it cannot be had."""
    reason = ENGINES[kind].missing()
    if reason:
        pytest.skip(reason)
    made = ENGINES[kind](folder)
    try:
        made.start()
    except BaseException:
        made.close()
        raise
    return made
