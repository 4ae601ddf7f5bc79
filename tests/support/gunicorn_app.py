"""What the tests let gunicorn serve: ``gunicorn -k razorg.gunicorn.Worker support.gunicorn_app:server``."""

from __future__ import annotations

import os

import gevent

import razorg
from support.node_main import LedgerWitness, Witness, answer_of

#: The raw action of ``Recorder``.
RECORD = 5
LATER_SECONDS = 0.02


class AppWitness(LedgerWitness):
    """Names the process that answers, whichever has loaded this module; the ledger is everybody's."""

    def who(self) -> str:
        return f"{os.getpid()} {STATE_WHEN_MADE} {LOADED_BY}"


@razorg.service
class Blocker:
    """What stops a hub, on purpose."""

    def block(self) -> None:
        """For ever, and not only this greenlet."""
        raise NotImplementedError

    def stop(self) -> int:
        """The server, out of a handler; the process that does it."""
        raise NotImplementedError


class RealBlocker(Blocker):
    def stop(self) -> int:
        server.stop()
        return os.getpid()

    def block(self) -> None:
        lock = gevent.monkey.get_original("_thread", "allocate_lock")()
        lock.acquire()
        lock.acquire()


@razorg.service
class Echo:
    """Answers, and writes nothing down."""

    @razorg.method(idempotent=True)
    def echo(self, call_id: int) -> int:
        return answer_of(call_id)


class Recorder(razorg.Dispatch):
    """Writes a request down the moment it is read, and answers it later."""

    inline = True

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        call_id = request.decode(int)
        witness.note(call_id)
        gevent.spawn_later(LATER_SECONDS, respond.ok, answer_of(call_id))


witness = AppWitness("gunicorn", os.environ["LEDGER"], "none")
server = razorg.RpcServer(
    None, [witness, RealBlocker(), Echo()], dispatch=Recorder(), status=os.environ.get("STATUS_PAGE")
)
STATE_WHEN_MADE = repr(server).split()[3]
LOADED_BY = os.getpid()


def wrong(environ: object, start_response: object) -> list[bytes]:
    """Callable, and no server of RPC."""
    return []


#: Cannot be served: nobody can listen there.
nowhere = razorg.RpcServer("unix:///no/such/folder/s", [witness])

__all__ = ["RECORD", "Blocker", "Witness", "nowhere", "server", "wrong"]
