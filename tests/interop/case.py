"""One thing that a Python client asks for, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Optional, Type

import razorg


@dataclass(frozen=True)
class Fails:
    """The call raises this class, with these attributes."""

    error: Type[BaseException]
    attributes: Dict[str, Any] = field(default_factory=dict)
    text: Optional[str] = None  # what str(error) is


@dataclass(frozen=True)
class Case:
    name: str
    run: Callable[[Any], Any]
    want: Any
    reference: bool = False  # only for a server made with the Rust crates


def check(case: Case, subject: Any) -> None:
    """Runs one case; AssertionError when the outcome is another."""
    if not isinstance(case.want, Fails):
        got = case.run(subject)
        assert got == case.want and type(got) is type(case.want), f"got {got!r:.300}, want {case.want!r:.300}"
        return
    want = case.want
    try:
        got = case.run(subject)
    except want.error as error:
        assert want.text is None or str(error) == want.text
        for name, value in want.attributes.items():
            assert getattr(error, name) == value, f"{name} is {getattr(error, name)!r}, want {value!r}"
    else:
        raise AssertionError(f"got {got!r:.300}, want {want.error.__name__}")


def answered(error: Type[razorg.RpcError]) -> Fails:
    """The error of the framework that a response brought: the request has surely been sent."""
    return Fails(error, {"sent": "yes"})


def refused() -> Fails:
    """The server could not decode the request."""
    return answered(razorg.DecodeError)
