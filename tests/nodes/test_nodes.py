"""The tools of the tests here: nodes that can be killed, links that can be broken."""

from __future__ import annotations

import gevent
import pytest
from gevent import socket
from support.history import Execution, History, check
from support.load import Load, note, read
from support.node_main import Witness, answer_of
from support.nodes import PATIENCE, Nodes, eventually

import razorg
from razorg.testing import ChaosProxy


def test_a_ledger_outlives_its_node(nodes: Nodes) -> None:
    (node,) = nodes.start("a")
    address = node.address
    for call_id in (1, 2, 3):
        with razorg.connect(address) as pool:
            witness = pool.client(Witness)
            assert (witness.note(call_id), witness.who()) == (answer_of(call_id), "a")
            node.kill()
        assert node.executed == call_id
        node.start()
    node.restart()
    assert node.address == address
    assert node.executions() == [Execution(call_id, "a") for call_id in (1, 2, 3)]


def test_a_stopped_node_answers_when_it_continues(nodes: Nodes) -> None:
    (node,) = nodes.start("a")
    with razorg.connect(node.address, task_timeout=PATIENCE) as pool:
        witness = pool.client(Witness)
        assert witness.who() == "a"
        node.stop()
        future = razorg.submit(witness.note, 1)
        future.wait(0.1)
        assert not future.ready() and node.executed == 0
        node.cont()
        assert future.get(timeout=PATIENCE) == answer_of(1)


@pytest.mark.parametrize("fault", ["none", "twice", "never", "wrong"])
def test_a_node_that_lies_is_found_out(nodes: Nodes, fault: str) -> None:
    history = History(answer_of)
    (node,) = nodes.start("a", fault)
    with razorg.connect(node.address) as pool:
        witness = pool.client(Witness)
        with Load(history, [note(witness), read(witness, retries=0)], per_second=2000):
            eventually(lambda: history.succeeded >= 500, PATIENCE, "500 calls")
    node.terminate()
    found = {(violation.rule, violation.call_id) for violation in check(history, [node.executions()])}
    rule = "value" if fault == "wrong" else "executed"
    lies = [call_id for call_id in history.calls if call_id % 100 == 0 and fault != "none"]
    assert found == {(rule, call_id) for call_id in lies}


def test_a_link_can_be_broken(nodes: Nodes) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with ChaosProxy(f"tcp://127.0.0.1:{listener.getsockname()[1]}") as proxy:
            where = ("127.0.0.1", int(proxy.address.rpartition(":")[2]))
            with socket.create_connection(where) as client, listener.accept()[0] as server:
                for end, other in ((client, server), (server, client)):
                    end.settimeout(PATIENCE)
                    end.sendall(b"through")
                    assert other.recv(100) == b"through"
                proxy.blackhole()
                client.sendall(b"late")
                with gevent.Timeout(0.05, False):
                    pytest.fail(f"{server.recv(100)!r} came through")
                with socket.create_connection(where) as second:
                    proxy.resume()
                    assert server.recv(100) == b"late"
                    with listener.accept()[0] as accepted:
                        second.sendall(b"second")
                        assert accepted.recv(100) == b"second"
                        accepted.shutdown(socket.SHUT_WR)
                        assert second.recv(100) == b""
                proxy.cut()
                for end in (client, server):
                    with pytest.raises(ConnectionResetError):
                        end.recv(100)
                with pytest.raises(OSError), socket.create_connection(where) as third:
                    assert not third.recv(100)
                    raise OSError("cut")
