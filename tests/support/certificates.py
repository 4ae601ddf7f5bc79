"""Certificates of a throw-away authority, as files."""

from __future__ import annotations

import datetime
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import trustme

HOST = "127.0.0.1"


class Authority:
    """One that signs what it is asked to; its files are gone when the process ends."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.file = self.folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, *names: str, path: Path | None = None, age: int = 0, **fields: Any) -> Path:
        """A file with a key and a certificate for the names; ``age``: days since it expired."""
        if age:
            fields["not_after"] = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=age)
            fields["not_before"] = fields["not_after"] - datetime.timedelta(days=1)
        made = self._ca.issue_cert(*(names or (HOST, "localhost", "::1")), **fields)
        path = path or self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        made.private_key_and_cert_chain_pem.write_to_path(path)
        return path


@cache
def authority() -> Authority:
    """The one that the tests of this process trust."""
    return Authority()


@cache
def server_file() -> Path:
    return authority().issue()
