"""Errors that point elsewhere: what their class says of it."""

from __future__ import annotations

import gevent

from razorg.client.connections import Connections
from razorg.declared import NEXT, DeclaredError, Failover
from razorg.link.seldom import Seldom
from razorg.transport import registry
from razorg.transport.address import Address


def target_of(error: DeclaredError, sender: Connections, seldom: Seldom) -> Address | Failover:
    """What the error's ``failover()`` says; None, with a log line, when that makes no sense.

    Who is asked encrypted sends nobody elsewhere in the clear.
    """
    try:
        target = error.failover()
        if target is None or target is NEXT:
            return target
        return registry.server_address(target, is_encrypted=sender.address.startswith("tls:"))
    except (Exception, gevent.Timeout) as reason:  # the user's own code, or an address that is none
        seldom.error("failover() of %s makes no sense", type(error).__name__, error=reason)
        return None
