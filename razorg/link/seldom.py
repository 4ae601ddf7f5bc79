"""Log lines that a hostile peer could cause by the thousand."""

from __future__ import annotations

import logging
import re
from time import monotonic
from typing import Any

#: One line of a kind in this time.
EVERY_SECONDS = 1.0
#: What is longer is cut: it may be what the peer has sent.
MAX_CHARS = 200


class Seldom:
    """Lets one line of each text a second through; the next one tells how many were left out.

    Errors of different classes, or from different places of the code, are different lines.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        #: By kind of line: when it was last said, how often not since.
        self._said: dict[tuple[int, str, Any], tuple[float, int]] = {}

    def info(self, text: str, *args: object) -> None:
        """As the logger's."""
        self._say(logging.INFO, text, args, None)

    def warning(self, text: str, *args: object) -> None:
        """As the logger's."""
        self._say(logging.WARNING, text, args, None)

    def error(self, text: str, *args: object, error: BaseException | None = None) -> None:
        """As the logger's, with the traceback of the error."""
        self._say(logging.ERROR, text, args, error)

    def tell_rest(self, up_to: float) -> None:
        """Tell how many lines were left out of which none came since; for a tick, or the end.

        ``up_to`` is a time of the monotonic clock: younger ones may still get their next line.
        """
        for kind, (last_at, left_out) in list(self._said.items()):
            if last_at <= up_to:
                self._said.pop(kind, None)
                if left_out:
                    text = re.sub(r"%\w", "…", kind[1])
                    self._log.log(kind[0], "%s (%d lines like this were left out)", text, left_out)

    def _say(
        self, level: int, text: str, args: tuple[object, ...], error: BaseException | None
    ) -> None:
        now = monotonic()
        kind = (level, text, _origin(error))
        last_at, left_out = self._said.get(kind, (float("-inf"), 0))
        if now - last_at < EVERY_SECONDS:
            self._said[kind] = (last_at, left_out + 1)
            return
        self._said[kind] = (now, 0)
        if left_out:
            text += f" ({left_out} lines like this were left out)"
        self._log.log(level, text, *map(_short, args), exc_info=error)


def _origin(error: BaseException | None) -> Any:
    """The class of an error and the line that raised it: as many as the program has."""
    if error is None:
        return None
    place = getattr(error, "__traceback__", None)  # a Respond takes any object for an error
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return type(error), place and (place.tb_frame.f_code.co_filename, place.tb_lineno)


def _short(arg: object) -> object:
    if isinstance(arg, BaseException):
        try:
            arg = str(arg)
        except Exception:  # a class of the user's that cannot say what it is
            arg = type(arg).__name__
    if isinstance(arg, str) and len(arg) > MAX_CHARS:
        return arg[:MAX_CHARS] + "…"
    return arg
