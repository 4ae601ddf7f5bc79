"""Addresses, leaders and registrations from the systems that users already run.

Importing this imports no client of any engine: ``razorg[zookeeper]``, ``razorg[etcd]`` and
``razorg[dns]`` are needed by those only who name such a URL.
"""

from razorg.discovery.advertise import Register
from razorg.discovery.keeping import Election, NotLeader, Registration, election
from razorg.discovery.node import Answer, Node, Resolver, Snapshot
from razorg.discovery.registry import register_resolver

__all__ = [
    "Answer",
    "Election",
    "Node",
    "NotLeader",
    "Register",
    "Registration",
    "Resolver",
    "Snapshot",
    "election",
    "register_resolver",
]
