"""The three kinds of errors that a user's methods may declare: a number, a text, a value.

They travel by value and come back as the class that the method declares (``raises=``).  They
derive from RazorError, not RpcError: the call itself succeeded in reaching the method.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any, ClassVar, Final, Union

from razorg.errors import RazorError

U32_MAX = 2**32 - 1


class _Next(enum.Enum):
    NEXT = "NEXT"

    def __repr__(self) -> str:
        return "razorg.NEXT"


#: What ``failover()`` returns to try the same call on another node.
NEXT: Final = _Next.NEXT


#: What ``failover()`` may return.
Failover = Union[str, _Next, None]


class DeclaredError(RazorError):
    """What ErrorCode, ErrorText and ErrorValue have in common."""

    def failover(self) -> Failover:
        """Where the call should go on: an address, ``NEXT`` (another node), None (nowhere).

        A pool of several addresses asks for it, and counts the step as a retry; an address that
        it did not know it adds.  An address is a URL or ``host:port``.
        """
        return None


class ErrorCode(DeclaredError):
    """An error that travels as a number, 0 to 2**32 - 1.

    ``signed = True`` in the class body makes it an i32; ``codes=SomeEnum`` as a class argument
    makes ``error.code`` a member of that enum; ``code = 3`` in the class body fixes the number,
    and the error is raised without arguments.
    """

    signed: ClassVar[bool] = False
    codes: ClassVar[type[enum.Enum] | None] = None
    fixed_code: ClassVar[int | None] = None
    code: Any

    def __init_subclass__(cls, codes: type[enum.Enum] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if codes is not None:
            cls.codes = codes
        if "code" in cls.__dict__:
            fixed = cls.__dict__["code"]
            if isinstance(fixed, enum.Enum):
                fixed = fixed.value
            cls.fixed_code = cls._checked(fixed)

    def __init__(self, code: Any = None) -> None:
        if self.fixed_code is not None:
            if code is not None and code != self.fixed_code:
                raise ValueError(f"{type(self).__name__} always has the code {self.fixed_code}")
            super().__init__(self.fixed_code)
            return
        if code is None:
            raise TypeError(f"{type(self).__name__} needs a code")
        if self.codes is not None and not isinstance(code, self.codes):
            code = self.codes(code)
        self._checked(code.value if isinstance(code, enum.Enum) else code)
        super().__init__(code)
        self.code = code

    @classmethod
    def _checked(cls, code: Any) -> int:
        if not isinstance(code, int) or isinstance(code, bool):
            raise TypeError(f"{cls.__name__}: a code is an integer, not {code!r}")
        low, high = (-(2**31), 2**31 - 1) if cls.signed else (0, U32_MAX)
        if not low <= code <= high:
            raise ValueError(f"{cls.__name__}: code {code} is not in {low} … {high}")
        return int(code)

    def to_wire(self) -> int:
        """The number as the wire carries it, an unsigned 32-bit integer."""
        if self.fixed_code is not None:
            code = self.fixed_code
        else:
            code = self.code.value if isinstance(self.code, enum.Enum) else self.code
        return int(code) & U32_MAX

    @classmethod
    def from_wire(cls, number: int) -> ErrorCode:
        """The error for a number of the wire; ValueError if it is none of ``codes``."""
        if cls.signed and number > 2**31 - 1:
            number -= 2**32
        return cls(number)


class ErrorText(DeclaredError):
    """An error that travels as UTF-8 text; ``str(error)`` is the text.

    ``text = "not_found"`` in the class body fixes it, and the error is raised without arguments.
    """

    text: ClassVar[str | None] = None

    def __init__(self, text: str | None = None) -> None:
        fixed = type(self).text
        if fixed is not None and text is not None and text != fixed:
            raise ValueError(f"{type(self).__name__} always has the text {fixed!r}")
        text = text if text is not None else fixed if fixed is not None else ""
        if not isinstance(text, str):
            raise TypeError(f"{type(self).__name__}: a text is a str, not {text!r}")
        super().__init__(text)

    def __str__(self) -> str:
        return str(self.args[0])


class ErrorValue(DeclaredError):
    """An error that travels as a map of its fields: derive from it with ``@dataclass``.

    Equality compares the fields, as in every dataclass; the hash stays that of the object, so
    that tracebacks and loggers can hold the error in sets.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # @dataclass would set __hash__ to None, unless the class has one of its own.
        if "__hash__" not in cls.__dict__:
            cls.__hash__ = BaseException.__hash__  # type: ignore[method-assign]

    def fields(self) -> dict[str, Any]:
        """The fields by name, in their order, as they are (not copied)."""
        return {field.name: getattr(self, field.name) for field in _fields(type(self))}

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.fields().items())

    def __reduce__(self) -> Any:
        return _rebuild, (type(self), self.fields())


def _fields(cls: type[ErrorValue]) -> tuple[dataclasses.Field[Any], ...]:
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is an ErrorValue and must be a @dataclass")
    return dataclasses.fields(cls)


def _rebuild(cls: type[ErrorValue], fields: dict[str, Any]) -> ErrorValue:
    return cls(**fields)
