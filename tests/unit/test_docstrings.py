"""Every public name is documented: parameters, errors that it raises itself, fields of a record."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeGuard

import attrs
import pytest

import accesskeys_async
from accesskeys_async import errors

PUBLIC: Final = (
    "accesskeys_async",
    "accesskeys_async.client",
    "accesskeys_async.errors",
    "accesskeys_async.records",
    "accesskeys_async.audit",
    "accesskeys_async.audit.history",
    "accesskeys_async.audit.reports",
    "accesskeys_async.rotation",
    "accesskeys_async.emulator",
)

PENDING: Final = frozenset(Path(__file__).with_name("undocumented.txt").read_text().split())
"""Qualified names that are not documented in full yet."""

SECTION: Final = re.compile(r"^(\w+):\n((?:[ ]{4}.*\n|\n)+)", re.MULTILINE)
ENTRY: Final = re.compile(r"^ {4}\*{0,2}(\w+)(?: \([^)]*\))?:", re.MULTILINE)


def _read_section(docstring: str, name: str) -> set[str]:
    """The names that a section of a docstring explains."""
    text = f"{inspect.cleandoc(docstring)}\n"
    return {entry for title, body in SECTION.findall(text) if title == name for entry in ENTRY.findall(body)}


@functools.cache
def _parse(path: str) -> ast.Module:
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _definition(value: type) -> ast.ClassDef:
    """The class statement, wherever it is: public classes do not report the module that defines them."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith("accesskeys_async") and vars(module).get(value.__name__) is value:
            for node in _parse(str(module.__file__)).body:
                if isinstance(node, ast.ClassDef) and node.name == value.__name__:
                    return node
    raise AssertionError(f"no class statement of {value}")


def _is_ours(value: object) -> bool:
    return str(getattr(value, "__module__", "")).startswith("accesskeys_async")


def _functions(owner: type) -> Iterator[tuple[str, types.FunctionType]]:
    """The public methods and properties of a class, those of its bases in the package included."""
    seen: set[str] = set()
    for base in owner.__mro__:
        if not _is_ours(base):
            continue
        for name, value in vars(base).items():
            function = value.fget if isinstance(value, property) else value
            function = inspect.unwrap(getattr(function, "__func__", function))
            if not name.startswith("_") and name not in seen and _has_source(function):
                seen.add(name)
                yield name, function


def _has_source(function: object) -> TypeGuard[types.FunctionType]:
    """Whether this is a function of the package, and not one that attrs or typing generated."""
    return isinstance(function, types.FunctionType) and "accesskeys_async" in function.__code__.co_filename


