"""The demo: a directory tree served by one process and fetched by two others.

contract.py    the service and its errors, shared by both sides: start reading here
server.py      the server process
fetch.py       64 greenlets that fetch and verify every file
web.py         a WSGI app, monkey-patched, that passes the files on by HTTP
mistakes.py    one error of each kind, as a user sees it
cli.py         runs all of it; tree, children, visits and report are its hands
"""
