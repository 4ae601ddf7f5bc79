"""What a Python client asks of the services, and what must come back.

``want`` is taken from the contract (README.md and the Rust source), never from output.
"""

from __future__ import annotations

import errno
import struct
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List

import razorg

from . import contract
from . import values as v
from .case import Case, Fails, answered, refused


@dataclass
class Clients:
    """One pool and its endpoints."""

    pool: Any
    cal: contract.CalService
    echo: contract.EchoService
    types: contract.TypeService
    enums: contract.EnumService
    errs: contract.ErrService
    kv: contract.KvService

    @classmethod
    def of(cls, pool: Any) -> Clients:
        services = (contract.CalService, contract.EchoService, contract.TypeService, contract.EnumService, contract.ErrService, contract.KvService)
        return cls(pool, *(pool.client(service) for service in services))


def f32(number: float) -> float:
    """The nearest f32, as the Python float it decodes to."""
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def bits(pair: Any) -> List[bytes]:
    """Floats by their bits: NaN does not equal itself, -0.0 equals 0.0."""
    return [struct.pack("<d", number) for number in pair]


def cal_cases() -> List[Case]:
    incs = [(0, 1), (41, 42), (-1, 0), (-33, -32), (127, 128), (65_535, 65_536)]
    incs += [(2**63 - 1, -(2**63)), (-(2**63), -(2**63) + 1)]
    return [
        *(Case(f"cal.inc_{a}", lambda k, a=a: k.cal.inc(a), want) for a, want in incs),
        Case("cal.add", lambda k: k.cal.add(10, -20), -10),
        Case("cal.add_by_name", lambda k: k.cal.add(b=-20, a=10), -10),
        Case("cal.div", lambda k: k.cal.div(10, 2), 5),
        Case("cal.div_towards_zero", lambda k: k.cal.div(-7, 2), -3),
        Case("cal.div_by_zero", lambda k: k.cal.div(10, 0), Fails(v.Text, text="divide by zero")),
        Case("cal.untyped", lambda k: k.pool.call("CalService.add", 10, -20), -10),
        Case(
            "cal.untyped_raises",
            lambda k: k.pool.call("CalService.div", 10, 0, raises=v.Text),
            Fails(v.Text, text="divide by zero"),
        ),
        Case(
            "cal.untyped_undeclared",
            lambda k: k.pool.call("CalService.div", 10, 0),
            Fails(razorg.ErrorText, text="divide by zero"),
        ),
        Case("cal.future", lambda k: razorg.submit(k.cal.add, 1, 2).get(timeout=10), 3),
    ]


def nested_sample() -> v.NestedReq:
    return v.NestedReq(
        id=2**64 - 1,
        some=-1,
        none=None,
        list=[0, -1, 127, 128, -32, -33, 65_536, -(2**63)],
        map={"a": 1, "b": 2**32 - 1},
        bytes=b"\x00\x01\xfe\xff",
        plain_u8=[0, 1, 254, 255],
        f32_=1.5,
        f64_=3.141592653589793,
        yes=True,
        unit=None,
        pair=(-5, "p"),
        ch="é",
        inner={"name": "näme", "tags": ["x", ""], "shape": {"Struct": {"a": 1, "b": None}}},
        shapes=["Unit", {"Newtype": 7}, {"Tuple": [1, "t"]}],
    )


def nested_empty() -> v.NestedReq:
    inner = v.Inner(name="", tags=[], shape="Unit")
    return v.NestedReq(0, None, None, [], {}, b"", [], 0.0, 0.0, False, None, (0, ""), "\0", inner, [])


