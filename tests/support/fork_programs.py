"""Programs that fork, or end: ``python -m support.fork_programs unpatched|patched NAME ADDRESS…``.

Each is a function, run in the main greenlet of a process of its own.  A failed assertion is a
traceback, and status 1.  Nothing here waits for a fixed time.
"""

from __future__ import annotations

import sys

IS_PATCHED = sys.argv[1:2] == ["patched"]
if IS_PATCHED:
    from gevent import monkey

    monkey.patch_all()

import atexit  # noqa: E402
import contextlib  # noqa: E402
import logging  # noqa: E402
import multiprocessing  # noqa: E402
import os  # noqa: E402
import threading  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from time import monotonic  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import gevent.event  # noqa: E402
import gevent.os  # noqa: E402
import gevent.queue  # noqa: E402
from gevent import monkey  # noqa: E402

import razorg  # noqa: E402
from razorg.hubs.background import is_running  # noqa: E402

PATIENCE = 10.0
#: What is told at once is told within this.
SOON = 2.0
native_start = monkey.get_original("_thread", "start_new_thread")
#: For native threads: that of gevent wants to watch the child in the hub of the thread.
native_fork = monkey.get_original("os", "fork")
native_waitpid = monkey.get_original("os", "waitpid")
#: That of gevent waits for the hub.
close_now = monkey.get_original("os", "close")


@razorg.service
class Fork:
    """What the programs call; the test serves it."""

    def double(self, value: int) -> int:
        raise NotImplementedError

    def wait(self, number: int) -> int:
        """Blocks until ``open`` was called."""
        raise NotImplementedError

    @razorg.method(idempotent=True)
    def read(self, number: int) -> int:
        """As ``wait``, but it may run twice."""
        raise NotImplementedError

    def open(self) -> None:
        raise NotImplementedError

    def process(self) -> int:
        """The process that answers."""
        raise NotImplementedError


# tools


def until(condition: Callable[[], Any], seconds: float = PATIENCE, what: Any = "it never came true") -> None:
    """Let greenlets run until the condition holds."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, what() if callable(what) else what
        gevent.sleep(0.001)


def tell(line: object) -> None:
    print(line, flush=True)


def sockets() -> list[str]:
    """The sockets among the descriptors of this process."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [link for link in found if link.startswith("socket:")]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Child:
    """A forked child, which runs the function and ends with ``os._exit``: 0, or 1 after an error."""

    def __init__(self, function: Callable[..., Any], *args: Any, is_native: bool = False) -> None:
        self.pid = native_fork() if is_native else os.fork()
        if self.pid == 0:
            status = 1
            try:
                function(*args)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)

    def wait(self) -> int:
        """Its exit status; other greenlets go on."""
        return wait_for(self.pid)


def wait_for(pid: int) -> int:
    status: list[int] = []

    def is_over() -> bool:
        try:  # gevent, alone, loses a SIGCHLD now and then, and would wait for ever
            ended, code = native_waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # this one it has seen
            ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            status.append(os.waitstatus_to_exitcode(code))
        return bool(ended)

    until(is_over, what="the child does not end")
    return status[0]


