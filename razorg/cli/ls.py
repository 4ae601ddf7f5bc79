"""``razorg ls``."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console
from rich.text import Text

from razorg.cli.connecting import USAGE, Connect, connection_options, fail
from razorg.cli.described import services_described
from razorg.cli.values import to_json


@click.command()
@click.argument("address", metavar="ADDR")
@click.argument("name", metavar="[SERVICE[.METHOD]]", required=False)
@click.option("--json", "as_json", is_flag=True, help="As the server tells it.")
@connection_options
def command(address: str, name: str | None, as_json: bool, connect: Connect) -> None:
    """List what a server offers: services, methods, what they take, return and raise."""
    with connect(address) as pool:
        services = services_described(pool)
    if name:
        services = _chosen(services, name)
    if as_json:
        click.echo(to_json(services))
        return
    console = Console(highlight=False, soft_wrap=True)
    for service, described in services.items():
        console.print(Text(service, style="bold"), Text(_first(described["doc"]), style="dim"))
        for method, told in described["methods"].items():
            console.print(Text("  "), _signature(method, told), sep="")
            if told["doc"]:
                console.print(Text("      " + told["doc"].replace("\n", "\n      "), style="dim"))


def _chosen(services: dict[str, Any], name: str) -> dict[str, Any]:
    service, _, method = name.partition(".")
    if service not in services:
        fail(USAGE, f"there is no service {service!r}; there are: {', '.join(services)}")
    described = services[service]
    if not method:
        return {service: described}
    if method not in described["methods"]:
        known = ", ".join(described["methods"])
        fail(USAGE, f"{service} has no method {method!r}; it has: {known}")
    return {service: {**described, "methods": {method: described["methods"][method]}}}


def _signature(name: str, told: dict[str, Any]) -> Text:
    parameters = ", ".join(map(_parameter, told["parameters"]))
    text = Text.assemble((name, "cyan"), f"({parameters}) -> {told['returns']}")
    if told["errors"]:
        errors = ", ".join(f"{error['name']} ({error['kind']})" for error in told["errors"])
        text.append(f"  raises {errors}", "red")
    if told["idempotent"]:
        text.append("  idempotent", "green")
    if told.get("requires"):
        text.append(f"  requires {told['requires']}", "yellow")
    return text


def _parameter(told: dict[str, Any]) -> str:
    default = f" = {told['default']!r}" if "default" in told else ""
    return f"{told['name']}: {told['type']}{default}"


def _first(doc: str) -> str:
    return doc.split("\n")[0]
