"""The system's own socket class, whether or not the process is monkey-patched."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from gevent import monkey

if TYPE_CHECKING:
    system_socket = socket.socket
else:
    system_socket = monkey.get_original("socket", "socket")