class Native:
    """A thread that gevent knows nothing of."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.outcome: list[Any] = []
        native_start(self._run, (function, args))

    def _run(self, function: Callable[..., Any], args: Any) -> None:
        try:
            self.outcome.append(function(*args))
        except BaseException as error:
            self.outcome.append(error)

    def get(self) -> Any:
        """What it returned; blocks this greenlet only."""
        until(lambda: self.outcome, what="the thread does not end")
        if isinstance(self.outcome[0], BaseException):
            raise self.outcome[0]
        return self.outcome[0]


def outcome(function: Callable[..., Any], *args: Any) -> Any:
    """What it returns, or the error that it raises."""
    try:
        return function(*args)
    except (Exception, gevent.Timeout) as error:
        return error


class Waiters:
    """Calls that are under way at the fork, of all kinds, and what became of each."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Any] = {}
        self.names: list[str] = []
        self._channel: Any = gevent.queue.Queue()

    def greenlet(self, name: str, function: Callable[..., Any], *args: Any) -> None:
        """A greenlet that blocks."""
        self.names.append(name)
        gevent.spawn(lambda: self._ended(name, outcome(function, *args)))

    def future(self, name: str, future: Any) -> None:
        """A future, which nobody waits for; and what waits for it."""
        for kind, function in (("get", future.get), ("result", future.result)):
            self.greenlet(f"{name} {kind}", function)
        self.names.append(f"{name} callback")
        future.add_done_callback(lambda done: self._ended(f"{name} callback", outcome(done.get, False)))

    def task(self, name: str, pool: Any, action: str, number: int) -> None:
        """Tasks for a callable, and for a queue."""
        self.names += [f"{name} callable", f"{name} queue"]
        pool.send(action, number, notify=lambda task: self._ended(f"{name} callable", outcome(task.get)))
        pool.send(action, number + 1, notify=self._channel)
        gevent.spawn(lambda: self._ended(f"{name} queue", outcome(self._channel.get().get)))

    def _ended(self, name: str, value: Any) -> None:
        assert name not in self.outcomes, f"{name} ends twice"
        self.outcomes[name] = value

    def missing(self) -> list[str]:
        return [name for name in self.names if name not in self.outcomes]

    def all_lost(self) -> None:
        """All end soon, with ConnectionLost, and nobody can say whether they were sent."""
        until(lambda: not self.missing(), SOON, lambda: f"they still wait: {self.missing()}")
        for name, error in self.outcomes.items():
            assert isinstance(error, razorg.ConnectionLost) and error.sent == "maybe", (name, error)
            assert "forked" in str(error), (name, error)


def start_waiters(pool: Any, waiters: Waiters, number: int, method: str = "wait") -> None:
    """One call of each kind, with numbers of their own."""
    call = getattr(pool.client(Fork), method)
    waiters.greenlet(f"{method} greenlet", call, number)
    waiters.future(f"{method} future", razorg.submit(call, number + 1))
    waiters.task(f"{method} task", pool, f"Fork.{method}", number + 2)


# forks


def parent_goes_on(how: str, address: str) -> None:
    """The child ends in a certain way, while calls of all kinds are under way in the parent."""
    pool = razorg.connect(address)
    client = pool.client(Fork)
    values = range(5)
    blocked = [gevent.spawn(outcome, client.wait, number) for number in values]
    threads = [Native(client.wait, 10 + number) for number in range(3)]
    futures = [razorg.submit(client.wait, 20 + number) for number in values]
    channel: Any = gevent.queue.Queue()
    for number in values:
        pool.send("Fork.wait", 30 + number, notify=channel)
    until(lambda: pool.in_flight == 18)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        assert client.double(4) == 8
        if how == "_exit":
            os._exit(0)
        if how == "close":
            pool.close()
            os._exit(0)
        if how == "exception":
            raise KeyError("on purpose")
        if how == "thread":
            Native(client.double, 5).get()
        if how == "failed":  # the calls of the parent end here, and not there
            for greenlet, future in zip(blocked, futures):
                assert isinstance(greenlet.get(), razorg.ConnectionLost)
                assert isinstance(outcome(future.get), razorg.ConnectionLost)
            os._exit(0)
        if how == "killed":
            os.kill(os.getpid(), 9)
        sys.exit(0)
    for number in range(50):  # both at the same time
        assert client.double(number) == 2 * number
    assert wait_for(pid) == {"exception": 1, "killed": -9}.get(how, 0)
    assert os.getpid() == parent and pool.in_flight == 18, pool
    client.open()
    assert [greenlet.get(timeout=PATIENCE) for greenlet in blocked] == [*values]
    assert [thread.get() for thread in threads] == [10, 11, 12]
    assert [future.result(PATIENCE) for future in futures] == [20 + number for number in values]
    assert sorted(channel.get(timeout=PATIENCE).get().decode(int) for _ in values) == [30 + number for number in values]
    pool.close()


