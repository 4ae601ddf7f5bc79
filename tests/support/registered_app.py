"""What gunicorn serves in the tests of discovery: registered for each worker, or for the socket once."""

from __future__ import annotations

import os

import razorg


@razorg.service
class Pid:
    def get(self) -> int:
        return os.getpid()


register = razorg.Register(os.environ["ENGINE_URL"], once=os.environ["ONCE"] == "yes")
server = razorg.RpcServer(None, [Pid()], register=register)
