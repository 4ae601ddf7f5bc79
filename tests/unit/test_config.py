"""Settings: the documented defaults, the checks, and what keywords change."""

from __future__ import annotations

import dataclasses
import math
import pickle
from typing import Any

import pytest

from razorg.config import ClientConfig, Limits, ServerConfig, configured

MIB = 1024 * 1024
CLIENT = {
    "task_timeout": 20,
    "connect_timeout": 10,
    "read_timeout": 5,
    "write_timeout": 5,
    "idle_timeout": 120,
    "window": 128,
    "min_connections": 1,
    "max_connections": 4,
    "retry_limit": 3,
    "retry": "safe",
    "reconnect_max": 1.5,
    "reconnect_idle_max": 30,
    "client_id": 0,
}
SERVER = {
    "read_timeout": 5,
    "write_timeout": 5,
    "idle_timeout": 120,
    "stop_timeout": 90,
    "max_connections": 10_000,
    "max_running": 256,
}
LIMITS = {
    "max_msg_bytes": 64 * MIB,
    "max_blob_bytes": 256 * MIB,
    "max_action_bytes": 1024,
    "min_bytes_per_second": 64 * 1024,
}


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [(ClientConfig, CLIENT), (ServerConfig, SERVER), (Limits, LIMITS)],
    ids=["client", "server", "limits"],
)
def test_documented_defaults(kind: Any, defaults: dict[str, Any]) -> None:
    made = kind()
    assert {name: getattr(made, name) for name in defaults} == defaults
    assert kind is Limits or made.limits == Limits()


SETTINGS = [
    (kind, item.name, *item.metadata["range"], item.metadata["whole"])
    for kind in (ClientConfig, ServerConfig, Limits)
    for item in dataclasses.fields(kind)
    if "range" in item.metadata
]


def test_every_number_is_checked() -> None:
    checked = {(kind, name) for kind, name, *_ in SETTINGS}
    for kind in (ClientConfig, ServerConfig, Limits):
        for item in dataclasses.fields(kind):
            assert (kind, item.name) in checked or item.name in ("retry", "limits", "tls")


@pytest.mark.parametrize(
    ("kind", "name", "low", "high", "whole"),
    SETTINGS,
    ids=[f"{case[0].__name__}-{case[1]}" for case in SETTINGS],
)
def test_bounds(kind: Any, name: str, low: Any, high: Any, whole: bool) -> None:
    others: dict[str, Any] = {}
    if name == "min_connections":
        others = {"max_connections": high}
    elif name == "max_connections" and kind is ClientConfig:
        others = {"min_connections": low}
    for value in (low, high):
        assert getattr(kind(**others, **{name: value}), name) == value
    step = 1 if whole else 0.0005
    for value in (low - step, high + 1, -1, math.nan if not whole else -(2**63)):
        with pytest.raises(ValueError, match=name):
            kind(**others, **{name: value})
    for value in ("1", None, True, [1], *([1.0] if whole else [])):
        with pytest.raises(TypeError, match=name):
            kind(**others, **{name: value})


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 0, 0.0, -0.5])
def test_no_time_without_end_or_of_nothing(value: float) -> None:
    with pytest.raises(ValueError, match="task_timeout"):
        ClientConfig(task_timeout=value)


def test_what_the_wire_bounds() -> None:
    assert ClientConfig(client_id=2**64 - 1).client_id == 2**64 - 1
    with pytest.raises(ValueError):
        ClientConfig(client_id=2**64)
    assert Limits(max_blob_bytes=2**31 - 1).max_blob_bytes == 2**31 - 1
    with pytest.raises(ValueError):
        Limits(max_blob_bytes=2**31)


@pytest.mark.parametrize("value", ["never", "", None, True, 1])
def test_retry_is_one_of_two(value: Any) -> None:
    assert ClientConfig(retry="always").retry == "always"
    with pytest.raises(ValueError, match="retry"):
        ClientConfig(retry=value)


def test_connections_in_order() -> None:
    assert ClientConfig(min_connections=4).min_connections == 4
    with pytest.raises(ValueError, match="min_connections"):
        ClientConfig(min_connections=5)
    with pytest.raises(ValueError, match="max_connections"):
        ClientConfig(min_connections=3).replace(max_connections=2)


@pytest.mark.parametrize("kind", [ClientConfig, ServerConfig])
def test_limits_are_limits(kind: Any) -> None:
    assert kind(limits=Limits(max_action_bytes=5)).limits.max_action_bytes == 5
    for wrong in (None, {"max_action_bytes": 5}, 5):
        with pytest.raises(TypeError, match="limits"):
            kind(limits=wrong)


def test_frozen_values() -> None:
    config = ClientConfig(window=7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.window = 8  # type: ignore[misc]
    assert config == ClientConfig(window=7) != ClientConfig()
    assert hash(config) == hash(ClientConfig(window=7))
    assert pickle.loads(pickle.dumps(config)) == config


def test_replace() -> None:
    config = ClientConfig(window=7)
    changed = config.replace(task_timeout=1, limits=Limits(max_msg_bytes=9))
    assert (changed.window, changed.task_timeout, changed.limits.max_msg_bytes) == (7, 1, 9)
    assert config == ClientConfig(window=7)
    with pytest.raises(TypeError, match="windows"):
        config.replace(windows=8)
    with pytest.raises(ValueError, match="window"):
        config.replace(window=0)


def test_configured() -> None:
    config = ServerConfig(max_running=9)
    assert configured(None, ServerConfig, {}) == ServerConfig()
    assert configured(config, ServerConfig, {}) is config
    both = configured(config, ServerConfig, {"idle_timeout": 3.5})
    assert (both.max_running, both.idle_timeout) == (9, 3.5)
    with pytest.raises(TypeError, match="no_such"):
        configured(None, ServerConfig, {"no_such": 1})
    with pytest.raises(TypeError, match="config"):
        configured(ClientConfig(), ServerConfig, {})  # type: ignore[type-var]
