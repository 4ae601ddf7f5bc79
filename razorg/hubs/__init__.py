"""Threads and processes: which hub serves a thread, how threads wait for each other, forks."""