def echo_cases() -> List[Case]:
    texts = {str(n): "a" * n for n in (0, 1, 31, 32, 255, 256, 65_535, 65_536, 100_000)}
    texts.update(unicode="héllo ✓ 🦀", nul="\0", quotes="\"'\\\n")
    floats = {
        "plain": (1.5, 3.141592653589793),
        "nan_inf": (float("nan"), float("inf")),
        "inf_minus_zero": (float("-inf"), -0.0),
        "tiny_and_huge": (2.0**-126, 1.7976931348623157e308),
    }
    blobs = {n: bytes(i * 7 & 0xFF for i in range(n)) for n in (0, 4, 255, 256, 65_536, 1_000_000)}
    low = v.Ints(-(2**7), 0, -(2**15), 0, -(2**31), 0, -(2**63), 0)
    high = v.Ints(2**7 - 1, 2**8 - 1, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1)
    sample, empty = nested_sample(), nested_empty()
    reply = v.NestedResp(
        sample, {"list": 8, "map": 2, "bytes": 4}, b"\xff\xfe\x01\x00", 2**32, 3.141592653589793 / 2, None, [1, None]
    )
    empty_reply = v.NestedResp(empty, {"list": 0, "map": 0, "bytes": 0}, b"", 0, 0.0, None, [1, None])
    return [
        *(Case(f"echo.repeat_{name}", lambda k, t=text: k.echo.repeat(t), text) for name, text in texts.items()),
        Case("echo.io_error", lambda k: k.echo.io_error("x"), Fails(OSError, {"errno": errno.EIO})),
        Case("echo.nested_sample", lambda k: k.echo.nested(sample), reply),
        Case("echo.nested_empty", lambda k: k.echo.nested(empty), empty_reply),
        Case("echo.ints_min", lambda k: k.echo.ints(low), low),
        Case("echo.ints_max", lambda k: k.echo.ints(high), high),
        *(
            Case(f"echo.floats_{name}", lambda k, p=pair: bits(k.echo.floats(*p)), bits(pair))
            for name, pair in floats.items()
        ),
        Case("echo.floats_f32_tenth", lambda k: k.echo.floats(0.1, 0.1), (f32(0.1), 0.1), reference=True),
        Case("echo.opt_none", lambda k: k.echo.opt(None), None),
        Case("echo.opt_some", lambda k: k.echo.opt("s"), "s"),
        Case("echo.opt_empty", lambda k: k.echo.opt(""), ""),
        *(Case(f"echo.bytes_{n}", lambda k, b=blob: k.echo.bytes(b), blob) for n, blob in blobs.items()),
        Case("echo.unit", lambda k: k.echo.unit(), None),
        Case("echo.slow", lambda k: k.echo.slow(5), 5),
    ]


def type_cases() -> List[Case]:
    cases = []
    for width in (8, 16, 32, 64):
        edges = {"int": (-(2 ** (width - 1)), 2 ** (width - 1) - 1), "uint": (0, 2**width - 1)}
        for sign, (low, high) in edges.items():
            name = f"{sign}{width}"
            for edge, value in (("min", low), ("max", high), ("0", 0)):
                cases.append(Case(f"type.{name}_{edge}", _mirror(name, value), value))
            for edge, value in (("below", low - 1), ("above", high + 1)):
                if -(2**63) <= value < 2**64:  # what msgpack can carry
                    cases.append(Case(f"type.{name}_{edge}", _untyped(f"TypeService.{name}", value), refused()))
    trees = v.Tree("root", "", {"root": -1}, [v.Tree("l", None, {}, []), v.Tree("r", "ñ", {"r": 2**63 - 1}, [])])
    deep = v.Tree("bottom", None, {}, [])
    for _ in range(50):
        deep = v.Tree("", None, {}, [deep])
    values: Dict[str, Any] = {
        "boolean_true": True,
        "boolean_false": False,
        **{f"character_{name}": ch for name, ch in zip(("ascii", "two", "three", "four", "nul"), "aé✓🦀\0")},
        **{f"vec_u8_{n}": [i & 0xFF for i in range(n)] for n in (0, 15, 16, 1000)},
        **{f"map_str_{n}": {f"k{i}": -i for i in range(n)} for n in (0, 3, 15, 16, 300)},
        "map_int": {number: str(number) for number in (-(2**31), -1, 0, 127, 128, 2**31 - 1)},
        "map_int_empty": {},
        "tuple1": (7,),
        "tuple5": (-128, 65_535, "v", None, [0.5, -2.0]),
        "vec_opt": [1, None, -1, None],
        "cube": [[], [[1], []], [[2, 3], [4]]],
        "tree": trees,
        "tree_50_deep": deep,
        "meters": 2.5,
        "marker": [],
        "pair": (-1, "p"),
        "float64_tenth": 0.1,
        "float64_huge": -1e300,
        "float32_half": 0.5,
    }
    methods = ("boolean", "character", "vec_u8", "map_str", "map_int", "tuple1", "tuple5", "vec_opt", "cube")
    methods += ("tree", "meters", "marker", "pair", "float64", "float32")
    for name, value in values.items():
        method = next(method for method in methods if name.startswith(method))
        cases.append(Case(f"type.{name}", _mirror(method, value), value))
    rounded = f32(0.1)
    cases.append(Case("type.float32_tenth", lambda k: k.types.float32(0.1), rounded, reference=True))
    return cases


def _mirror(method: str, value: Any) -> Callable[[Clients], Any]:
    return lambda k: getattr(k.types, method)(value)


def _untyped(action: str, *args: Any) -> Callable[[Clients], Any]:
    return lambda k: k.pool.call(action, *args)


def enum_cases() -> List[Case]:
    shapes: Dict[str, Any] = {
        "unit": "Unit",
        "newtype": {"Newtype": -7},
        "tuple": {"Tuple": [1, "t"]},
        "struct": {"Struct": {"a": 2, "b": "b"}},
        "struct_none": {"Struct": {"a": -(2**63), "b": None}},
    }
    everything = list(shapes.values())
    return [
        *(Case(f"enum.{name}", lambda k, s=shape: k.enums.shape(s), shape) for name, shape in shapes.items()),
        Case("enum.list", lambda k: k.enums.list(everything), everything),
        Case("enum.table", lambda k: k.enums.table(shapes), shapes),
        Case("enum.maybe_none", lambda k: k.enums.maybe(None), None),
        Case("enum.maybe_unit", lambda k: k.enums.maybe("Unit"), "Unit"),
        Case("enum.unknown_unit", lambda k: k.enums.shape("Nope"), refused(), reference=True),
        Case("enum.unknown_newtype", lambda k: k.enums.shape({"Nope": 1}), refused(), reference=True),
        Case("enum.not_a_unit", lambda k: k.enums.shape("Newtype"), refused(), reference=True),
    ]


def err_cases() -> List[Case]:
    texts = {"plain": "bad", "empty": "", "unicode": "nö ✗", "rpc_prefix": "rpc_custom", "long": "e" * 100_000}
    there = "10.0.0.1:99"
    return [
        *(
            Case(f"err.code_{code}", lambda k, n=code: k.errs.code(n), Fails(v.Code, {"code": code}))
            for code in (0, 42, 65_535, 2**31 - 1, -1, -(2**31))
        ),
        *(
            Case(f"err.code_u32_{code}", lambda k, n=code: k.errs.code_u32(n), Fails(v.CodeU32, {"code": code}))
            for code in (0, 42, 2**31, 2**32 - 1)
        ),
        *(
            Case(f"err.code_u8_{code}", lambda k, n=code: k.errs.code_u8(n), Fails(v.CodeU32, {"code": code}))
            for code in (0, 255)
        ),
        *(
            Case(f"err.errno_{errno.errorcode[n]}", lambda k, n=n: k.errs.errno(n), Fails(OSError, {"errno": n}))
            for n in (errno.EPERM, errno.ENOENT, errno.ECONNRESET, errno.ETIMEDOUT)
        ),
        Case("err.unit", lambda k: k.errs.unit_err(), Fails(v.UnitError, {"code": 0})),
        *(
            Case(f"err.text_{name}", lambda k, t=text: k.errs.text(t), Fails(v.Text, text=text))
            for name, text in texts.items()
        ),
        Case("err.text_spoof", lambda k: k.errs.text("rpc_timeout"), answered(razorg.CallTimeout), reference=True),
        *(
            Case(f"err.kind_{text}", lambda k, t=text: k.errs.kind(t), Fails(kind, text=text))
            for text, kind in v.KINDS.items()
        ),
        Case("err.kind_none", lambda k: k.errs.kind("fine"), None),
        Case(
            "err.detail_-7",
            lambda k: k.errs.detail(-7),
            Fails(v.Detail, {"code": -7, "reason": "because", "hint": None}),
        ),
        Case(
            "err.detail_7",
            lambda k: k.errs.detail(7),
            Fails(v.Detail, {"code": 7, "reason": "because", "hint": "hint"}),
        ),
        # A pool of one address hands redirects to the caller.
        Case("err.redirect", lambda k: k.errs.redirect(there), Fails(v.Redirect, text=f"redirect_{there}")),
        Case("err.retry_next", lambda k: k.errs.retry_next(there), Fails(v.RetryNext, text="retry_next")),
        Case("err.internal_none", lambda k: k.errs.internal("fine"), None),
        *(
            Case(f"err.internal_{name}", lambda k, n=name: k.errs.internal(n), answered(error), reference=True)
            for name, error in v.INTERNAL.items()
        ),
    ]


def refusal_cases() -> List[Case]:
    inc, add, repeat = "CalService.inc", "CalService.add", "EchoService.repeat"
    no_method, no_service = answered(razorg.MethodNotFound), answered(razorg.ServiceNotFound)
    return [
        Case("unknown.service", _untyped("NoService.nothing"), no_service),
        Case("unknown.method", _untyped("CalService.nope", 1), no_method),
        Case("unknown.second_dot", _untyped("CalService.inc.more", 1), no_method),
        Case("unknown.case", _untyped("calservice.inc", 1), no_service),
        Case("unknown.empty_method", _untyped("CalService.", 1), no_method),
        Case("unknown.no_dot", lambda k: k.pool.send("NoDotHere", 1).get(timeout=10), refused()),
        Case("unknown.number", lambda k: k.pool.send(7, 1).get(timeout=10), refused()),
        Case("bad.str_for_int", _untyped(inc, "text"), refused()),
        Case("bad.float_for_int", _untyped(inc, 1.0), refused()),
        Case("bad.bool_for_int", _untyped(inc, True), refused()),
        Case("bad.nil_for_int", _untyped(inc), refused()),
        Case("bad.tuple_too_long", _untyped(add, 1, 2, 3), refused()),
        Case("bad.tuple_too_short", _untyped(add, [1]), refused()),
        Case("bad.nil_for_tuple", _untyped(add), refused()),
        Case("bad.nil_for_string", _untyped(repeat), refused()),
        Case("bad.int_for_string", _untyped(repeat, 1), refused()),
        Case("bad.missing_fields", _untyped("EchoService.ints", {"i8_": 1}), refused()),
        Case("bad.array_for_unit", _untyped("EchoService.unit", []), refused()),
        Case("bad.int_for_bool", _untyped("TypeService.boolean", 1), refused()),
        Case("bad.str_key_for_int", _untyped("TypeService.map_int", {"not a number": "v"}), refused()),
        Case("bad.two_characters", _untyped("TypeService.character", "ab"), refused()),
        Case("bad.then_go_on", lambda k: k.cal.inc(1), 2),
        # What is lenient: a struct as an array; a missing Option, an unknown field, another order; str and bin mixed.
        Case(
            "lenient.struct_as_array",
            lambda k: k.pool.call("EchoService.ints", [1, 2, 3, 4, 5, 6, 7, 8], returns=v.Ints),
            v.Ints(1, 2, 3, 4, 5, 6, 7, 8),
        ),
        Case(
            "lenient.fields",
            _untyped("TypeService.tree", {"unknown": [1], "children": [], "marks": {}, "name": "n"}),
            {"name": "n", "note": None, "marks": {}, "children": []},
        ),
        Case("lenient.str_for_bin", _untyped("EchoService.bytes", "abc"), b"abc"),
        Case("lenient.bin_for_str", _untyped(repeat, b"abc"), "abc"),
        Case("lenient.int_for_float", _untyped("TypeService.float64", 3), 3.0),
    ]


def many_at_once(k: Clients) -> List[str]:
    """500 calls in flight, quick and slow mixed; the calls that got another's answer."""
    futures, want = [], []
    for i in range(500):
        if i % 3 == 0:
            futures.append(razorg.submit(k.echo.slow, i * 37 % 50))
            want.append(i * 37 % 50)
        elif i % 3 == 1:
            futures.append(razorg.submit(k.cal.inc, i))
            want.append(i + 1)
        else:
            futures.append(razorg.submit(k.echo.repeat, f"call {i}"))
            want.append(f"call {i}")
    got = [future.get(timeout=20) for future in futures]
    return [f"call {i}: {g!r}" for i, (g, w) in enumerate(zip(got, want)) if g != w]


def timeout_then_go_on(k: Clients) -> List[Any]:
    """A call that takes too long is given up, its late reply is dropped, and the pool goes on."""
    begun = time.monotonic()
    try:
        razorg.with_options(k.echo, timeout=0.3).slow(1000)
        late: Any = "an answer"
    except razorg.CallTimeout as error:
        late = error.sent
    in_time = 0.25 < time.monotonic() - begun < 0.9
    at_once = k.cal.inc(1)
    k.echo.slow(1200)
    return [late, in_time, at_once, k.cal.inc(2)]


def whole_cases() -> List[Case]:
    return [
        Case("concurrent.500_calls", many_at_once, []),
        Case("timeout.then_go_on", timeout_then_go_on, ["maybe", True, 2, 3]),
    ]


CASES = [
    *cal_cases(),
    *echo_cases(),
    *type_cases(),
    *enum_cases(),
    *err_cases(),
    *refusal_cases(),
    *whole_cases(),
]