def child_does_nothing(address: str) -> None:
    """The child never runs its hub; the parent closes; the server must see the end."""
    pool, stream = razorg.connect(address), razorg.ClientStream(address)
    failover = razorg.connect([address])
    for each in (pool, failover):
        assert each.client(Fork).double(1) == 2 and Native(each.client(Fork).double, 2).get() == 4
    assert stream.send("Fork.double", 3).get().decode(int) == 6
    reader, writer = os.pipe()
    end_reader, end_writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        close_now(end_writer)
        os.write(writer, str(len(sockets())).encode())
        os.read(end_reader, 1)  # blocks the process until the parent closes its end
        os._exit(0)
    close_now(end_reader)
    assert len(sockets()) >= 5
    assert os.read(reader, 10) == b"0", "the child holds sockets of razorg"
    pool.close()
    failover.close()
    stream.close()
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    tell("closed")
    await_word_in_hub()  # sockets are closed when the hub runs
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    close_now(end_writer)
    assert wait_for(pid) == 0


class Nowhere:
    """A transport that connects to nothing, for ever."""

    def connect(self, address: Any, timeout: float) -> Any:
        gevent.event.Event().wait()

    def listen(self, address: Any) -> Any:
        raise NotImplementedError


def child_loses_all(address: str) -> None:
    """Everything that waits at the fork ends at once in the child, and goes on in the parent."""
    razorg.register_transport("nowhere", Nowhere())
    pool = razorg.connect(address)
    narrow = razorg.connect(address, window=1, max_connections=1)
    nowhere = razorg.connect("nowhere://at-all:1")
    unread = razorg.connect("nowhere://either:1")
    assert pool.client(Fork).double(1) == 2
    waiters = Waiters()
    start_waiters(pool, waiters, 0)
    foreign = Native(lambda: razorg.submit(pool.client(Fork).wait, 10)).get()
    waiters.future("future of the I/O thread", foreign)
    razorg.submit(narrow.client(Fork).wait, 20)
    until(lambda: narrow.in_flight == 1)
    waiters.greenlet("call at a full window", narrow.client(Fork).wait, 21)
    waiters.greenlet("send at a full window", lambda: narrow.send("Fork.wait", 22).get())
    waiters.greenlet("call without a connection", nowhere.client(Fork).wait, 30)
    waiters.greenlet("ping without a connection", unread.ping, PATIENCE)
    until(lambda: "1 queued" in repr(unread) and "2 queued" in repr(narrow) and pool.in_flight == 5, what=lambda: (unread, narrow, pool))

    def act() -> None:
        waiters.all_lost()
        assert pool.client(Fork).double(7) == 14 and pool.in_flight == 0
        assert narrow.client(Fork).double(8) == 16

    for number in range(40, 43):  # not all of them are written yet: the parent still does that
        waiters.future(f"future {number}", razorg.submit(pool.client(Fork).wait, number))
    assert Child(act).wait() == 0
    assert not waiters.outcomes and pool.in_flight == 8, waiters.outcomes
    pool.client(Fork).open()
    until(lambda: len(waiters.missing()) <= 2, what=waiters.missing)  # nothing comes from nowhere


