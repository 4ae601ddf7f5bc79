"""Types as a server tells them, in a Python module that knows some of them."""

from __future__ import annotations

import ast
from collections.abc import Container, Mapping

_TYPING = frozenset(["Any", "Literal", "Optional", "Union"])
#: Builtins, and what is inside those that hold others when it is not told.
_BUILTINS = {
    "int": "", "float": "", "str": "", "bytes": "", "bool": "", "list": "[{any}]",
    "set": "[{any}]", "frozenset": "[{any}]", "dict": "[{any}, {any}]", "tuple": "[{any}, ...]",
}  # fmt: skip
WORDS = _TYPING | _BUILTINS.keys()


#: What ``ast`` raises for what is no expression, or one too deep for it.
NO_EXPRESSION = (SyntaxError, ValueError, RecursionError, MemoryError)


class _Unknown(Exception):
    """The module has no word for it."""


class Annotations:
    """How a module writes types: ``names`` are its own, by those that the server tells.

    ``hidden`` are names that mean something else where the annotation stands.
    """

    def __init__(self, names: Mapping[str, str], hidden: Container[str] = ()) -> None:
        self._names = names
        self._hidden = hidden

    def hiding(self, hidden: Container[str]) -> Annotations:
        """The same where these names are hidden."""
        return Annotations(self._names, hidden)

    def written(self, type_: str) -> str:
        """The type, if the module knows all names in it; else Any."""
        try:
            return self._node(ast.parse(type_, mode="eval").body)
        except (_Unknown, *NO_EXPRESSION):
            return self.word("Any")

    def optional(self, type_: str) -> str:
        """The type, or None."""
        written = self.written(type_)
        is_so = is_nullable(type_) or written == self.word("Any")
        return written if is_so else f"{self.word('Optional')}[{written}]"

    def word(self, name: str) -> str:
        """A builtin, or a word of typing."""
        if name not in self._hidden:
            return name
        return f"typing.{name}" if name in _TYPING else f"builtins.{name}"

    def _node(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant) and (node.value is None or node.value is ...):
            return "None" if node.value is None else "..."
        if isinstance(node, ast.Name):
            if node.id in WORDS:
                inside = _BUILTINS.get(node.id, "").format(any=self.word("Any"))
                return self.word(node.id) + inside
            name = self._names.get(node.id)
            if name is not None and name not in self._hidden:
                return name
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            kind = node.value.id
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if kind in WORDS:
                write = _literal if kind == "Literal" else self._node
                return f"{self.word(kind)}[{', '.join(map(write, parts))}]"
        raise _Unknown


def _literal(node: ast.expr) -> str:
    return repr(ast.literal_eval(node))


def is_nullable(type_: str) -> bool:
    """Whether None fits the type."""
    return type_ in ("Any", "None") or type_.startswith("Optional[")


def names_in(type_: str) -> list[str]:
    """All names in the type."""
    try:
        tree = ast.parse(type_, mode="eval")
    except NO_EXPRESSION:
        return []
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
