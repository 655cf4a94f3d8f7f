"""The stub says what the module has: every name, every parameter, and no looser type than it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

STUB = Path(__file__).resolve().parents[2] / "core" / "_native.pyi"

Signatures = dict[str, str]
"""What each name is: a function's parameters and result, a property's type, a class's bases."""

LOOSE = {
    "object": "",
    "object | None": "",
    "Sequence": "Sequence[",
    "list": "list[",
    "tuple": "tuple[",
}
"""What the module says where the C++ types say no more, and how what the stub says begins."""


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Signatures:
    path = tmp_path_factory.mktemp("stub") / "generated.pyi"
    command = [sys.executable, "-m", "nanobind.stubgen", "-q", "-m", "core._native"]
    command += ["-o", str(path)]
    root = STUB.parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 0, done.stdout + done.stderr
    return signatures(path.read_text(encoding="utf-8"))


def signatures(text: str) -> Signatures:
    """Return what a stub says of each name."""
    return dict(_signatures(ast.parse(text).body, ""))


def _signatures(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
    for node in body:
        match node:
            case ast.ClassDef():
                yield prefix + node.name, f"class({', '.join(map(ast.unparse, node.bases))})"
                yield from _signatures(node.body, f"{prefix}{node.name}.")
            case ast.AnnAssign():
                yield prefix + ast.unparse(node.target), ast.unparse(node.annotation)
                yield f"{prefix}{ast.unparse(node.target)}=", "settable"
            case ast.FunctionDef():
                decorators = [ast.unparse(each) for each in node.decorator_list]
                if decorators == ["property"]:
                    assert node.returns is not None
                    yield prefix + node.name, ast.unparse(node.returns)
                elif decorators:
                    assert decorators == [f"{node.name}.setter"], decorators
                    yield f"{prefix}{node.name}=", "settable"
                else:
                    yield from _parameters(node, f"{prefix}{node.name}")


def _parameters(function: ast.FunctionDef, name: str) -> Iterator[tuple[str, str]]:
    """Yield the shape of all parameters, and the type of each."""
    shape = ast.parse(ast.unparse(function)).body[0]
    assert isinstance(shape, ast.FunctionDef)
    arguments = shape.args
    arguments.defaults = [ast.Constant(...) for _ in arguments.defaults]
    arguments.kw_defaults = [each and ast.Constant(...) for each in arguments.kw_defaults]
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if argument.annotation is not None:
            yield f"{name}({argument.arg})", ast.unparse(argument.annotation)
        argument.annotation = None
    yield name, f"({ast.unparse(arguments)})"
    assert function.returns is not None
    yield f"{name}->", ast.unparse(function.returns)


def differences(generated: Signatures, written: Signatures) -> list[str]:
    """Say where a stub is not what the module is."""
    found = []
    for name in sorted(generated.keys() | written.keys()):
        real, said = generated.get(name, "nothing"), written.get(name, "nothing")
        is_closer = real in LOOSE and said != "nothing" and said.startswith(LOOSE[real])
        if said != real and not is_closer:
            found.append(f"{name}: the module has {real}, the stub {said}")
    return found


def test_the_stub_says_what_the_module_has(generated: Signatures) -> None:
    assert differences(generated, signatures(STUB.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("def find_end_of_command(events:", "def find_end_of_command(data:"),
        ("def restore(self, snapshot: bytes)", "def restore(self, snapshot: str)"),
        ("def next_deadline(self) -> int", "def next_deadline(self) -> str"),
        ("steps_per_command_max: int = ...", "steps_per_command_max: int"),
        ("        *,\n        commands_per_link_max", "        commands_per_link_max"),
        ("is_closed: bool", "@property\n    def is_closed(self) -> bool: ..."),
        ("def find_after(events: bytes, number: int) -> int: ...", ""),
        ("    def assets(self)", "    def money(self)"),
        ("class NoRoomError(Exception)", "class NoRoomError(OSError)"),
        ("    def take_marks(self) -> list[", "    def take_marks(self) -> dict["),
    ],
)
def test_a_stub_that_is_wrong_is_found(generated: Signatures, right: str, wrong: str) -> None:
    text = STUB.read_text(encoding="utf-8")
    assert right in text
    assert differences(generated, signatures(text.replace(right, wrong)))
