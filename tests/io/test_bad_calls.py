"""Mistakes in calls and handlers: who is told what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.peers import memory_url
from test_bad_use import Bad, Cal, Number

import razorg
from razorg import (
    ClientPool,
    DecodeError,
    EncodeError,
    ErrorText,
    InternalError,
    LocalProtocolError,
    MethodNotFound,
    RpcServer,
    ServiceNotFound,
    Unreachable,
    connect,
)


@pytest.fixture
def pool() -> Iterator[ClientPool]:
    with RpcServer(memory_url(), [Cal()]) as server, connect(server.addresses[0]) as pool:
        yield pool


@pytest.mark.parametrize("args, kwargs", [
    ((), {}), ((1, 2, 3), {}), ((1,), {"c": 1}), ((1,), {"a": 1}), ((), {"b": 1}),
])
def test_wrong_arguments_are_a_type_error_before_anything_is_sent(args: Any, kwargs: Any) -> None:
    add: Any = connect("memory://nobody").client(Cal).add
    for call in (add, lambda *args, **kwargs: razorg.submit(add, *args, **kwargs)):
        with pytest.raises(TypeError, match=r"Cal\.add\(a: .*int.*, b: .*int"):
            call(*args, **kwargs)


def test_defaults_and_keywords_follow_the_signature(pool: ClientPool) -> None:
    cal = pool.client(Cal)
    assert (cal.add(1), cal.add(b=1, a=2), cal.add(1, b=3)) == (11, 3, 4)
    assert razorg.submit(cal.add, a=5).get(timeout=5) == 15


def test_an_unknown_method_is_an_attribute_error_that_names_the_others(pool: ClientPool) -> None:
    cal: Any = pool.client(Cal)
    with pytest.raises(AttributeError, match=r"Cal.*'sub'.*add, say"):
        cal.sub(1, 2)
    assert not hasattr(cal, "_private")
    with pytest.raises(MethodNotFound) as caught:
        pool.call("Cal.sub", 1, 2)
    assert (caught.value.sent, caught.value.method) == ("yes", "Cal.sub")
    with pytest.raises(ServiceNotFound):
        pool.call("Lac.add", 1, 2)
    with pytest.raises(DecodeError):
        pool.call("add", 1, 2)


def test_arguments_of_wrong_types(pool: ClientPool, caplog: pytest.LogCaptureFixture) -> None:
    cal: Any = pool.client(Cal)
    with pytest.raises(DecodeError) as caught:
        cal.add("x", 1)
    assert caught.value.sent == "yes"
    assert "$[0]" in caplog.text  # the server, which knows the path
    with pytest.raises(EncodeError) as encoding:
        cal.add(object(), 1)
    assert encoding.value.sent == "no"
    with pytest.raises(EncodeError):
        razorg.submit(cal.add, {1, object()}, 1)
    assert cal.add(1, 2) == 3


def test_replies_of_wrong_types(pool: ClientPool) -> None:
    cal = pool.client(Cal)
    with pytest.raises(DecodeError) as caught:
        cal.wrong_result()
    assert caught.value.sent == "yes"
    assert caught.value.method == "Cal.wrong_result"
    with pytest.raises(DecodeError):
        razorg.submit(cal.wrong_result).get(timeout=5)
    assert pool.call("Cal.wrong_result") == "text"
    with pytest.raises(DecodeError):
        pool.call("Cal.wrong_result", returns=int)
    with pytest.raises(EncodeError) as encoding:
        cal.unsendable()
    assert encoding.value.sent == "yes"


@pytest.mark.parametrize("text", ["rpc_timeout", "rpc_internal_err", "rpc_unreachable"])
def test_a_text_that_is_a_name_of_the_framework(pool: ClientPool, text: str, caplog: Any) -> None:
    with pytest.raises(InternalError):
        pool.client(Cal).say(text)
    assert text in caplog.text
    for harmless in ("rpc_", text + "!", text.upper(), ""):
        with pytest.raises(Bad) as caught:
            pool.client(Cal).say(harmless)
        assert str(caught.value) == harmless


@pytest.mark.parametrize("how", ["value", "other", "os", "rpc", "timeout"])
def test_undeclared_errors_are_logged_on_the_server_only(pool: ClientPool, how: str, caplog: Any) -> None:
    with pytest.raises(InternalError) as caught:
        pool.client(Cal).fail(how)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    failed = [record for record in caplog.records if record.exc_info]
    assert len(failed) == 1
    assert "Traceback" in caplog.text and "in fail" in caplog.text and "Cal.fail" in caplog.text
    assert pool.client(Cal).add(1, 2) == 3


def test_declared_errors_are_not_logged(pool: ClientPool, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Number) as caught:
        pool.client(Cal).fail("number")
    assert caught.value.code == 7
    with pytest.raises(OSError) as untyped:
        pool.call("Cal.fail", "number")
    assert untyped.value.errno == 7
    with pytest.raises(ErrorText, match="hello"):
        pool.call("Cal.say", "hello")
    with pytest.raises(DecodeError) as undeclared:
        pool.call("Cal.say", "hello", raises=Number)
    assert undeclared.value.raw == b"hello"
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_closed_pool_and_an_address_where_nobody_is() -> None:
    pool = connect("memory://nobody")
    cal = pool.client(Cal)
    with pytest.raises(Unreachable) as caught:
        cal.add(1, 2)
    assert (caught.value.sent, caught.value.method) == ("no", "Cal.add")
    assert caught.value.address == "memory://nobody"
    future = razorg.submit(cal.add, 1, 2)
    with pytest.raises(Unreachable):
        future.get(timeout=5)
    pool.close(), pool.close()
    for use in (lambda: cal.add(1, 2), lambda: razorg.submit(cal.add, 1, 2), pool.ping, lambda: pool.send(2)):
        with pytest.raises(LocalProtocolError, match="closed"):
            use()