def native_child_loses_all(address: str) -> None:
    """The same for a thread without a hub, at whose fork another one holds a lock of the user's."""
    pool, ended, parent = razorg.connect(address), dict[str, Any](), os.getpid()
    lock = monkey.get_original("_thread", "allocate_lock")()
    sleep = monkey.get_original("time", "sleep")
    logging.disable()  # of the callbacks that fail
    is_over: list[bool] = []

    def hold() -> None:
        with lock:
            while not is_over:
                sleep(0.001)

    def until_natively(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        end = monotonic() + seconds
        while not condition():
            assert monotonic() < end, (ended, pool)
            sleep(0.001)

    def never_twice(_: Any) -> None:
        if os.getpid() != parent:
            raise SystemExit(3)

    def wait_for_lock(_: Any) -> None:
        lock.acquire()  # in the child its thread hangs
        lock.release()

    class NeverRead:
        """A queue that is full, and nobody reads."""

        def put_nowait(self, task: Any) -> None:
            if os.getpid() != parent:
                raise gevent.queue.Full

    def run() -> Child:
        wait = pool.client(Fork).wait
        for number, callback in enumerate((wait_for_lock, never_twice, wait_for_lock)):
            razorg.submit(wait, 10 + number).add_done_callback(callback)
        pool.send("Fork.wait", 20, notify=NeverRead())
        future, concurrent = razorg.submit(wait, 1), razorg.submit(wait, 2).as_concurrent()
        razorg.submit(wait, 3).add_done_callback(lambda done: ended.setdefault("callback", outcome(done.get, False)))
        pool.send("Fork.wait", 5, notify=lambda task: ended.setdefault("task", outcome(task.get)))
        last = razorg.submit(wait, 6)
        until_natively(lambda: pool.in_flight == 9)
        native_start(hold, ())
        until_natively(lock.locked)

        def act() -> None:
            until_natively(lambda: len(ended) == 2 and concurrent.done() and at_last.done(), SOON)
            errors = [
                outcome(future.get), concurrent.exception(), at_last.exception(), ended["callback"], ended["task"],
            ]
            assert all(isinstance(error, razorg.ConnectionLost) and "forked" in str(error) for error in errors), errors
            assert pool.client(Fork).double(7) == 14 and pool.in_flight == 0

        at_last = last.as_concurrent()  # on its way to the I/O thread when the process forks
        return Child(act, is_native=True)

    assert Native(run).get().wait() == 0
    assert not ended and pool.in_flight == 9
    is_over.append(True)
    pool.client(Fork).open()
    until(lambda: len(ended) == 2)
    assert ended["callback"] == 3 and ended["task"].decode(int) == 5


def native_child_loses_traveller(form: str, address: str, closes: str) -> None:
    """A future, or a task, of a native thread that waits for room elsewhere: its first address has
    closed upon it, and the window of the other one is full."""
    pool, tasks = razorg.connect([address, closes], window=1, max_connections=1), list[Any]()
    sleep = monkey.get_original("time", "sleep")

    def until_natively(condition: Callable[[], Any], seconds: float = PATIENCE) -> None:
        end = monotonic() + seconds
        while not condition():
            assert monotonic() < end, (tasks, pool)
            sleep(0.001)

    def run() -> Child:
        first = pool.submit("Fork.read", 1, idempotent=True)
        if form == "future":
            second = pool.submit("Fork.read", 2, idempotent=True)
            second.add_done_callback(tasks.append)
        else:
            pool.send("Fork.read", 2, idempotent=True, notify=tasks.append)
        until_natively(lambda: "1 queued" in repr(pool))

        def act() -> None:
            until_natively(lambda: first.done() and tasks, SOON)
            for ended in (first, tasks[0]):
                error = outcome(ended.get)
                assert isinstance(error, razorg.ConnectionLost) and "forked" in str(error), error

        return Child(act, is_native=True)

    assert Native(run).get().wait() == 0
    assert not tasks
    tell("open")
    until(lambda: tasks)


def child_loses_ping(address: str) -> None:
    """A ping that nobody answers: the address is that of a server that reads nothing."""
    pool = razorg.connect(address)
    stream = razorg.ClientStream(address)
    waiters = Waiters()
    waiters.greenlet("ping of a pool", pool.ping, PATIENCE)
    waiters.greenlet("ping of a stream", stream.ping, PATIENCE)
    until(lambda: "1 connection" in repr(pool))
    gevent.sleep(0)
    assert Child(waiters.all_lost).wait() == 0
    assert not waiters.outcomes


def child_repeats_nothing(*addresses: str) -> None:
    """Idempotent calls of a failover pool are the parent's to repeat; the test counts them."""
    pool = razorg.connect(list(addresses), retry="always")
    waiters = Waiters()
    for start in (0, 10):
        start_waiters(pool, each := Waiters(), start, "read")
        waiters.names += [f"{start} {name}" for name in each.names]
        start_copy(each, waiters, start)
    until(lambda: pool.in_flight == 8)

    def act() -> None:
        waiters.all_lost()
        for number in range(10):
            assert pool.client(Fork).double(number) == 2 * number
        assert pool.in_flight == 0

    assert Child(act).wait() == 0
    assert not waiters.outcomes and pool.in_flight == 8
    pool.client(Fork).open()
    another = razorg.connect(addresses[-1])
    another.client(Fork).open()
    until(lambda: not waiters.missing())
    assert all(not isinstance(value, BaseException) for value in waiters.outcomes.values()), waiters.outcomes


def start_copy(source: Waiters, target: Waiters, start: int) -> None:
    """Have what ends in one also end in the other, under a name that tells them apart."""

    class Forward(dict[str, Any]):
        def __setitem__(self, name: str, value: Any) -> None:
            super().__setitem__(name, value)
            target.outcomes[f"{start} {name}"] = value

    source.outcomes = Forward()


def fork_anywhere(where: str, address: str) -> None:
    """The fork happens somewhere; the child calls, from the place and from new threads."""
    pool = razorg.connect(address)
    client = pool.client(Fork)

    def act() -> None:
        assert sockets() == [] and razorg.diagnose().calls_run_in == "hub"
        for number in range(20):
            assert client.double(number) == 2 * number
        assert razorg.submit(client.double, 4).result(PATIENCE) == 8
        assert Native(client.double, 5).get() == 10 and is_running()
        greenlets = [gevent.spawn(client.double, number) for number in range(20)]
        assert [greenlet.get(timeout=PATIENCE) for greenlet in greenlets] == [2 * number for number in range(20)]
        channel: Any = gevent.queue.Queue()
        pool.send("Fork.double", 6, notify=channel)
        assert channel.get(timeout=PATIENCE).get().decode(int) == 12

    def fork() -> int:
        return Child(act).wait()

    assert client.double(1) == 2
    if where == "main greenlet":
        assert fork() == 0
    elif where == "greenlet":
        assert gevent.spawn(fork).get(timeout=PATIENCE) == 0
    elif where == "gevent.fork":
        os.fork, os.waitpid = gevent.os.fork, gevent.os.waitpid  # type: ignore[assignment]
        assert fork() == 0
    elif where == "with the I/O thread":
        assert Native(client.double, 2).get() == 4 and is_running()
        assert fork() == 0
    elif where == "native thread":
        assert Native(client.double, 2).get() == 4
        # Waited for here: the thread has no hub to wait in.
        assert Native(lambda: Child(act, is_native=True)).get().wait() == 0
    elif where == "native thread that never called":
        assert Native(lambda: Child(act, is_native=True)).get().wait() == 0
    elif where == "grandchild":

        def act_and_fork() -> None:
            act()
            assert fork() == 0
            act_again()

        def act_again() -> None:
            assert client.double(3) == 6 and Native(client.double, 5).get() == 10

        assert Child(act_and_fork).wait() == 0
    elif where == "grandchild of an idle child":
        assert Child(lambda: assert_zero(fork())).wait() == 0
    for number in range(20):
        assert client.double(number) == 2 * number
    assert Native(client.double, 9).get() == 18


def assert_zero(status: int) -> None:
    assert status == 0


def many_forks(address: str) -> None:
    """Children come and go, and leave nothing in the parent."""
    pool = razorg.connect(address)
    client = pool.client(Fork)

    def act(number: int) -> None:
        assert descriptors() <= most  # nothing adds up in the children
        assert client.double(number) == 2 * number

    assert client.double(1) == 2 and Native(client.double, 2).get() == 4
    most = 1000
    assert Child(act, 0).wait() == 0  # what gevent keeps for children is there from here on
    before = most = descriptors()
    for start in range(0, 40, 4):
        children = [Child(act, number) for number in range(start, start + 4)]
        assert client.double(start) == 2 * start
        assert [child.wait() for child in children] == [0] * 4
    until(lambda: descriptors() <= before, what=lambda: (before, descriptors()))
    assert len(sockets()) == 2  # one of this hub, one of the I/O thread


_worker_pool: Any = None


def _in_worker(number: int) -> int:
    """Runs in a worker of multiprocessing."""
    client = _worker_pool.client(Fork)
    assert Native(client.double, number).get() == 2 * number
    return int(client.double(number))


def workers(address: str) -> None:
    """multiprocessing.Pool, whose workers share the module-global pool by being forked."""
    global _worker_pool
    _worker_pool = razorg.connect(address)
    assert _worker_pool.client(Fork).double(1) == 2
    with multiprocessing.get_context("fork").Pool(3) as processes:
        assert processes.map(_in_worker, range(60), chunksize=2) == [2 * number for number in range(60)]
        processes.close()
        processes.join()
    assert _worker_pool.client(Fork).double(2) == 4


def stream_in_child(address: str) -> None:
    """A ClientStream is the parent's, and says so in the child."""
    stream = razorg.ClientStream(address)
    future = stream.send("Fork.wait", 1)
    waiters = Waiters()
    waiters.greenlet("waiter", future.get)
    waiters.greenlet("ping", lambda: stream.send("Fork.wait", 2).get())
    until(lambda: stream.in_flight == 2)

    def act() -> None:
        assert stream.is_closed and stream.in_flight == 0 and "closed" in repr(stream)
        error = outcome(stream.send, "Fork.double", 2)
        assert isinstance(error, razorg.ConnectionLost) and error.sent == "no" and "forked" in str(error), repr(error)
        for blocking in (stream.ping, stream.flush):
            assert isinstance(outcome(blocking), razorg.ConnectionLost), blocking
        stream.close()
        waiters.all_lost()

    assert Child(act).wait() == 0
    assert not stream.is_closed and stream.in_flight == 2
    stream.send("Fork.open", razorg.NIL).get()
    assert future.get().decode(int) == 1
    stream.close()


def memory_in_child() -> None:
    """The server of memory:// is the parent's: a child is told that nobody listens."""
    server = LocalFork("memory://here")
    pool = razorg.connect("memory://here")
    client = pool.client(Fork)
    assert client.double(1) == 2 and Native(client.double, 2).get() == 4
    waiters = Waiters()
    start_waiters(pool, waiters, 0)
    until(lambda: pool.in_flight == 4)

    def act() -> None:
        waiters.all_lost()
        started = monotonic()
        error = outcome(client.double, 2)
        assert isinstance(error, razorg.Unreachable) and error.sent == "no", repr(error)
        assert isinstance(outcome(Native(client.double, 2).get), razorg.Unreachable)
        assert monotonic() - started < SOON
        again = LocalFork("memory://here")  # the name is free
        until(lambda: outcome(client.double, 4) == 8)
        again.server.stop()

    assert Child(act).wait() == 0
    assert not waiters.outcomes and client.double(3) == 6
    client.open()
    until(lambda: not waiters.missing())
    pool.close()
    server.server.stop()


class LocalFork(Fork):
    """The service, in this process."""

    def __init__(self, address: str) -> None:
        self._gate = gevent.event.Event()
        self.served = 0
        self.server = razorg.RpcServer(address, [self])
        self.server.start()

    def double(self, value: int) -> int:
        self.served += 1
        return 2 * value

    def wait(self, number: int) -> int:
        self._gate.wait()
        return number

    def read(self, number: int) -> int:
        return self.wait(number)

    def open(self) -> None:
        self._gate.set()

    def process(self) -> int:
        return os.getpid()


def server_in_parent(address: str) -> None:
    """The child runs its hub while the test calls the server: only the parent may answer."""
    local = LocalFork(address)
    tell(local.server.addresses[0])
    await_word_in_hub()  # the test has connections and calls now
    assert local.server.running == 1 and local.server.connections >= 2
    reader, writer = os.pipe()
    end_reader, end_writer = os.pipe()

    def act() -> None:
        close_now(end_writer)
        assert sockets() == [] and "stopped" in repr(local.server)
        until(lambda: local.server.running == 0 and local.server.connections == 0, SOON, lambda: local.server)
        local.server.stop()  # there is nothing to do
        os.write(writer, b"!")
        gevent.get_hub().threadpool.apply(os.read, (end_reader, 1))  # the hub runs meanwhile
        assert local.served == served

    served = local.served
    child = Child(act)
    close_now(end_reader)
    close_now(writer)
    assert gevent.get_hub().threadpool.apply(os.read, (reader, 1))
    tell(os.getpid())
    await_word_in_hub()
    local.server.stop(timeout=1)
    tell("stopped")
    await_word_in_hub()
    assert os.waitpid(child.pid, os.WNOHANG) == (0, 0)
    close_now(end_writer)
    assert child.wait() == 0
    tell("ended")


def await_word_in_hub() -> None:
    """Until the test writes a line; greenlets go on."""
    assert gevent.get_hub().threadpool.apply(os.read, (0, 100))


def socket_files(folder: str) -> None:
    """The files of Unix sockets are the parent's, too; many, as the order of things is by chance."""
    servers = [LocalFork(f"unix://{folder}/{number}.sock").server for number in range(12)]
    assert Child(lambda: gevent.sleep(0)).wait() == 0
    assert len(os.listdir(folder)) == len(servers), os.listdir(folder)
    for server in servers:
        with razorg.connect(server.addresses[0]) as pool:
            assert pool.client(Fork).double(2) == 4
        server.stop()
    assert os.listdir(folder) == []


def fork_in_handler(address: str) -> None:
    """A handler forks: the child is in a worker greenlet of a server that is the parent's."""
    children: list[int] = []

    class Forking(LocalFork):
        def wait(self, number: int) -> int:
            assert self.server.running == 1
            children.append(Child(lambda: [assert_zero(len(sockets())), gevent.sleep(0)]).wait())
            return number

    local = Forking(address)
    tell(local.server.addresses[0])
    await_word_in_hub()
    assert children == [0], children
    local.server.stop(timeout=1)


def handlers_in_child() -> None:
    """Handlers that run at the fork end in the child, and nobody need be told."""
    local = LocalFork("memory://here")
    pool = razorg.connect("memory://here")
    future = razorg.submit(pool.client(Fork).wait, 1)
    until(lambda: local.server.running == 1)
    assert Child(lambda: until(lambda: local.server.running == 0, SOON)).wait() == 0
    pool.client(Fork).open()
    assert future.result(PATIENCE) == 1


# ends


@contextlib.contextmanager
def busy(address: str) -> Iterator[Any]:
    """A process in the middle of everything."""
    pool = razorg.connect(address)
    failover = razorg.connect([address])
    client = pool.client(Fork)
    assert client.double(1) == 2 and failover.client(Fork).double(1) == 2
    started = threading.Event()

    def call() -> None:
        started.set()
        outcome(client.wait, 1)

    def call_on() -> None:
        while not isinstance(outcome(client.double, 2), Exception):
            pass

    threading.Thread(target=call, daemon=True).start()
    threading.Thread(target=call_on, daemon=True).start()
    Native(client.wait, 2)
    started.wait()
    for each in (pool, failover):
        razorg.submit(each.client(Fork).wait, 2).add_done_callback(print)
        gevent.spawn(outcome, each.client(Fork).wait, 3)
        each.send("Fork.wait", 4, notify=print)
    stream = razorg.ClientStream(address)
    stream.send("Fork.wait", 5)
    Native(lambda: razorg.submit(client.wait, 6)).get()
    until(lambda: pool.in_flight >= 6 and failover.in_flight == 3)
    yield pool, failover, stream


def ends(how: str, address: str) -> None:
    """The interpreter ends."""
    if how == "late atexit":  # registered first, so called when razorg is over
        atexit.register(call_too_late, address)
    with busy(address) as kept:
        if how == "global":
            globals()["kept"] = kept
    if how == "exit 3":
        sys.exit(3)
    if how == "error":
        raise KeyError("on purpose")
    if how == "atexit":  # registered last, so called first: the pool still works
        atexit.register(lambda: print(Native(kept[0].client(Fork).double, 4).get(), flush=True))
    if how == "closed":
        for each in kept:
            each.close(0)
    if how == "exit in greenlet":
        gevent.spawn(sys.exit, 3).join()
        gevent.sleep(PATIENCE)


def call_too_late(address: str) -> None:
    error = outcome(Native(razorg.connect(address).client(Fork).double, 4).get)
    os._exit(7 if isinstance(error, razorg.LocalProtocolError) else 8)


def ends_in_child(address: str) -> None:
    """A forked child, with open pools and an I/O thread of its own, ends normally."""
    # Without threads of ``threading`` here: in a patched process they would go on in the child.
    globals()["parents"] = pool = razorg.connect(address)
    assert pool.client(Fork).double(1) == 2 and Native(pool.client(Fork).double, 2).get() == 4
    start_waiters(pool, Waiters(), 0)
    until(lambda: pool.in_flight == 4)
    pid = os.fork()
    if pid == 0:
        with busy(address) as globals()["kept"]:
            assert is_running()
        sys.exit(5)
    assert wait_for(pid) == 5


if __name__ == "__main__":
    globals()[sys.argv[2]](*sys.argv[3:])
