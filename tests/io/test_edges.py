"""Ways in which a call, a place or a connection was once lost."""

from __future__ import annotations

import time

import gevent
import pytest
from gevent.event import Event
from support.peers import ScriptedClient, memory_url, request, wait_until

import razorg
from razorg.config import Limits
from razorg.link.reading import FrameReader
from razorg.transport.address import Address
from razorg.transport.memory import memory_pair
from razorg.wire.parser import RequestParser


class Unprintable(razorg.ErrorText):
    def __str__(self) -> str:
        raise RuntimeError("this error cannot say what it is")


@razorg.service
class Fails:
    @razorg.method(raises=Unprintable)
    def fail(self) -> None:
        raise Unprintable("x")


def test_a_declared_error_that_cannot_be_encoded_is_answered_all_the_same() -> None:
    with razorg.RpcServer(memory_url(), [Fails()]) as server:
        with razorg.connect(server.addresses[0]) as pool:
            with pytest.raises(razorg.InternalError):
                pool.client(Fails).fail()
            assert server.running == 0


@razorg.service
class Relays:
    def relay(self) -> int:
        with razorg.connect(memory_url()) as pool:
            pool.send(2, object())  # that cannot be sent to somebody else
        return 1

    def big(self) -> int:
        return 2**70


def test_the_callers_of_a_handler_do_not_hear_of_its_own_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Only the result is the caller's: what fails in the handler is its own affair."""
    observer = razorg.Observer()
    for counted in (None, observer):
        caplog.clear()
        with razorg.RpcServer(memory_url(), [Relays()], observer=counted) as server:
            with razorg.connect(server.addresses[0]) as pool:
                with pytest.raises(razorg.InternalError):
                    pool.client(Relays).relay()
                assert "the handler of 'Relays.relay' failed" in caplog.text
                assert "Traceback" in caplog.text and "cannot encode object" in caplog.text
                with pytest.raises(razorg.EncodeError):
                    pool.client(Relays).big()
                assert "the result of 'Relays.big' cannot be sent" in caplog.text
    assert observer.of("Relays.big").errors == {"EncodeError": 1}


class Echo(razorg.Dispatch):
    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        respond.ok(blob=request.blob)


@pytest.mark.parametrize("failure", [gevent.Timeout(), gevent.GreenletExit(), ValueError("mine")])
def test_a_failing_notify_target_harms_nobody_else(failure: BaseException) -> None:
    def target(task: razorg.ClientTask) -> None:
        raise failure

    with razorg.RpcServer(memory_url(), dispatch=Echo()) as server:
        with razorg.ClientStream(server.addresses[0]) as stream:
            stream.send(2, notify=target)
            assert stream.send(2).get(timeout=5).msg is None
            assert (stream.in_flight, stream.is_closed) == (0, False)


def test_a_peer_is_not_late_while_this_side_does_not_read() -> None:
    near, far = memory_pair()
    reader = FrameReader(near, RequestParser(Limits()))
    whole = request(1, 2, b"\x01")
    far.write(whole + whole[:10])
    assert reader.read() is not None
    assert not reader.is_late(time.monotonic() + 100, 5, Limits())
    waiting = gevent.spawn(reader.read)
    gevent.idle()
    assert not reader.is_late(time.monotonic() + 4, 5, Limits())
    assert reader.is_late(time.monotonic() + 100, 5, Limits())
    far.write(whole[10:])
    assert len(waiting.get(timeout=5)) == 1
    near.close(), far.close()


def test_a_connection_is_not_idle_while_its_answer_is_on_the_way() -> None:
    size = 1024 * 1024  # more than a memory pipe holds, less than makes the answer wait
    with razorg.RpcServer(
        memory_url(), dispatch=Echo(), idle_timeout=1, write_timeout=1000
    ) as server, ScriptedClient(server.addresses[0]) as client:
        client.send(request(1, 2, blob=bytes(size)))
        client.conn.wait_readable()
        wait_until(lambda: server.running == 0)
        server.on_tick(time.monotonic() + 100)
        assert client.read_reply() == (1, 0, b"", bytes(size))


def test_a_blob_cannot_be_resized_under_the_writer() -> None:
    blob = bytearray(100_000)
    with razorg.RpcServer(memory_url(), dispatch=Echo()) as server:
        with razorg.ClientStream(server.addresses[0]) as stream:
            future = stream.send(2, blob=blob)
            with pytest.raises(BufferError):
                blob.clear()
            assert future.get(timeout=5).blob == bytes(100_000)


class SlowTransport:
    """Connects when it is told to, and not at all."""

    def __init__(self) -> None:
        self.attempts = 0
        self.go_on = Event()

    def connect(self, address: Address, timeout: float) -> object:
        self.attempts += 1
        self.go_on.wait(timeout)
        raise ConnectionRefusedError("not today")


def test_callers_share_the_attempt_to_connect_and_its_failure() -> None:
    transport = SlowTransport()
    razorg.register_transport("slow", transport)  # type: ignore[arg-type]
    pool = razorg.connect("slow://somewhere:1")
    callers = [gevent.spawn(pool.call, "A.b", timeout=5) for _ in range(20)]
    wait_until(lambda: transport.attempts == 1)
    transport.go_on.set()
    gevent.joinall(callers, timeout=5)
    assert {type(caller.exception) for caller in callers} == {razorg.Unreachable}
    assert transport.attempts <= 2  # a second one for those that found the first failed


@pytest.mark.parametrize("form", ["call", "submit", "send"])
def test_connecting_counts_in_the_timeout_of_the_call(form: str) -> None:
    razorg.register_transport("slow", SlowTransport())  # type: ignore[arg-type]
    pool = razorg.connect("slow://somewhere:1")
    started = time.monotonic()
    with pytest.raises(razorg.Unreachable):
        if form == "call":
            pool.call("A.b", timeout=0.05)
        elif form == "submit":
            pool.submit("A.b", timeout=0.05).get()
        else:
            pool.send(2, timeout=0.05).get()
    assert time.monotonic() - started < 2  # the default would have been 10
