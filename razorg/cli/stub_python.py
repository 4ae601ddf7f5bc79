"""The interface of a server, as Python."""

from __future__ import annotations

import keyword
import math
from typing import Any

from razorg.cli.stub_names import Identifiers
from razorg.cli.stub_types import WORDS, Annotations, is_nullable, names_in

#: What the module itself needs.
_MODULE = frozenset(
    ["annotations", "builtins", "dataclass", "enum", "msgspec", "razorg", "typing", "OSError"]
)
_RESERVED = _MODULE | frozenset(keyword.kwlist)


def python_stub(services: dict[str, Any], address: str) -> str:
    """A module that client and server can share."""
    return "\n".join(_Stub(services).lines(address)).rstrip() + "\n"


class _Stub:
    """The names of the module, and what it says of each."""

    def __init__(self, services: dict[str, Any]) -> None:
        self._services = services
        self._types = {
            name: told for service in services.values() for name, told in service["types"].items()
        }
        self._errors = {
            error["name"]: error
            for service in services.values()
            for method in service["methods"].values()
            for error in method["errors"]
            if error["kind"] != "errno"
        }
        top = Identifiers(_RESERVED | WORDS)
        self._service_names = {name: top.make(name) for name in services}
        self._type_names = {name: top.make(name) for name in self._types}
        self._error_names = {name: top.make(name) for name in self._errors}
        #: What the bodies of classes must not hide.
        self._top = frozenset(
            [
                *_RESERVED,
                *self._service_names.values(),
                *self._type_names.values(),
                *self._error_names.values(),
            ]
        )
        self._annotations = Annotations(self._type_names)
        self._members = {
            name: _members(told) for name, told in self._types.items() if told["kind"] == "enum"
        }

    def lines(self, address: str) -> list[str]:
        body: list[str] = []
        for name, told in self._types.items():
            body += ["", *self._type(name, told), ""]
        for name, told in self._errors.items():
            body += ["", *self._error(name, told), ""]
        for name, told in self._services.items():
            body += ["", *self._service(name, told), ""]
        text = "\n".join(body)
        modules = [name for name in ("builtins", "enum", "typing") if f"{name}." in text]
        others = [name for name in ("msgspec", "razorg") if f"{name}." in text]
        return [
            *_doc(f"Services of {address}, as it describes them (razorg stubgen).", 0),
            "",
            "from __future__ import annotations",
            "",
            *[f"import {name}" for name in modules],
            "from dataclasses import dataclass",
            "from typing import Any, Literal, Optional, Union",
            "",
            *[f"import {name}" for name in others],
            "",
            *body,
        ]

    def _type(self, name: str, told: dict[str, Any]) -> list[str]:
        made = self._type_names[name]
        if told["kind"] == "enum":
            values = told["values"].items()
            lines = [f"    {self._members[name][value]} = {value!r}" for _, value in values]
            return [f"class {made}(enum.Enum):", *(lines or ["    pass"])]
        return self._record(made, told)

    def _record(self, made: str, told: dict[str, Any]) -> list[str]:
        """A dataclass; a Struct where fields have other names on the wire, or may be missing."""
        scope = Identifiers(self._top)
        fields = {scope.make(field["name"]): field for field in told["fields"]}
        annotations = self._annotations.hiding(fields)
        renamed = {mine: one["name"] for mine, one in fields.items() if mine != one["name"]}
        options = [f"rename={renamed!r}"] if renamed else []
        is_array = told.get("array", False)
        if is_array:
            # What is missing in the middle of an array would be nil.
            given = [mine for mine, one in fields.items() if not _may_be_nil(one)]
            options.append("array_like=True")
            if list(fields)[: len(given)] != given:
                options.append("kw_only=True")
        else:
            given = [mine for mine, one in fields.items() if one["required"]]
            fields = {**{mine: fields[mine] for mine in given}, **fields}
            if any(not one["required"] and not _may_be_nil(one) for one in fields.values()):
                options.append("omit_defaults=True")
        if "tag" in told:
            options += [f"tag_field={told['tag']['name']!r}", f"tag={told['tag']['value']!r}"]
        lines = [
            f"    {mine}: {annotations.written(one['type'])}"
            if mine in given
            else f"    {mine}: {annotations.optional(one['type'])} = None"
            for mine, one in fields.items()
        ] or ["    pass"]
        if options:
            return [f"class {made}(msgspec.Struct, {', '.join(options)}):", *lines]
        return ["@dataclass", f"class {made}:", *lines]

    def _error(self, name: str, told: dict[str, Any]) -> list[str]:
        made = self._error_names[name]
        if told["kind"] == "value":
            # Its fields have their own names here, or are none.
            named = [one for one in told["fields"] if _is_identifier(one["name"])]
            fields = sorted(named, key=lambda field: not field["required"])
            annotations = self._annotations.hiding([field["name"] for field in fields])
            lines = [
                f"    {one['name']}: {annotations.written(one['type'])}"
                if one["required"]
                else f"    {one['name']}: {annotations.optional(one['type'])} = None"
                for one in fields
            ]
            return ["@dataclass", f"class {made}(razorg.ErrorValue):", *(lines or ["    pass"])]
        base = "ErrorCode" if told["kind"] == "code" else "ErrorText"
        keys = [key for key in ("signed", "code", "text") if key in told]
        lines = [f"    {key} = {told[key]!r}" for key in keys]
        return [f"class {made}(razorg.{base}):", *(lines or ["    pass"])]

    def _service(self, name: str, told: dict[str, Any]) -> list[str]:
        made = self._service_names[name]
        decorator = "@razorg.service" if made == name else f"@razorg.service(name={name!r})"
        lines = [decorator, f"class {made}:", *_doc(told["doc"], 4)]
        scope = Identifiers(self._top)
        attributes = {method: scope.make(method) for method in told["methods"]}
        annotations = self._annotations.hiding(attributes.values())
        for method, one in told["methods"].items():
            lines += ["", *self._method(method, attributes[method], one, annotations)]
        return lines

    def _method(
        self, name: str, attribute: str, told: dict[str, Any], annotations: Annotations
    ) -> list[str]:
        options = [] if attribute == name else [f"name={name!r}"]
        if told["errors"]:
            errors = ", ".join(
                "OSError" if error["kind"] == "errno" else self._error_names[error["name"]]
                for error in told["errors"]
            )
            options.append(f"raises={errors if len(told['errors']) == 1 else f'({errors})'}")
        if told["idempotent"]:
            options.append("idempotent=True")
        if told.get("requires"):
            options.append(f"requires={told['requires']!r}")
        lines = [f"    @razorg.method({', '.join(options)})"] if options else []
        parameters = self._parameters(told["parameters"], annotations)
        returns = annotations.written(told["returns"])
        lines.append(f"    def {attribute}({', '.join(parameters)}) -> {returns}:")
        return [*lines, *_doc(told["doc"], 8), "        raise NotImplementedError"]

    def _parameters(self, told: list[dict[str, Any]], annotations: Annotations) -> list[str]:
        """Those after which one has no default that can be written have none either."""
        scope = Identifiers([*keyword.kwlist, "self"])
        written: list[str] = []
        has_default = True
        for mine, one in reversed([(scope.make(one["name"]), one) for one in told]):
            default = self._default(one, annotations) if has_default else None
            has_default = default is not None
            if default is None:
                written.append(f"{mine}: {annotations.written(one['type'])}")
            elif default == "None":
                written.append(f"{mine}: {annotations.optional(one['type'])} = None")
            else:
                written.append(f"{mine}: {annotations.written(one['type'])} = {default}")
        return ["self", *reversed(written)]

    def _default(self, told: dict[str, Any], annotations: Annotations) -> str | None:
        if "default" not in told:
            return None
        value = told["default"]
        if isinstance(value, float) and not math.isfinite(value):
            return f'{annotations.word("float")}("{value}")'
        for name in names_in(told["type"]):
            if name in self._members and value in self._members[name]:
                return f"{self._type_names[name]}.{self._members[name][value]}"
        return repr(value)


def _members(told: dict[str, Any]) -> dict[Any, str]:
    """The names of an enum's members by their values."""
    scope = Identifiers([*keyword.kwlist, "name", "value", "mro"])
    return {value: scope.make(member) for member, value in told["values"].items()}


def _is_identifier(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _may_be_nil(field: dict[str, Any]) -> bool:
    return not field["required"] and is_nullable(field["type"])


def _doc(doc: str, indent: int) -> list[str]:
    if not doc:
        return []
    body, end = (doc[:-1], '\\"') if doc.endswith('"') else (doc, "")
    text = body.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') + end
    text = "".join(
        char if char == "\n" or char.isprintable() else repr(char)[1:-1] for char in text
    )
    return [" " * indent + line if line else "" for line in f'"""{text}"""'.split("\n")]
