"""What the fuzzer throws bytes at: each takes some, and raises when a promise is broken."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any, Optional

import gevent
from support.inputs import golden, same_however_split
from support.peers import ScriptedClient, ScriptedServer
from support.strikes import unbalanced

import razorg
from razorg.wire.parser import RequestParser, ResponseParser

PATIENCE = 10.0
CALLS = 3


@dataclass
class Row:
    id: int
    note: Optional[str] = None


@razorg.service
class Fs:
    def open(self, path: str, flags: int) -> int:
        return len(path) + flags

    def rows(self, rows: list[Row]) -> list[Row]:
        return rows[::-1]

    def anything(self, value: Any) -> Any:
        return value

    @razorg.method(raises=OSError, inline=True)
    def fail(self, number: int) -> None:
        raise OSError(number, "as asked")


class Raw(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        request.decode()
        respond.ok(None, request.blob)


def request_parser(data: bytes) -> None:
    """The parser of a server."""
    same_however_split(RequestParser, data, Random(len(data)))


def response_parser(data: bytes) -> None:
    """The parser of a client."""
    same_however_split(ResponseParser, data, Random(len(data)))


@cache
def _server() -> razorg.RpcServer:
    logging.getLogger("razorg").disabled = True
    limits = razorg.Limits(max_msg_bytes=100_000, max_blob_bytes=200_000)
    server = razorg.RpcServer("memory://fuzz", [Fs()], dispatch=Raw(), limits=limits)
    server.start()
    return server


def close() -> None:
    """Stop what the targets keep running."""
    if _server.cache_info().currsize:
        _server().stop(0)
        _server.cache_clear()
        logging.getLogger("razorg").disabled = False


def session(data: bytes) -> None:
    """A whole session: it answers what it understands, closes at the end, and the server goes on."""
    server = _server()
    with ScriptedClient(server.addresses[0]) as client:
        client.send(data)
        client.half_close()
        answer = bytearray()
        with gevent.Timeout(PATIENCE, AssertionError("the session does not end")):
            while (part := client.conn.read(65536)) != b"":
                if part is None:
                    client.conn.wait_readable()
                else:
                    answer += part
    if not answer.startswith(b"HTTP/1.1 426"):
        parser = ResponseParser(razorg.Limits())
        parser.feed(bytes(answer))
        assert parser.error is None and not parser.is_partial, f"no responses: {bytes(answer).hex()}"
    with gevent.Timeout(PATIENCE, AssertionError("the session is not cleaned up")):
        while server.connections or server.running:
            gevent.sleep(0)


def stream(data: bytes) -> None:
    """A whole stream with calls in flight: each of them ends, and nothing is left."""
    logging.getLogger("razorg").disabled = True
    with ScriptedServer("memory://fuzz-stream") as server:
        accepting = gevent.spawn(server.accept)
        with razorg.ClientStream(server.address, task_timeout=60) as client:
            peer = accepting.get(PATIENCE)
            futures = [client.send(number + 1, number) for number in range(CALLS)]
            futures.append(client.send("Fs.open", ["x", 1]))
            for _ in futures:
                peer.read_request()
            peer.send(data)
            peer.close()
            for future in futures:
                try:
                    future.result(PATIENCE).decode(list[int])
                except TimeoutError as error:
                    assert isinstance(error, razorg.RpcError), "a call does not end"
                except (razorg.RazorError, OSError):
                    pass
            assert unbalanced(client) == []


TARGETS: dict[str, tuple[Callable[[bytes], None], str]] = {
    "request-parser": (request_parser, "request"),
    "response-parser": (response_parser, "response"),
    "session": (session, "request"),
    "stream": (stream, "response"),
}


def seeds(direction: str) -> list[bytes]:
    """What to begin with: the recorded frames, alone and one after the other."""
    frames = golden(direction)
    return [*frames, *(b"".join(frames[at : at + 3]) for at in range(0, len(frames), 3))]
