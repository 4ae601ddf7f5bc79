"""Bytes ⇄ frames of razor protocol version 1: no sockets, no gevent, no clock."""
