"""Decisions of both sides: no sockets and no gevent; time is passed in."""
