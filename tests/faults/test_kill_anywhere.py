"""A greenlet is struck (killed, timed out, failed) at every switch of every form of call.

It ends with exactly that, or had its right value; nobody gets an answer that is not his; permits,
lines and tables are as they were, and the next call works.  goals/strikes.py strikes at random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gevent
import msgpack
import pytest
from support import forms
from support.forms import ECHO, Mirror, Run, mirror, url_of, works_again
from support.peers import PATIENCE, RawReply, ScriptedClient, memory_url, request, wait_until
from support.strikes import (
    BLOWS,
    CUT,
    CUT_OFF,
    Crowd,
    Striker,
    Switches,
    Victim,
    only_strikes,
    unbalanced,
    unique,
)

import razorg

BIG = 600 * 1024  # more than twice what a memory pipe holds


@pytest.fixture(autouse=True)
def nothing_else_fails() -> Iterator[None]:
    with only_strikes():
        yield


@dataclass(frozen=True)
class Case:
    carrier: str
    act: Callable[[Run, str], Any]
    window: int = 128
    turns: int = 0
    pad: int = 0
    url: str = "memory"

    def __str__(self) -> str:
        extra = f" pad={self.pad}" * bool(self.pad) + f" turns={self.turns}" * bool(self.turns)
        return f"{self.carrier} {self.act.__name__} window={self.window}{extra} {self.url}"

    @property
    def allowed(self) -> tuple[type[BaseException], ...]:
        """What calls may fail with."""
        if self.act is forms.by_close:
            return (*CUT_OFF, razorg.LocalProtocolError)
        return CUT_OFF if self.url in CUT else ()

    def open(self, addresses: list[str]) -> Any:
        settings = {"window": self.window, "max_connections": 1, "task_timeout": 60}
        if self.carrier == "stream":
            return razorg.ClientStream(addresses[0], window=self.window, task_timeout=60)
        if self.carrier == "failover":
            return razorg.connect([memory_url(), *addresses], **settings)
        return razorg.connect(addresses[0], **settings)


CASES = [
    Case("pool", forms.by_call),
    Case("pool", forms.by_call, window=1, turns=2),
    Case("pool", forms.by_timed_call, window=2, turns=1),
    Case("pool", forms.by_call, window=2, turns=1, pad=BIG),
    Case("pool", forms.by_submit, window=1, turns=1),
    Case("pool", forms.by_result, window=3),
    Case("pool", forms.by_notify, window=1, turns=1),
    Case("pool", forms.by_full_channel, window=2),
    Case("pool", forms.by_ping, window=1, turns=1),
    Case("failover", forms.by_call, window=1, turns=1),
    Case("failover", forms.by_submit, window=2),
    Case("failover", forms.by_notify, window=4),
    Case("stream", forms.by_send, window=1, turns=2),
    Case("stream", forms.by_send, window=4, pad=BIG),
    Case("stream", forms.by_notify, window=1),
    Case("stream", forms.by_full_channel, window=1),
    Case("stream", forms.by_ping),
    Case("stream", forms.by_flush, window=2, pad=BIG),
    *(Case(carrier, forms.by_close, window=4, turns=3) for carrier in ("pool", "failover", "stream")),
    Case("pool", forms.by_call, window=1, turns=1, url="tcp"),
    Case("stream", forms.by_flush, window=2, pad=3 * BIG, url="tcp"),
    Case("pool", forms.by_call, window=2, turns=1, url="cutmemory"),
    Case("pool", forms.by_submit, window=1, turns=1, url="cutmemory"),
    Case("failover", forms.by_timed_call, window=2, turns=1, url="cutmemory"),
    Case("stream", forms.by_send, window=1, turns=1, url="cutmemory"),
    Case("stream", forms.by_flush, window=2, pad=BIG, url="cutmemory"),
    Case("pool", forms.by_call, window=2, turns=1, url="cuttcp"),
]


#: How many switches before the strike the connection is cut, where it is cut.
LEADS = (-1, 0, 1, 2, 4, 7, 11)


def strike(case: Case, server: razorg.RpcServer, number: int, blow: int, everywhere: bool) -> tuple[Striker, str]:
    """One run with a strike at that switch; how the victim ended."""
    transport = CUT.get(case.url)
    cut = (lambda: gevent.get_hub().loop.run_callback(transport.cut)) if transport else None
    by_timer = case.url.endswith("tcp") and BLOWS[blow] is gevent.Timeout
    lead = LEADS[(number + 2 * blow) % len(LEADS)]
    striker = Striker(number, BLOWS[blow](), everywhere, by_timer, cut, lead)
    carrier = case.open(server.addresses)
    run = Run(carrier, case.turns, case.allowed)
    form = forms.by_send if case.carrier == "stream" else forms.by_call
    crowd = Crowd(lambda value: form(run, value), 2, run.allowed)
    value = unique(case.pad)

    def act() -> Any:
        got = [case.act(run, value) for _ in range(2)]  # the second one finds it warm
        return got[0] if got[0] == got[1] else got

    with Switches(striker):
        crowd.grow(2)
        victim = Victim(striker, carrier, act, lambda: works_again(run, form))
        crowd.grow(2)
        assert victim.has_acted.wait(PATIENCE), "the victim hangs"
        crowd.join()
    run.check()
    wait_until(lambda: server.running == 0 and striker.has_struck == victim.was_struck_once(striker))
    gevent.idle()  # whoever was to be woken is awake
    victim.release()
    assert victim.stray == victim.ghosts == []
    assert len(victim.late) <= 1
    if victim.error is None:
        assert victim.value == value, f"the victim got {victim.value!r:.80}"
    elif victim.error is not striker.error:
        assert isinstance(victim.error, run.allowed), repr(victim.error)
    assert carrier.in_flight == 0 and "queued" not in repr(carrier).replace(" 0 queued", "")
    if not run.was_closed:
        assert unbalanced(carrier) == []
        carrier.close()
    wait_until(lambda: server.connections == 0)
    assert server.running == 0
    return striker, "struck" if victim.error is striker.error else "value" if victim.error is None else "cut off"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_caller_struck_at_every_switch(case: Case) -> None:
    with mirror(url_of(case.url)) as server:
        ends: Counter[str] = Counter()
        for everywhere in (False, True):
            undisturbed, how = strike(case, server, 0, 0, everywhere)
            assert (how, undisturbed.has_struck) == ("value", False)
            assert undisturbed.count >= 2
            for number in range(1, undisturbed.count + 1):
                all_blows = case.url == "cutmemory" or not everywhere
                for blow in range(3) if all_blows else (number % 3,):
                    striker, how = strike(case, server, number, blow, everywhere)
                    ends[how if striker.has_struck else "ended before"] += 1
    print(f"{ends.total()} strikes: {dict(ends)}")
    assert ends["struck"] >= 6


@razorg.service
class Nest:
    """Its handlers yield, call others, and answer at length."""

    def __init__(self, pool: razorg.ClientPool, striker: Striker) -> None:
        self.mirror = pool.client(Mirror)
        self.striker = striker

    def work(self, value: str) -> str:
        if self.striker.victim is None:
            self.striker.victim = gevent.getcurrent()
        for _ in range(3):
            gevent.sleep(0)
        once = self.mirror.echo(value, 1)
        return once if razorg.submit(self.mirror.echo, value, 0).get() == once else "wrong"


class RawNest(razorg.Dispatch):
    def __init__(self, nest: Nest) -> None:
        self.nest = nest

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        respond.ok(self.nest.work(request.decode()))


BATCHES = ((1,), (2,), (3, 4, 5, 6))  # the second one wakes the only worker there is


def strike_handler(inner: str, url: str, action: int | str, number: int, blow: int, everywhere: bool) -> tuple[Striker, int]:
    """One run in which the first worker that handles a request is struck; how many calls failed."""
    striker = Striker(number, BLOWS[blow](), everywhere)
    with razorg.connect(inner, window=2, max_connections=1) as pool:
        nest = Nest(pool, striker)
        # One byte: each answer waits until the one before is with the peer.
        server = razorg.RpcServer(url_of(url), [nest], dispatch=RawNest(nest), max_unwritten_bytes=1)
        server.start()
        client = ScriptedClient(server.addresses[0])
        try:
            values = {seq: unique(100_000) for seqs in BATCHES for seq in seqs}
            replies: list[RawReply] = []
            with Switches(striker):
                for seqs in BATCHES:
                    for seq in seqs:
                        client.send(request(seq, action, msgpack.packb(values[seq])))
                    replies += client.read_replies(len(seqs))
            striker.victim = None
            assert [reply.seq for reply in replies] == list(values)
            failed = [reply for reply in replies if reply.flag]
            for reply in replies:
                if reply.flag:
                    assert reply.blob == b"rpc_internal_err"
                else:
                    assert msgpack.unpackb(reply.msg) == values[reply.seq]
            wait_until(lambda: server.running == 0)
            client.send(request(98, action, msgpack.packb("again")))
            assert client.read_reply() == (98, 0, msgpack.packb("again"), b"")
            client.ping(99)
            assert not client.has_input(), "one request was answered twice"
            assert unbalanced(pool) == []
        finally:
            client.close()
            server.stop(1)
    return striker, len(failed)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("url, action", [("memory", "Nest.work"), ("memory", ECHO), ("tcp", "Nest.work")])
def test_a_handler_struck_at_every_switch_answers_once(url: str, action: int | str) -> None:
    with mirror(memory_url()) as inner:
        ends: Counter[int] = Counter()
        for everywhere in (False, True):
            undisturbed, failed = strike_handler(inner.addresses[0], url, action, 0, 0, everywhere)
            assert failed == 0 and undisturbed.count >= 6
            for number in range(1, undisturbed.count + 1):
                for blow in (number % 3,) if everywhere else range(3):
                    _, failed = strike_handler(inner.addresses[0], url, action, number, blow, everywhere)
                    assert failed <= 1, "others were struck with it"
                    ends[failed] += 1
    print(f"{ends.total()} strikes, {ends[1]} of them ended a request")
    assert ends[1] >= 10