def _raised(function: types.FunctionType) -> set[str]:
    """The public errors in the raise statements of a function itself."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    [node] = tree.body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    pending: list[ast.AST] = list(node.body)
    found = set()
    while pending:
        part = pending.pop()
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(part, ast.Raise):
            raised = part.exc.func if isinstance(part.exc, ast.Call) else part.exc
            if isinstance(raised, ast.Name):
                found.add(raised.id)
        pending.extend(ast.iter_child_nodes(part))
    return {name for name in found if name in PUBLIC_ERRORS}


def _exports() -> dict[str, Any]:
    """Each public value by its qualified name, once."""
    found: dict[str, Any] = {}
    for name in PUBLIC:
        module = importlib.import_module(name)
        for exported in module.__all__:
            value = getattr(module, exported)
            if (isinstance(value, type) and _is_ours(value)) or isinstance(value, types.FunctionType):
                found[f"{value.__module__}.{value.__name__}"] = value
    return found


for _module in pkgutil.walk_packages(accesskeys_async.__path__, "accesskeys_async."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)

EXPORTS: Final = _exports()
PUBLIC_ERRORS: Final = {
    value.__name__ for value in EXPORTS.values() if isinstance(value, type) and issubclass(value, Exception)
} | {"StopAsyncIteration", "TypeError", "ValueError", "KeyError", "RuntimeError"}


def _check_function(function: types.FunctionType) -> list[str]:
    docstring = function.__doc__ or ""
    if not docstring:
        return ["no docstring"]
    parameters = {
        name
        for name in inspect.signature(function).parameters
        if name not in {"self", "cls"} and name[0] != "_"
    }
    described, raises = _read_section(docstring, "Args"), _read_section(docstring, "Raises")
    return [
        *(f"parameter {name}" for name in sorted(parameters - described)),
        *(f"no parameter {name}" for name in sorted(described - parameters)),
        *(f"raises {name}" for name in sorted(_raised(function) - raises)),
        *(f"no error {name}" for name in sorted(raises) if not _is_error(name)),
    ]


def _is_error(name: str) -> bool:
    return name in PUBLIC_ERRORS or hasattr(errors, name) or hasattr(builtins, name)


def _check_fields(owner: type) -> list[str]:
    described: set[str] = set()
    for base in owner.__mro__:
        if not _is_ours(base):
            continue
        node = _definition(base)
        described |= _read_section(base.__doc__ or "", "Attributes") | _read_section(
            base.__doc__ or "", "Args"
        )
        for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and is_text:
                described.add(statement.target.id)
    if attrs.has(owner):
        names = [field.name for field in attrs.fields(owner)]
    else:
        names = list(getattr(owner, "_fields", ()))
    return [f"field {name}" for name in names if name[0] != "_" and name not in described]


def _check_constructor(owner: type) -> list[str]:
    """Gaps of a constructor that users call: not an error's, and not one that only the package calls."""
    constructor = vars(owner).get("__init__")
    if issubclass(owner, Exception) or attrs.has(owner) or not _has_source(constructor):
        return []
    docstring = owner.__doc__ or ""
    parameters = {name for name in inspect.signature(owner).parameters if name[0] != "_"}
    if "Created by" in docstring or getattr(owner, "_is_protocol", False):
        return []
    described, raises = _read_section(docstring, "Args"), _read_section(docstring, "Raises")
    return [
        *(f"parameter {name}" for name in sorted(parameters - described)),
        *(f"raises {name}" for name in sorted(_raised(constructor) - raises)),
    ]


def _units() -> dict[str, Any]:
    """Everything to check by its qualified name: functions, classes, and the methods of these."""
    units: dict[str, Any] = {}
    for qualified, value in EXPORTS.items():
        units[qualified] = value
        if isinstance(value, type):
            units |= {f"{qualified}.{name}": function for name, function in _functions(value)}
    return units


UNITS: Final = _units()


def find_gaps(value: Any) -> list[str]:
    """What a public function or class does not document."""
    if isinstance(value, types.FunctionType):
        return _check_function(value)
    own = vars(value).get("__doc__") or ""
    # attrs and Enum give a class without a docstring one of their own making.
    missing = (
        [] if own and not own.startswith(("Method generated", f"{value.__name__}(")) else ["no docstring"]
    )
    return [*missing, *_check_fields(value), *_check_constructor(value)]


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(UNITS) - PENDING))
def test_a_public_name_is_documented_in_full(name: str) -> None:
    assert find_gaps(UNITS[name]) == []


@pytest.mark.slow
def test_each_exempt_name_still_has_gaps() -> None:
    assert {name for name in PENDING if name not in UNITS or not find_gaps(UNITS[name])} == set()


def test_there_are_names_to_check() -> None:
    assert {
        "accesskeys_async.client.AccessKeysClient.list",
        "accesskeys_async.errors.NotFoundError",
        "accesskeys_async.RetryPolicy",
    } <= set(UNITS)


class TestTheCheckItself:
    def test_a_parameter_that_is_not_described_is_found(self) -> None:
        def function(described: int, forgotten: int) -> None:
            """Do something.

            Args:
                described: In seconds.
            """

        assert _check_function(function) == ["parameter forgotten"]

    def test_an_error_that_is_not_described_is_found(self) -> None:
        def function() -> None:
            """Do something.

            Raises:
                InvalidRequestError: Whenever it likes.
                NoSuchError: Never.
            """
            raise errors.ConfigurationError("not by its own name")

        def other() -> None:
            """Do something."""
            if not ENTRY:
                raise ValueError

        assert _check_function(function) == ["no error NoSuchError"]
        assert _check_function(other) == ["raises ValueError"]
