"""What a server tells of itself, as the commands use it; it may tell nothing, or anything."""

from __future__ import annotations

from typing import Any

import click

from razorg.api.pools import ClientPool
from razorg.cli.connecting import SERVER, fail
from razorg.cli.values import text_of, value_of
from razorg.errors import DecodeError, RazorError, RpcError, ServiceNotFound

_HEALTH = {"status", "version", "pid", "uptime", "connections", "running"}
#: Of each method.
_TOLD = {"doc", "parameters", "returns", "errors", "idempotent"}


def services_described(pool: ClientPool) -> dict[str, Any]:
    """All services by name; ends the command where the server does not tell."""
    try:
        services: Any = pool.call("Razorg.describe")
        if all(
            isinstance(one["doc"], str)
            and isinstance(one["types"], dict)
            and all(method.keys() >= _TOLD for method in one["methods"].values())
            for one in services.values()
        ):
            return dict(services)
    except ServiceNotFound:
        fail(SERVER, "the server does not tell: it has no services, or reflection=False")
    except RpcError:
        raise
    except (RazorError, OSError) as error:
        fail(SERVER, f"the server does not tell what it has: {error}")
    except (AttributeError, LookupError, TypeError):
        pass
    fail(SERVER, "the server does not tell what it has: Razorg.describe is something else there")


def health_of(pool: ClientPool) -> dict[str, Any]:
    """What the server says of itself; RpcError where it does not."""
    return _answer(pool, "Razorg.health", _HEALTH)


def stats_of(pool: ClientPool) -> dict[str, Any]:
    """What the calls of a server came to, and its health; RpcError where it does not tell."""
    stats = _answer(pool, "Razorg.stats", {"server", "methods"})
    if not (isinstance(stats["server"], dict) and stats["server"].keys() >= _HEALTH):
        raise DecodeError("Razorg.stats is something else there", sent="yes")
    return stats


def _answer(pool: ClientPool, action: str, names: set[str]) -> dict[str, Any]:
    try:
        told: Any = pool.call(action, timeout=5.0)
    except RpcError:
        raise
    except (RazorError, OSError) as error:
        raise DecodeError(f"{action} fails there: {error}", sent="yes") from None
    if not (isinstance(told, dict) and told.keys() >= names):
        raise DecodeError(f"{action} is something else there", sent="yes")
    return told


def method_described(pool: ClientPool, action: str, timeout: float | None) -> dict[str, Any] | None:
    """One method; None where the server does not tell, or the call will say what is wrong."""
    service, _, method = action.partition(".")
    try:
        services = pool.call("Razorg.describe", timeout=timeout)
        told: dict[str, Any] = services[service]["methods"][method]
        if all(isinstance(one["name"], str) for one in (*told["parameters"], *told["errors"])):
            return told
    except (RazorError, OSError, LookupError, TypeError):
        pass
    return None


def arguments_for(action: str, method: dict[str, Any] | None, typed: tuple[str, ...]) -> list[Any]:
    """The positional arguments of a call for what was typed; UsageError when they do not fit.

    Without a description each text is an argument.
    """
    if method is None:
        return [value_of(text) for text in typed]
    parameters = method["parameters"]
    names = [one["name"] for one in parameters]
    given: dict[str, Any] = {}
    positional: list[str] = []
    for text in typed:
        name, separator, value = text.partition("=")
        if separator and name in names:
            given[name] = value
        else:
            positional.append(text)
    if len(positional) > len(names):
        raise click.UsageError(
            f"{action}({', '.join(names)}) takes {len(names)} arguments, not {len(positional)}"
        )
    twice = given.keys() & set(names[: len(positional)])
    given |= zip(names, positional)
    missing = [
        one["name"] for one in parameters if one["name"] not in given and "default" not in one
    ]
    if missing or twice:
        wrong = f"missing {', '.join(missing)}" if missing else f"twice {', '.join(twice)}"
        raise click.UsageError(f"{action}({', '.join(names)}): {wrong}")
    return [
        _value(one.get("type"), given[one["name"]]) if one["name"] in given else one["default"]
        for one in parameters
    ]


def _value(type_: Any, text: str) -> Any:
    """As its type wants it: 5 is no number for a text."""
    if type_ in ("str", "Optional[str]"):
        return text_of(text, may_be_none=type_ != "str")
    return value_of(text)
