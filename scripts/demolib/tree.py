"""A directory tree: which files it has, and which paths are let in."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 256 * 1024


def sha256(path: Path) -> str:
    """The SHA-256 of a file on this disk, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class Tree:
    """The files below a root, as they are found when it is made."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve(strict=True)
        self._files = {path for path in self._candidates() if self._is_served(path)}

    def paths(self) -> list[str]:
        """Every file, by its path below the root."""
        return sorted(self._files)

    def locate(self, path: str) -> Path:
        """The file on the disk; an OSError, as from the system, when it is not served."""
        place = self._resolve(path)
        if not place.is_relative_to(self.root):
            raise _os_error(errno.EACCES, path)
        if place.is_dir():
            raise _os_error(errno.EISDIR, path)
        if path not in self._files:
            raise _os_error(errno.ENOENT, path)
        return place

    def _resolve(self, path: str) -> Path:
        try:
            return (self.root / path).resolve()
        except (RuntimeError, ValueError):  # a loop of links, a NUL in the path
            raise _os_error(errno.EINVAL, path) from None

    def _is_served(self, path: str) -> bool:
        try:
            path.encode()  # names that are no UTF-8 cannot be asked for
            place = self._resolve(path)
            return place.is_relative_to(self.root) and place.is_file()
        except (OSError, UnicodeEncodeError):
            return False

    def _candidates(self) -> Iterator[str]:
        if (self.root / ".git").exists():
            listing = subprocess.run(
                ["git", "ls-files", "-z"], cwd=self.root, capture_output=True, check=False
            )
            if listing.returncode == 0 and listing.stdout:
                yield from map(os.fsdecode, listing.stdout.rstrip(b"\0").split(b"\0"))
                return
        for directory, below, names in os.walk(self.root):
            below[:] = [name for name in below if not name.startswith(".")]
            for name in names:
                yield (Path(directory) / name).relative_to(self.root).as_posix()


def _os_error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
