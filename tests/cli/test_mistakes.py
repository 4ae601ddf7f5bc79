"""What was typed wrongly, what a server does not tell, what is no service: a line, and an exit code that says which."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest
from click.testing import CliRunner, Result
from support.peers import memory_url

import razorg
from razorg.cli.main import cli


class Codes(razorg.ErrorCode):
    pass


class Closed(razorg.ErrorCode):
    code = 2


@razorg.service
class Shop:
    def echo(self, value: Any) -> Any:
        return value

    def text(self, value: str, other: Optional[str] = "none") -> list[Any]:
        return [value, other]

    @razorg.method(raises=OSError)
    def number(self, number: int) -> None:
        raise OSError(number, "")

    @razorg.method(raises=Codes)
    def code(self) -> None:
        raise Codes(2)

    @razorg.method(raises=Closed)
    def fixed(self) -> None:
        raise Closed()

    def deep(self) -> Any:
        value: list[Any] = []
        for _ in range(450):
            value = [value]
        return value


class Odd(razorg.Dispatch):
    """Answers whatever it is asked with the same."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def dispatch(self, request: razorg.Request, respond: razorg.Respond) -> None:
        if isinstance(self.answer, Exception):
            respond.error(self.answer)
        else:
            respond.ok(self.answer)


@pytest.fixture
def address() -> Iterator[str]:
    with razorg.RpcServer(memory_url(), [Shop()]) as running:
        yield running.addresses[0]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def call(address: str, *arguments: str) -> Any:
    result = run("call", address, *arguments, "--json")
    assert result.exit_code == 0, result.output
    # What JSON has no word for is none of ours.
    return json.loads(result.output, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.parametrize("arguments, printed", [
    (["text", "5"], ["5", "none"]),
    (["text", '"5"'], ["5", "none"]),
    (["text", "null", "other=null"], ["null", None]),
    (["text", "[1]", "other=7"], ["[1]", "7"]),
    (["text", "true", "1e5"], ["true", "1e5"]),
    (["text", "a=b"], ["a=b", "none"]),
    (["echo", "5"], 5),
    (["echo", '"5"'], "5"),
    (["echo", "NaN"], "NaN"),
    (["echo", '[Infinity, {"a": -Infinity}]'], ["Infinity", {"a": "-Infinity"}]),
])
def test_how_arguments_are_meant(address: str, arguments: list[str], printed: Any) -> None:
    assert call(address, f"Shop.{arguments[0]}", *arguments[1:]) == printed


@pytest.mark.parametrize("arguments, code, words", [
    (["number", "2"], 1, "Shop.number failed: error 2: ENOENT, No such file or directory\n"),
    (["number", "9999"], 1, "Shop.number failed: error 9999\n"),
    (["code"], 1, "Shop.code failed: error 2\n"),
    (["fixed"], 1, "Shop.fixed failed: error 2: Closed\n"),
    (["echo", "9" * 30], 2, "EncodeError"),
    (["echo", "a\udcff"], 2, "EncodeError"),
    (["echo", "[" * 100_000], 2, "razorg: an argument, or the answer, is nested too deep\n"),
    (["echo", "1", "--timeout", "nan"], 2, "nan is not finite"),
    (["echo", "1", "--timeout", "inf"], 2, "inf is not finite"),
    (["echo", "1", "--timeout", "-1"], 2, "not in the range"),
    (["echo", "1", "--out", "/nowhere/x"], 2, "razorg: /nowhere/x cannot be written: there is no folder /nowhere\n"),
    (["echo", "1", "--blob", "@/nowhere/x"], 2, "razorg: /nowhere/x: No such file or directory\n"),
    (["echo", "1", "--blob", "@/"], 2, "razorg: /: Is a directory\n"),
])
def test_how_a_call_fails(address: str, arguments: list[str], code: int, words: str) -> None:
    result = run("call", address, f"Shop.{arguments[0]}", *arguments[1:])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == code, result.output
    assert words in result.output


@pytest.mark.parametrize("arguments, words", [
    (["call", "?", "99999999999"], "a numeric action is in"),
    (["ping", "?", "-i", "nan"], "nan is not finite"),
    (["ping", "?", "-i", "inf"], "inf is not finite"),
    (["top", "?", "-i", "nan"], "nan is not finite"),
    (["call", "?", "1" * 5000], "an action of 5000 digits is too large"),
    (["serve", "collections:Counter", "--bind", "tcp://127.0.0.1:0", "--client-ca", "/nowhere/x"], "go with --cert"),
    (["serve", "collections:Counter", "--bind", "tcp://127.0.0.1:0", "--key", "/nowhere/x"], "go with --cert"),
    (["bench", "?", "--rate", "nan"], "nan is not finite"),
    (["bench", "?", "--seconds", "inf"], "inf is not finite"),
    (["stubgen", "?", "--out", "/nowhere/x"], "/nowhere/x cannot be written: there is no folder /nowhere\n"),
    (["record", "?", "?", "--out", "/nowhere/x"], "/nowhere/x cannot be written: there is no folder /nowhere\n"),
    (["serve", "collections:Counter", "--bind", "tls://127.0.0.1:0", "--cert", "/nowhere/x"], "No such file or directory: '/nowhere/x'"),
])
def test_wrong_usage(address: str, arguments: list[str], words: str) -> None:
    result = run(*(address if part == "?" else part for part in arguments))
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2, result.output
    assert words in result.output


@pytest.mark.parametrize("answer", [
    OSError(2, ""), razorg.ErrorText("odd"), None, 5, [1], {}, {"Shop": 5}, {"Shop": {"methods": {"echo": {}}}},
    {"Shop": {"methods": {"echo": {"parameters": [1], "errors": []}}}}, {"server": 1, "methods": 2},
], ids=repr)
def test_a_server_that_does_not_describe_itself(answer: Any) -> None:
    with razorg.RpcServer(memory_url(), dispatch=Odd(answer)) as running:
        (address,) = running.addresses
        for arguments, code in [
            (["call", address, "Shop.echo", "1"], 1 if isinstance(answer, Exception) else 0),
            (["ls", address], 0 if answer == {} else 5),
            (["stubgen", address], 0 if answer == {} else 5),
            (["top", address, "-n", "1", "-i", "0.1"], 5),
            (["ping", address, "-c", "1"], 0),
            (["doctor", address], 0),
        ]:
            result = run(*arguments)
            assert result.exception is None or isinstance(result.exception, SystemExit), arguments
            assert result.exit_code == code, (arguments, result.output)
            if code == 5 and arguments[0] != "top":
                assert result.output.startswith("razorg: the server does not tell what it has: ")
                assert len(result.output.splitlines()) == 1


MODULE = """
import razorg
@razorg.service
class Shop:
    def __init__(self, stock): ...
    def f(self) -> int: ...
class Plain: ...
empty = []
def fails():
    raise TypeError("mine")
"""


@pytest.mark.parametrize("target, words", [
    ("odd:empty", "there are no services in it: an empty list"),
    ("odd:Plain", "is not a service; its class, or one it derives from, needs @razorg.service"),
    ("odd:Shop", "Shop: missing a required argument: 'stock'; serve a function without arguments that makes"),
    ("odd:shop", "odd has no 'shop'; to be served there are: Shop"),
    ("odd.more:x", "there is no module 'odd.more'"),
    ("odder:x", "there is no module 'odder'"),
    ("ends:x", "ends cannot be imported: it ends the process, with 3"),
])
def test_what_cannot_be_served(
    target: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    result = serve(target, tmp_path, monkeypatch)
    assert result.exit_code == 2
    assert words in result.output
    assert len(result.output.splitlines()) == 1 and "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("target, where, error", [
    ("odd:fails", 'odd.py", line 10, in fails', "razorg: fails() fails: TypeError\n"),
    ("bad:x", 'bad.py", line 1, in <module>', "razorg: bad cannot be imported: ZeroDivisionError\n"),
    ("od:x", 'od.py", line 1, in <module>', "razorg: od cannot be imported: ModuleNotFoundError\n"),
    ("syntax:x", 'syntax.py", line 1', "razorg: syntax cannot be imported: SyntaxError\n"),
])
def test_mistakes_of_the_module_are_shown(
    target: str, where: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = serve(target, tmp_path, monkeypatch)
    assert result.exit_code == 2
    assert result.output.endswith(error)
    assert where in result.output
    assert "importlib" not in result.output and "serve.py" not in result.output


def serve(target: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    texts = {
        "odd": MODULE, "bad": "1 / 0", "ends": "import sys; sys.exit(3)", "syntax": "def (", "od": "import o",
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(folder)
    try:
        return run("serve", target, "--bind", "memory://never")
    finally:
        for name in texts:
            sys.modules.pop(name, None)
