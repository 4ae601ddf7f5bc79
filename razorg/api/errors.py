"""The declared errors of a method: which there are, and how they are told apart on the wire."""

from __future__ import annotations

import dataclasses
import enum
from inspect import getattr_static, signature
from typing import Any, Union, get_type_hints
from weakref import WeakSet

import msgspec

from razorg.client.reply import decode_raw_error, framework_error, undeclared
from razorg.codec.base import Codec
from razorg.declared import DeclaredError, ErrorCode, ErrorText, ErrorValue
from razorg.errors import WIRE_ERRORS, DecodeError, RpcError
from razorg.wire.heads import FLAG_NUMBER, Buffer

Raises = Union[type[BaseException], tuple[type[BaseException], ...], None]


class ErrorTable:
    """What ``raises=`` declares, checked; TypeError for what cannot travel or be told apart."""

    def __init__(self, raises: Raises) -> None:
        classes = () if raises is None else raises if isinstance(raises, tuple) else (raises,)
        self.classes = classes
        self._open: dict[type, type[Any]] = {}
        self._numbers: dict[int, type[ErrorCode]] = {}
        self._texts: dict[str, type[ErrorText]] = {}
        for cls in classes:
            self._add(cls)
            _check_signature(cls)

    def _add(self, cls: Any) -> None:
        if not isinstance(cls, type) or not issubclass(cls, BaseException):
            raise TypeError(f"raises= takes exception classes, not {cls!r}")
        if issubclass(cls, ErrorCode) and cls is not ErrorCode and cls.fixed_code is not None:
            _check_signature(cls)
            _add_fixed(self._numbers, cls().to_wire(), cls)
        elif issubclass(cls, ErrorText) and cls.text is not None:
            if cls.text.encode() in WIRE_ERRORS:
                raise TypeError(f"{cls.__name__}: the text {cls.text!r} is the framework's own")
            _add_fixed(self._texts, cls.text, cls)
        elif issubclass(cls, ErrorCode):
            self._add_open(ErrorCode, cls)
        elif issubclass(cls, ErrorText):
            self._add_open(ErrorText, cls)
        elif issubclass(cls, ErrorValue):
            _check_value(cls)
            self._add_open(ErrorValue, cls)
        elif cls is OSError:
            self._add_open(ErrorCode, cls)
        elif issubclass(cls, OSError) and not issubclass(cls, RpcError):
            raise TypeError(
                f"declare OSError instead of {cls.__name__}: the number travels, and Python makes "
                "FileNotFoundError and its like of it"
            )
        else:
            raise TypeError(
                f"{cls.__name__} cannot be declared: derive it from razorg.ErrorCode, ErrorText "
                "or ErrorValue, or declare OSError"
            )

    def _add_open(self, form: type, cls: type[Any]) -> None:
        if form in self._open:
            raise TypeError(
                f"{self._open[form].__name__} and {cls.__name__} look the same on the wire; "
                "of one form, all but one need a fixed value (code = … or text = … in the "
                "class body)"
            )
        self._open[form] = cls

    def declares(self, error: BaseException) -> bool:
        """Whether a handler may answer with the error."""
        if isinstance(error, DeclaredError):
            return isinstance(error, self.classes)
        if not isinstance(error, OSError) or isinstance(error, RpcError):
            return False
        return error.errno is not None and isinstance(error, self.classes)

    def decode(self, flag: int, payload: int | Buffer, codec: Codec) -> Exception:
        """The exception for an error response."""
        if not self.classes:
            return decode_raw_error(flag, payload)
        if flag == FLAG_NUMBER:
            assert isinstance(payload, int)
            return self._decode_number(payload)
        assert not isinstance(payload, int)
        return framework_error(payload) or self._decode_bytes(bytes(payload), codec)

    def _decode_number(self, number: int) -> Exception:
        fixed = self._numbers.get(number)
        if fixed is not None:
            return fixed()
        cls = self._open.get(ErrorCode)
        if cls is None:
            return undeclared(number)
        if cls is OSError:
            return decode_raw_error(FLAG_NUMBER, number)
        try:
            error: Exception = cls.from_wire(number)
            return error
        except (TypeError, ValueError):
            return undeclared(number)

    def _decode_bytes(self, raw: bytes, codec: Codec) -> Exception:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = None
        if text is not None and text in self._texts:
            return self._texts[text]()
        value = self._open.get(ErrorValue)
        # A map's first byte is none that UTF-8 begins with (0xde and 0xdf: maps of 16 up).
        if value is not None and (text is None or ErrorText not in self._open):
            try:
                fields = codec.decode(raw, _twin(value))
            except DecodeError as error:
                error.raw = raw
                error.sent = "yes"
                return error
            named = {name: getattr(fields, name) for name in _field_names(value)}
            return _built(value, raw, **named)
        cls = self._open.get(ErrorText)
        if cls is None or text is None:
            return undeclared(raw)
        return _built(cls, raw, text)


