"""A crowd of callers is struck (killed, timed out, failed) at random switches; connections are cut."""

from __future__ import annotations

import random
from random import Random

import gevent
from support import forms
from support.forms import Run, mirror, url_of, works_again
from support.peers import wait_until
from support.strikes import CUT, CUT_OFF, Riot, only_strikes, unbalanced, unique

import razorg
from goals.goal import Goal

#: The strikes of a portion meet one of these, in turn.  In memory the seed says all that happens;
#: over TCP connections are cut, too, and the kernel has its say.
KINDS = ("tcp", "memory")
CROWD = 50
SETTINGS = {"window": 4, "max_connections": 2, "task_timeout": 600}
POOLED = [
    forms.by_call, forms.by_timed_call, forms.by_submit, forms.by_result, forms.by_send, forms.by_notify,
]
STREAMED = [forms.by_send, forms.by_notify, forms.by_ping, forms.by_flush]


class Strikes(Goal):
    number = 13
    name = "strikes"
    promise = "callers killed or timed out anywhere: nobody gets another's answer, permits balance"
    unit = "strikes"
    every_change = 2_000
    release = 100_000
    portion = 1_000

    def advance(self, count: int, seed: int) -> None:
        kind, rng = KINDS[seed % len(KINDS)], Random(seed)
        random.seed(seed)  # for the backoffs and routes
        with (
            only_strikes(),
            mirror(url_of(kind)) as whole,
            mirror(url_of(f"cut{kind}")) as one,
            mirror(url_of(f"cut{kind}")) as two,
        ):
            pool = Run(razorg.connect(one.addresses[0], **SETTINGS), allowed=CUT_OFF)
            both = Run(razorg.connect([one.addresses[0], two.addresses[0]], **SETTINGS), allowed=CUT_OFF)
            stream = Run(razorg.ClientStream(whole.addresses[0], window=3, task_timeout=600))
            choices = [(pool, [*POOLED, forms.by_ping]), (both, POOLED), (stream, STREAMED)]

            def act() -> None:
                run, possible = rng.choice(choices)
                run.turns = rng.choice((0, 0, 1, 3))
                value = unique(rng.choice((0, 0, 0, 0, 0, 0, 0, 90_000)))
                form = rng.choice(possible)
                if kind == "tcp" and rng.random() < 0.001:
                    CUT[f"cut{kind}"].cut()
                try:
                    got = form(run, value)
                except run.allowed:
                    gevent.sleep(0.001)
                else:
                    self.count("calls")
                    assert got == value, f"{form.__name__} got {got!r:.80} for {value!r:.20}"

            riot = Riot(rng, act, count, timers=0.2 if kind == "tcp" else 0)
            riot.run(CROWD)
            for run in (pool, both, stream):
                run.check()
                run.turns = 0
                works_again(run, forms.by_send)
                wait_until(lambda: not run.carrier.in_flight)
                assert unbalanced(run.carrier) == []
                run.carrier.close()
            for server in (whole, one, two):
                wait_until(lambda: server.running == server.connections == 0)
        for blow, landed in riot.landed.items():
            self.count(f"by {blow}", landed)
        self.figures["wrong answers"] = 0  # or it would not have come here
