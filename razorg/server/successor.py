"""Starting a process that goes on serving at this one's listening sockets."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import gevent
from gevent.socket import wait_read

from razorg.errors import LocalProtocolError
from razorg.hubs.limit import time_limit
from razorg.server.inherit import READY
from razorg.transport.base import Listener
from razorg.transport.unix import UnixListener

log = logging.getLogger("razorg")

#: How long a successor that failed may take to end before it is killed.
END_SECONDS = 1.0
_POLL_SECONDS = 0.005


def start_successor(
    listeners: Sequence[Listener], command: Sequence[str], timeout: float
) -> subprocess.Popen[bytes]:
    """Run the command with these listeners as its ``inherited_sockets()``, until it serves.

    Blocks this greenlet.  When the process ends instead it is ChildProcessError, when it does not
    serve in time TimeoutError; then nothing is left of it, and the listeners are as before.
    """
    descriptors = [listener.fileno() for listener in listeners]
    for listener, descriptor in zip(listeners, descriptors):
        if descriptor < 0:
            raise LocalProtocolError(f"{listener.address} cannot be handed to another process")
    with _files_kept(listeners):
        return _started(descriptors, command, timeout)


@contextmanager
def _files_kept(listeners: Sequence[Listener]) -> Generator[None, None, None]:
    """From here on closing the listeners leaves their socket files alone; undone on an error."""
    kept = [item for item in listeners if isinstance(item, UnixListener) and not item.keeps_file]
    for listener in kept:
        listener.keeps_file = True
    try:
        yield
    except BaseException:
        for listener in kept:
            listener.keeps_file = False
        raise


def _started(
    descriptors: list[int], command: Sequence[str], timeout: float
) -> subprocess.Popen[bytes]:
    reading, writing = os.pipe()
    given = [writing]
    try:
        try:
            # Copies: a child that is forked for the command closes the descriptors of this server.
            for descriptor in descriptors:
                given.append(os.dup(descriptor))
            launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py"))]
            # Not gevent.subprocess: in a process that is not patched, its watchers would reap the
            # children of everybody else.  A patched one has it under this name.
            process = subprocess.Popen(
                [*launcher, ",".join(map(str, given)), *command], pass_fds=given
            )
        finally:
            for descriptor in given:
                os.close(descriptor)
        try:
            answer = _answer(reading, timeout)
            if not answer.startswith(READY):
                raise ChildProcessError(_failure(process, answer))
        except BaseException:
            _end(process)
            raise
    finally:
        os.close(reading)
    return process


def _answer(reading: int, timeout: float) -> bytes:
    """What the process says: READY, a reason why not, or nothing before it ended."""
    os.set_blocking(reading, False)
    answer = b""
    late = (
        f"the successor does not serve after {timeout:g} s; a server of it has to listen at "
        "razorg.inherited_sockets()"
    )
    with time_limit(timeout, late):
        while not answer.startswith(READY):  # several processes of it may say so
            wait_read(reading)
            piece = os.read(reading, 1024)
            if not piece:
                break
            answer += piece
    return answer


def _failure(process: subprocess.Popen[bytes], answer: bytes) -> str:
    if answer:
        return f"no successor: {answer.decode(errors='replace')}"
    _wait(process, END_SECONDS)
    if process.returncode is None:
        return "the successor closed its end of the hand-over before it served"
    return f"the successor ended with status {process.returncode} before it served"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Terminate, after a second kill; blocks this greenlet until the process is reaped."""
    if process.poll() is None:
        process.terminate()
        _wait(process, END_SECONDS)
    if process.returncode is None:
        process.kill()
        _wait(process, END_SECONDS)
    if process.returncode is None:
        log.error("process %d does not end when it is killed", process.pid)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    # By polling: ``wait`` would stop the whole hub of a process that is not patched.
    for _ in range(round(seconds / _POLL_SECONDS)):
        if process.poll() is not None:
            return
        gevent.sleep(_POLL_SECONDS)
