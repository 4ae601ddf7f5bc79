"""What native threads are made of, whatever gevent has patched."""

from __future__ import annotations

from gevent import monkey

allocate_lock = monkey.get_original("_thread", "allocate_lock")
sleep = monkey.get_original("time", "sleep")
start_new_thread = monkey.get_original("_thread", "start_new_thread")
