"""A network of one's own: a namespace with a link to this one, which can be narrow, lossy or dead.

For root on Linux only.  The kernel here may lack netem, so losses are made by nft.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from types import TracebackType

_numbers = itertools.count(1)


def missing(*tools: str) -> str | None:
    """Why there can be no such network here, or None; ``tools``: commands that are needed besides."""
    if sys.platform != "linux":
        return f"{sys.platform} has no network namespaces"
    if os.geteuid() != 0:
        return "network namespaces are for root"
    for tool in ("ip", *tools):
        if shutil.which(tool) is None:
            return f"there is no command {tool}"
    probe = f"rzprobe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    return f"ip netns add: {made.stderr.strip()}" if made.returncode else None


class Namespace:
    """A namespace, as a context: ``here`` and ``there`` are the addresses of both ends of its link.

    ``inside`` is what a command begins with that shall run in it.  Whatever happens, it is removed
    at the end, and all that runs in it is killed.
    """

    def __init__(self) -> None:
        number = next(_numbers)
        self.name = f"rz{os.getpid()}n{number}"
        self._link = (f"rzh{os.getpid() % 100000}n{number}"[:15], f"rzt{os.getpid() % 100000}n{number}"[:15])
        net = f"10.{200 + os.getpid() % 50}.{number % 250}"
        self.here, self.there = f"{net}.1", f"{net}.2"

    @property
    def inside(self) -> list[str]:
        return ["ip", "netns", "exec", self.name]

    def __enter__(self) -> Namespace:
        here, there = self._link
        try:
            run("ip", "netns", "add", self.name)
            run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", self.name)
            run("ip", "addr", "add", f"{self.here}/24", "dev", here)
            run("ip", "link", "set", here, "up")
            self.run("ip", "addr", "add", f"{self.there}/24", "dev", there)
            self.run("ip", "link", "set", there, "up")
            self.run("ip", "link", "set", "lo", "up")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def run(self, *command: str) -> str:
        """What the command prints that runs inside; AssertionError when it fails."""
        return run(*self.inside, *command)

    def narrow(self, mtu: int) -> None:
        """Packets of so many bytes at most, both ways."""
        here, there = self._link
        run("ip", "link", "set", here, "mtu", str(mtu))
        self.run("ip", "link", "set", there, "mtu", str(mtu))

    def lose(self, one_in: int) -> None:
        """One packet in so many is lost, in each direction; 1: all, and nobody is told; 0: none any
        more.  Needs nft."""
        self.run("nft", "flush", "ruleset")
        if not one_in:
            return
        self.run("nft", "add", "table", "inet", "lossy")
        for hook in ("input", "output"):
            self.run("nft", "add", "chain", "inet", "lossy", hook, f"{{ type filter hook {hook} priority 0; }}")
            self.run("nft", "add", "rule", "inet", "lossy", hook, "numgen", "random", "mod", str(one_in), "0", "counter", "drop")

    def lost(self) -> int:
        """How many packets were lost so far."""
        return sum(int(count) for count in re.findall(r"counter packets (\d+)", self.run("nft", "list", "ruleset")))

    def _remove(self) -> None:
        pids = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True).stdout.split()
        for pid in pids:
            subprocess.run(["kill", "-KILL", pid], capture_output=True)
        subprocess.run(["ip", "link", "del", self._link[0]], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)


def run(*command: str) -> str:
    """What it prints; AssertionError when it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout
