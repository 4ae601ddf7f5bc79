"""The interface of a server, as Rust for the crates razor-rpc and razor-rpc-tcp 0.8."""

from __future__ import annotations

import ast
import re
from typing import Any

from razorg.cli.stub_names import Identifiers
from razorg.cli.stub_types import NO_EXPRESSION

_PLAIN = {
    "int": "i64", "float": "f64", "str": "String", "bytes": "ByteBuf", "bool": "bool", "None": "()",
}  # fmt: skip
_KEYWORDS = {
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "if", "impl", "in",
    "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "Self",
}  # fmt: skip
#: Not even ``r#`` makes these identifiers.
_NEVER = {"Self", "crate", "self", "super"}
#: The types that the module names.
_MODULE = {
    "ByteBuf", "Client", "Deserialize", "Errno", "HashMap", "Option", "Result", "RpcError",
    "Serialize", "String", "Vec", "bool", "f64", "i32", "i64", "str", "u32",
}  # fmt: skip


class _Untranslatable(Exception):
    """A type that the crates have no word for."""


def rust_stub(services: dict[str, Any], address: str) -> str:
    """A module with a client, a trait for each service, and the types that they use."""
    types = {name: told for service in services.values() for name, told in service["types"].items()}
    lines = [
        f"//! Services of {address}, as it describes them (razorg stubgen).",
        "//! Needs razor-rpc, razor-rpc-tcp, serde (derive), serde_bytes, nix.",
        "#![allow(dead_code, unused_imports)]",
        "",
        "use nix::errno::Errno;",
        "use razor_rpc::client::{endpoint_async, endpoint_client};",
        "use razor_rpc::error::RpcError;",
        "use serde::{Deserialize, Serialize};",
        "use serde_bytes::ByteBuf;",
        "use std::collections::HashMap;",
        "",
        "endpoint_client!(Client);",
    ]
    scope = Identifiers(_KEYWORDS | _MODULE)
    traits = {name: scope.make(name) for name in services}
    names = {name: scope.make(name) for name in types}
    texts, reasons = _types(types, names)
    for name in types:
        left_out = _comment(f"{names[name]} is left out: {reasons.get(name)}", 0)
        lines += ["", *texts.get(name, [left_out])]
    known = {name: names[name] for name in texts}
    for name, told in services.items():
        if traits[name] == name:
            lines += ["", *_service(name, told, known)]
        else:
            lines += ["", _comment(f"{name!r} is left out: no trait can have its name", 0)]
    return "\n".join(lines) + "\n"


def _types(
    types: dict[str, Any], names: dict[str, str]
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """The text of each type, or why there is none: what holds one of these has none, too."""
    reasons: dict[str, str] = {}
    while True:
        known = {name: made for name, made in names.items() if name not in reasons}
        texts: dict[str, list[str]] = {}
        for name in known:
            try:
                texts[name] = _type(name, types[name], known)
            except _Untranslatable as error:
                reasons[name] = str(error)
        if len(texts) == len(known):
            return texts, reasons


def _type(name: str, told: dict[str, Any], known: dict[str, str]) -> list[str]:
    lines = ["#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]"]
    scope = Identifiers(_NEVER)
    if told["kind"] == "enum":
        if not all(isinstance(value, str) for value in told["values"].values()):
            raise _Untranslatable("its values are no texts")
        lines.append(f"pub enum {known[name]} {{")
        for number, (member, value) in enumerate(told["values"].items()):
            lines += ["    #[default]"] if not number else []
            lines += [
                f"    #[serde(rename = {_text(value)})]",
                f"    {scope.make(_camel(member))},",
            ]
        return [*lines, "}"]
    tag = told.get("tag")
    if told.get("array"):
        if tag is not None:
            raise _Untranslatable("it travels as an array with a tag")
        types = [_rust(one["type"], known) for one in told["fields"]]
        return [*lines, f"pub struct {known[name]}({_tuple(types)});"]
    if tag is not None:
        if not isinstance(tag["value"], str):
            raise _Untranslatable("its tag is no text")
        lines.append(f"#[serde(tag = {_text(tag['name'])}, rename = {_text(tag['value'])})]")
    lines.append(f"pub struct {known[name]} {{")
    for field in told["fields"]:
        made, type_ = scope.make(field["name"]), _rust(field["type"], known)
        options = [] if made == field["name"] else [f"rename = {_text(field['name'])}"]
        if not field["required"] and not type_.startswith("Option<"):
            type_ = f"Option<{type_}>"
            options.append('skip_serializing_if = "Option::is_none"')
        lines += [f"    #[serde({', '.join(options)})]"] if options else []
        lines.append(f"    pub {_ident(made)}: {type_},")
    return [*lines, "}"]


def _tuple(types: list[str]) -> str:
    """The inside of a tuple struct; serde writes one of a single field as that field itself."""
    return f"pub ({types[0]},)" if len(types) == 1 else ", ".join(f"pub {one}" for one in types)


def _service(name: str, told: dict[str, Any], known: dict[str, str]) -> list[str]:
    lines = [*_doc(told["doc"], 0), "#[endpoint_async(Client)]", f"pub trait {name} {{"]
    for method, one in told["methods"].items():
        try:
            written = _method(method, one, known)
            # The crates read no negative number as i32.
            is_signed = any(error.get("signed") for error in one["errors"])
            note = ["    /// The code of its error is signed: `code as i32`."] if is_signed else []
            lines += [*_doc(one["doc"], 4), *note, written]
        except _Untranslatable as error:
            shown = method if method.isidentifier() else repr(method)
            lines.append(_comment(f"{shown} is left out: {error}", 4))
    return [*lines, "}"]


def _method(name: str, told: dict[str, Any], known: dict[str, str]) -> str:
    if name in _KEYWORDS:
        raise _Untranslatable("its name is a word of Rust")
    if not name.isidentifier() or name == "_":
        raise _Untranslatable("its name is none in Rust")
    types = [_rust(parameter["type"], known) for parameter in told["parameters"]]
    if not types:
        argument = "nothing: ()"
    elif len(types) == 1:
        mine = Identifiers(_NEVER).make(told["parameters"][0]["name"])
        argument = f"{_ident(mine)}: {types[0]}"
    else:
        argument = f"args: ({', '.join(types)})"
    returns = _rust(told["returns"], known)
    return (
        f"    async fn {name}(&self, {argument}) -> "
        f"Result<{returns}, RpcError<{_error(told['errors'])}>>;"
    )


def _error(errors: list[dict[str, Any]]) -> str:
    kinds = {error["kind"] for error in errors}
    if not kinds:
        return "()"
    if kinds == {"text"}:
        return "String"
    if kinds == {"code"}:
        return "u32"
    if kinds == {"errno"}:
        return "Errno"
    raise _Untranslatable(f"its errors travel as {' and '.join(sorted(kinds))}")


def _rust(text: str, known: dict[str, str]) -> str:
    try:
        return _node(ast.parse(text, mode="eval").body, known)
    except NO_EXPRESSION:
        raise _Untranslatable(f"no Rust for {text}") from None


def _node(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Constant) and node.value is None:
        return "()"
    if isinstance(node, ast.Name):
        if node.id in _PLAIN:
            return _PLAIN[node.id]
        if node.id in known:
            return known[node.id]
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        inside = node.slice
        args = list(inside.elts) if isinstance(inside, ast.Tuple) else [inside]
        is_many = isinstance(args[-1], ast.Constant) and args[-1].value is ...
        kind = node.value.id
        if kind in ("list", "set", "frozenset") or (kind == "tuple" and is_many):
            return f"Vec<{_node(args[0], known)}>"
        if kind == "Optional":
            return f"Option<{_node(args[0], known)}>"
        if kind == "dict":
            return f"HashMap<{', '.join(_node(arg, known) for arg in args)}>"
        if kind == "tuple":
            parts = [_node(arg, known) for arg in args]
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    raise _Untranslatable(f"no Rust for {ast.unparse(node)}")


def _ident(name: str) -> str:
    return f"r#{name}" if name in _KEYWORDS else name


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"_+", name) if part) or name


def _text(text: str) -> str:
    """As a string of Rust."""
    escaped = (
        f"\\{char}" if char in '"\\' else char if char.isprintable() else f"\\u{{{ord(char):x}}}"
        for char in text
    )
    return f'"{"".join(escaped)}"'


def _doc(doc: str, indent: int) -> list[str]:
    clean = "".join(char if char == "\n" or char.isprintable() else " " for char in doc)
    lines = clean.split("\n") if clean else []
    return [" " * indent + f"/// {line}".rstrip() for line in lines]


def _comment(text: str, indent: int) -> str:
    return " " * indent + f"// {' '.join(text.split())}"
