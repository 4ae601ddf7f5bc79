"""``razorg record``."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

import click
import gevent
from gevent.event import Event

from razorg.cli.connecting import USAGE, ended_by_signals, fail
from razorg.cli.options import NewFile
from razorg.cli.recording import Recorded, write, write_header
from razorg.config import Limits
from razorg.errors import RemoteProtocolError
from razorg.link.reading import FrameReader
from razorg.link.writing import FrameWriter
from razorg.transport import registry
from razorg.wire.encoder import (
    encode_action,
    error_frame,
    number_frame,
    request_frame,
    response_frame,
)
from razorg.wire.heads import FLAG_NUMBER, FLAG_OK, PING
from razorg.wire.parser import RequestParser, ResponseParser

#: Of one connection, so many requests may wait for their answer; more are not read.
_OPEN_MAX = 10_000
#: How often what was written goes to the file, and the end is looked for.
_LOOK_SECONDS = 0.05
_AGAIN_SECONDS = 0.2


class Recorder:
    """Passes requests on and answers back, and writes both down."""

    def __init__(self, target: str, file: BinaryIO) -> None:
        self._target = registry.checked_address(target)
        self._file = file
        self._began = monotonic()
        self.calls = 0

    def serve(self, client: Any) -> None:
        """One connection of a client; blocks until it ends."""
        try:
            server = registry.connect(self._target, 10.0)
        except OSError as error:
            click.echo(f"razorg: no connection to {self._target}: {error}", err=True)
            client.close()
            return
        open_calls: dict[int, tuple[float, Any]] = {}
        answering = gevent.spawn(self._answers, server, client, open_calls)
        try:
            self._requests(client, server, open_calls)
            server.shutdown_write()
            answering.join()
        except (OSError, RemoteProtocolError) as error:
            click.echo(f"razorg: {client.peer}: {error}", err=True)
        finally:
            answering.kill()
            client.close()
            server.close()

    def _requests(self, client: Any, server: Any, open_calls: dict[int, Any]) -> None:
        reader, writer = FrameReader(client, RequestParser(Limits())), FrameWriter(server)
        while (frames := reader.read()) is not None:
            passed = []
            for seq, action, client_id, msg, blob in frames:
                if action != PING or msg:
                    open_calls[seq] = (monotonic() - self._began, (action, msg, blob))
                encoded = encode_action(action, Limits())
                passed.append(request_frame(encoded, seq, client_id, bytes(msg), blob))
            writer.write(passed)
            while len(open_calls) > _OPEN_MAX:
                gevent.sleep(0.01)

    def _answers(self, server: Any, client: Any, open_calls: dict[int, Any]) -> None:
        reader, writer = FrameReader(server, ResponseParser(Limits())), FrameWriter(client)
        try:
            while (frames := reader.read()) is not None:
                passed = []
                for seq, flag, answer, blob in frames:
                    if flag == FLAG_OK:
                        passed.append(response_frame(seq, bytes(answer), blob))
                    elif flag == FLAG_NUMBER:
                        passed.append(number_frame(seq, answer))
                    else:
                        passed.append(error_frame(seq, bytes(blob or b"")))
                    self._note(open_calls.pop(seq, None), flag, answer, blob)
                writer.write(passed)
            client.shutdown_write()
        except (OSError, RemoteProtocolError):
            client.close()

    def _note(self, began: Any, flag: int, answer: Any, blob: Any) -> None:
        if began is None:
            return  # a ping
        at, (action, msg, request_blob) = began
        kept = answer if flag == FLAG_NUMBER else bytes(answer)
        write(self._file, Recorded(
            at, action, bytes(msg), _kept(request_blob), flag, kept, _kept(blob)
        ))  # fmt: skip
        self.calls += 1


def _kept(blob: Any) -> bytes | None:
    return None if blob is None else bytes(blob)


@click.command()
@click.argument("listen", metavar="LISTEN")
@click.argument("target", metavar="TARGET")
@click.option("--out", required=True, type=NewFile())
@click.option("--calls", type=click.IntRange(min=1), help="End after so many.")
def command(listen: str, target: str, out: Path, calls: int | None) -> None:
    """Stand between clients and TARGET, and write down each call and its outcome.

    \b
    razorg record localhost:7800 localhost:7700 --out calls.rec
    (clients connect to localhost:7800; Ctrl-C or SIGTERM ends)

    What has ended is in the file within moments, whatever happens then.
    """
    try:
        listener = registry.listen(registry.checked_address(listen))
        registry.checked_address(target)
    except (OSError, ValueError) as error:
        fail(USAGE, str(error))
    ending = Event()
    serving: set[Any] = set()

    def accept() -> None:
        is_told = False
        while True:
            try:
                conn = listener.accept()
            except OSError as error:  # no descriptor is free, say
                if not is_told:
                    click.echo(f"razorg: cannot accept: {error.strerror or error}", err=True)
                is_told = True
                gevent.sleep(_AGAIN_SECONDS)
                continue
            is_told = False
            greenlet = gevent.spawn(recorder.serve, conn)
            serving.add(greenlet)
            greenlet.rawlink(serving.discard)

    try:
        with ended_by_signals(ending.set), out.open("wb") as file:
            write_header(file, target)
            file.flush()
            recorder = Recorder(target, file)
            click.echo(f"recording at {listener.address} what goes to {target}")
            accepting = gevent.spawn(accept)
            try:
                while (calls is None or recorder.calls < calls) and not ending.wait(_LOOK_SECONDS):
                    file.flush()
                ending.wait(0.2)  # the last answers go out
            finally:
                accepting.kill()
                gevent.killall(list(serving))
    finally:
        listener.close()
    click.echo(f"{recorder.calls:,} calls in {out}")