def _built(cls: Any, raw: bytes, *args: Any, **fields: Any) -> Exception:
    """The error of a user's class; DecodeError when its constructor does not take what came."""
    try:
        error: Exception = cls(*args, **fields)
        return error
    except Exception as reason:  # it is the user's own code
        failure = undeclared(raw)
        failure.__cause__ = reason
        return failure


def _field_names(cls: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


#: Untyped calls declare the same classes again and again.
_checked: WeakSet[type] = WeakSet()


def _check_signature(cls: Any) -> None:
    """TypeError unless the class can be called with what the wire carries of its errors."""
    if cls in _checked:
        return
    args: tuple[Any, ...] = ()
    named: list[str] = []
    if issubclass(cls, ErrorValue):
        named = _field_names(cls)
    elif issubclass(cls, ErrorText):
        args = (cls.text,) if cls.text is None else ()
    elif getattr_static(cls, "from_wire", None) is ErrorCode.__dict__["from_wire"]:
        args = (0,) if cls.fixed_code is None else ()
    else:
        return
    try:
        signature(cls.__init__).bind(None, *args, **dict.fromkeys(named))
    except TypeError as error:
        shown = ", ".join(f"{name}=…" for name in named) or ("one value" if args else "nothing")
        raise TypeError(
            f"{cls.__name__}: {error}; its caller builds it from what the wire carries, so that "
            f"__init__ must take {shown}"
        ) from None
    _checked.add(cls)


def _add_fixed(table: dict[Any, Any], key: Any, cls: type[Any]) -> None:
    if key in table:
        raise TypeError(f"{table[key].__name__} and {cls.__name__} are both {key!r} on the wire")
    table[key] = cls


def _check_value(cls: type[ErrorValue]) -> None:
    if not dataclasses.is_dataclass(cls):
        raise TypeError(f"{cls.__name__} is an ErrorValue and must be a @dataclass")
    if cls.__dataclass_params__.frozen:  # pyright: ignore[reportAttributeAccessIssue]
        raise TypeError(f"{cls.__name__} must not be frozen: an exception gets a traceback")
    for field in dataclasses.fields(cls):
        if not field.init:
            raise TypeError(f"{cls.__name__}.{field.name}: a field that travels needs init=True")
        if hasattr(ErrorValue, field.name):
            raise TypeError(f"{cls.__name__}.{field.name}: every error has something of that name")
    _twin(cls)


_twins: dict[type[ErrorValue], type[msgspec.Struct]] = {}


def _twin(cls: type[ErrorValue]) -> type[msgspec.Struct]:
    """A Struct of the same fields.  msgspec must never build the exception itself: it skips
    ``BaseException.__new__``, and printing the result crashes the interpreter."""
    twin = _twins.get(cls)
    if twin is None:
        hints = get_type_hints(cls, include_extras=True)
        fields: list[Any] = []
        for field in dataclasses.fields(cls):  # type: ignore[arg-type]
            if field.default is not dataclasses.MISSING:
                default: Any = field.default
                mutable = isinstance(default, (list, dict, set)) and not isinstance(
                    default, enum.Enum
                )
                if mutable:
                    raise TypeError(f"{cls.__name__}.{field.name} needs a default_factory")
                fields.append((field.name, hints[field.name], msgspec.field(default=default)))
            elif field.default_factory is not dataclasses.MISSING:
                factory = msgspec.field(default_factory=field.default_factory)
                fields.append((field.name, hints[field.name], factory))
            else:
                fields.append((field.name, hints[field.name]))
        twin = _twins[cls] = msgspec.defstruct(cls.__name__, fields, kw_only=True)
    return twin
