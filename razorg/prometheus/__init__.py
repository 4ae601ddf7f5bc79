"""Metrics for Prometheus; needs the extra ``razorg[prometheus]``.

::

    observer = razorg.Observer()
    server = razorg.RpcServer(listen, services, observer=observer)
    razorg.prometheus.watch(server)          # and pools, too; as often as you like

Nothing is done for a call: the figures of the observers are read when Prometheus asks.  Where
several processes share their metrics (``PROMETHEUS_MULTIPROC_DIR``, as under gunicorn) they are
brought there once a second.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

import prometheus_client

from razorg.api.pools import ClientPool, FailoverPool
from razorg.api.rpcserver import RpcServer
from razorg.prometheus.collector import Collector, Watched
from razorg.prometheus.processes import Synced

__all__ = ["Collector", "watch"]

#: Those that ``watch`` has registered.
_collectors: weakref.WeakKeyDictionary[Any, Collector] = weakref.WeakKeyDictionary()
#: One for the process: its metrics are those of the default registry.
_synced = Synced()


def watch(*watched: Watched, registry: Any = None) -> None:
    """Tell Prometheus of these servers and pools, by the default registry or another one.

    May be called any number of times.  What is watched twice counts once, and is held weakly: of
    what is gone the counters stay as they were; addresses beyond a thousand count together, as
    ``(others)``.  In a process of several (``PROMETHEUS_MULTIPROC_DIR`` is set) call it after the
    fork.
    """
    for one in watched:
        if not isinstance(one, (RpcServer, ClientPool, FailoverPool)):
            raise TypeError(f"watch takes servers and pools of razorg, not {one!r}")
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        _synced.watch(*watched)
        return
    registry = prometheus_client.REGISTRY if registry is None else registry
    mine = Collector(*watched)
    known = _collectors.setdefault(registry, mine)
    if known is not mine:
        known.watch(*watched)
        return
    try:
        registry.register(mine)
    except BaseException:
        del _collectors[registry]
        raise
