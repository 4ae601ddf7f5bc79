"""Typed services on top of streams and servers."""
