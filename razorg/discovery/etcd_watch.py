"""What is below a prefix of etcd, followed: read, then watched, then read again.

etcd3gw speaks to etcd's gateway by HTTP, with ``requests``: it blocks the native thread that it
has, unless the process is patched, and then its greenlet.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Callable
from time import monotonic
from typing import Any

import requests
from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import Etcd3Exception

from razorg.discovery.loop import Loop
from razorg.discovery.registry import EngineUrl
from razorg.transport.original import system_socket

#: How long an answer of etcd may take.
ANSWER_SECONDS = 3.0
#: After so long without an event the prefix is read again: an etcd that is silent may be dead.
_QUIET_SECONDS = 10.0
#: The prefix is read so often at most: what changes in between is read together.
_READ_SECONDS = 0.05
#: A watch that ends so soon, without an event, is a failure.
_AT_ONCE_SECONDS = 1.0
_AGAIN_MIN_SECONDS = 0.2
_AGAIN_MAX_SECONDS = 1.0
#: What may go wrong between here and etcd; ValueError, KeyError: what came is no answer of etcd's.
FAILURES = (requests.RequestException, Etcd3Exception, OSError, ValueError, KeyError, TypeError)


def client_of(
    where: EngineUrl, attempt: int, answer_seconds: float = ANSWER_SECONDS
) -> Etcd3Client:
    """A client of one of the URL's hosts: each attempt takes the next one."""
    host, port = where.hosts[attempt % len(where.hosts)]
    tls = where.scheme == "etcd+https"
    client = Etcd3Client(
        host,
        port,
        protocol="https" if tls else "http",
        ca_cert=where.options.get("ca"),
        cert_cert=where.options.get("cert"),
        cert_key=where.options.get("key"),
        timeout=answer_seconds,
        api_path="/v3/",
    )
    client.session.trust_env = False  # REQUESTS_CA_BUNDLE would replace the URL's ca
    return client


def failure(where: EngineUrl, error: BaseException) -> ConnectionError:
    """In few words: what requests says of an error goes on for lines."""
    if isinstance(error, Etcd3Exception):
        text = str(error.detail_text or error)
        if "Connection refused" in text:
            text = "connection refused"
    else:
        text = str(error)
    return ConnectionError(f"etcd at {where.netloc}: {type(error).__name__}: {text:.160}")


class PrefixWatch:
    """Gives all keys below a prefix, after each change; or why they cannot be known."""

    def __init__(
        self,
        where: EngineUrl,
        prefix: str,
        changed: Callable[[dict[str, bytes]], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._where = where
        self._prefix = prefix.encode()
        self._changed = changed
        self._failed = failed
        self._handle: Any = None
        self._read_at = 0.0
        self._found: dict[str, bytes] | None = None
        #: Whether a watch runs: what is there without one may be old at once.
        self._is_watched = True
        self._loop = Loop(f"etcd://{where.netloc}", self._run, blocks=True)

    def close(self) -> None:
        """Give nothing more; from any thread, never blocks."""
        self._loop.close()
        handle = self._handle
        if handle is not None:
            with contextlib.suppress(OSError):  # closed just now
                handle.shutdown(2)  # its reader wakes

    def _run(self, loop: Loop) -> None:
        self._loop = loop  # it may run before the constructor has it
        attempt = 0
        pause = _AGAIN_MIN_SECONDS
        while not loop.is_closing:
            client = client_of(self._where, attempt)
            began = monotonic()
            try:
                while not loop.is_closing:
                    revision = self._read(client)
                    self._watch(client, revision + 1)
            except FAILURES as error:
                self._is_watched = False
                if monotonic() - began > _AT_ONCE_SECONDS:
                    pause = _AGAIN_MIN_SECONDS
                if not loop.is_closing:
                    self._failed(failure(self._where, error))
                    loop.wait(pause)
                attempt += 1
                pause = min(2 * pause, _AGAIN_MAX_SECONDS)
            finally:
                client.session.close()

    def _read(self, client: Etcd3Client) -> int:
        """Tell what is there; the revision at which that was so."""
        self._read_at = monotonic()
        answer: Any = client.post(
            client.get_url("/kv/range"),
            json={"key": _b64(self._prefix), "range_end": _b64(_after(self._prefix))},
        )
        revision = int(answer["header"]["revision"])
        found = {
            base64.b64decode(item["key"]).decode(errors="replace"): base64.b64decode(
                item.get("value", "")
            )
            for item in answer.get("kvs", [])
        }
        is_news = found != self._found
        self._found = found
        if is_news or self._is_watched:
            self._tell()
        return revision

    def _tell(self) -> None:
        if not self._loop.is_closing:
            self._changed(dict(self._found or {}))

    def _watch(self, client: Etcd3Client, revision: int) -> None:
        """Read again after events from the revision on; returns after a time of silence, or when
        etcd ends it, which is a failure when it does so at once."""
        began = monotonic()
        is_used = False
        end = b""
        wanted: dict[str, Any] = {
            "key": _b64(self._prefix),
            "range_end": _b64(_after(self._prefix)),
            "start_revision": revision,
        }
        with client.session.post(
            client.get_url("/watch"),
            json={"create_request": wanted},
            stream=True,
            timeout=(ANSWER_SECONDS, _QUIET_SECONDS),
        ) as response:
            response.raise_for_status()
            self._handle = system_socket(fileno=os.dup(response.raw.fileno()))
            try:
                for line in response.iter_lines(chunk_size=65536):
                    if self._loop.is_closing:
                        return
                    if b'"events"' in line:
                        is_used = True
                        if _revision(line) >= revision:  # not read yet
                            rest = self._read_at + _READ_SECONDS - monotonic()
                            if self._loop.wait(max(rest, 0.0)):
                                return
                            revision = self._read(client) + 1
                    elif b'"canceled"' in line or b'"error"' in line:
                        end = line
                        break
                    elif not self._is_watched:
                        self._is_watched = True
                        self._tell()
            except requests.ConnectionError as error:
                if "Read timed out" not in str(error):
                    raise
            finally:
                handle, self._handle = self._handle, None
                handle.close()
        if not is_used and monotonic() - began < _AT_ONCE_SECONDS:
            raise ConnectionError(f"the watch ended at once {end.decode(errors='replace')}")


def _revision(line: bytes) -> int:
    """That of etcd when it sent these events."""
    return int(json.loads(line)["result"]["header"]["revision"])


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _after(prefix: bytes) -> bytes:
    """The first key behind all those that begin with the prefix, which ends with a slash."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
