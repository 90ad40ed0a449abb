from __future__ import annotations

import ast
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
import types
import typing
from pathlib import Path

import pytest

import accesskeys_async

PACKAGE = Path(accesskeys_async.__file__).parent
APART = {"cli", "emulator", "pytest_plugin", "__main__"}
"""Programs, and the emulator: not part of the library."""


def list_modules() -> list[str]:
    names = [module.name for module in pkgutil.walk_packages([str(PACKAGE)], "accesskeys_async.")]
    return [name for name in names if name.split(".")[1] not in APART]


MODULES = list_modules()
PUBLIC = {
    "accesskeys_async",
    "accesskeys_async.audit",
    "accesskeys_async.audit.history",
    "accesskeys_async.audit.reports",
    "accesskeys_async.client",
    "accesskeys_async.emulator",
    "accesskeys_async.errors",
    "accesskeys_async.records",
    "accesskeys_async.rotation",
}
"""Modules that are documented for users, and say in `__all__` what is."""


def list_definitions(module: types.ModuleType) -> set[str]:
    """The classes and functions that a module defines itself, without an underscore, and no constants."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and isinstance(value, type | types.FunctionType)
        and (value.__module__ == module.__name__ or getattr(value, "__name__", None) in DECORATED)
    }


DECORATED = {name for name in accesskeys_async.__all__ if name not in {"UNSET", "__version__"}}


def test_there_are_modules_to_look_at() -> None:
    assert {
        "accesskeys_async.records",
        "accesskeys_async._http.retry",
        "accesskeys_async._contract.fast",
    } <= set(MODULES)


def test_only_public_modules_have_an_all() -> None:
    found = {name for name in MODULES if hasattr(importlib.import_module(name), "__all__")}
    assert found == {name for name in PUBLIC if name.partition(".")[2].split(".")[0] not in {"", *APART}}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_all_names_what_a_module_has(name: str) -> None:
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__))
    for exported in module.__all__:
        assert hasattr(module, exported), exported


@pytest.mark.parametrize("name", sorted(PUBLIC - {"accesskeys_async.client"}))
def test_public_classes_and_functions_report_a_public_module(name: str) -> None:
    module = importlib.import_module(name)
    for value in (getattr(module, exported) for exported in module.__all__):
        if isinstance(value, type | types.FunctionType):
            assert value.__module__ in PUBLIC, value
            assert getattr(importlib.import_module(value.__module__), value.__name__) is value


def test_a_class_of_a_private_module_reports_the_package() -> None:
    assert accesskeys_async.RetryPolicy.__module__ == "accesskeys_async"


@pytest.mark.parametrize("policy", [accesskeys_async.RetryPolicy(), accesskeys_async.Timeout()])
def test_a_pickle_names_the_public_module(policy: object) -> None:
    pickled = pickle.dumps(policy)
    assert b"_http" not in pickled
    assert pickle.loads(pickled) == policy


@pytest.mark.parametrize("name", accesskeys_async.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(accesskeys_async, name) is not None
    assert name in dir(accesskeys_async)


def test_an_unknown_name_is_none_of_ours() -> None:
    with pytest.raises(AttributeError, match=r"^module 'accesskeys_async' has no attribute 'Nothing'$"):
        accesskeys_async.Nothing  # noqa: B018 - the look-up is under test


def test_a_name_is_looked_up_only_once() -> None:
    first = accesskeys_async.Token
    assert vars(accesskeys_async)["Token"] is first


def test_what_type_checkers_see_is_what_there_is() -> None:
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text())
    names = set()
    for node in tree.body:
        assert isinstance(node, ast.ImportFrom)
        (alias,) = node.names
        assert alias.asname == alias.name
        assert hasattr(importlib.import_module(str(node.module)), alias.name)
        names.add(alias.name)
    assert sorted(names) == accesskeys_async.__all__


def list_documented() -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        found.append((module_name, module))
        for name in sorted(list_definitions(module)):
            value = getattr(module, name)
            found.append((f"{module_name}.{name}", value))
            if isinstance(value, type):
                found += [
                    (f"{module_name}.{name}.{member}", method)
                    for member, method in vars(value).items()
                    if not member.startswith("_")
                    and isinstance(method, types.FunctionType | property | classmethod)
                ]
    return found


@pytest.mark.parametrize(("name", "value"), [pytest.param(n, v, id=n) for n, v in list_documented()])
def test_every_public_name_has_a_docstring(name: str, value: object) -> None:
    # attrs gives an undocumented class none; a Protocol's or an enum's inherited one does not count.
    text = value.__doc__ if not isinstance(value, type) else vars(value).get("__doc__")
    assert text, name


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ("aiohttp", "attrs", "attr", "cattrs", "msgspec", "asyncio", "typer", "rich")
    code = f"import sys, accesskeys_async; print([name for name in {heavy} if name in sys.modules])"
    assert run(code) == "[]"


def test_records_and_errors_load_neither_aiohttp_nor_cattrs() -> None:
    code = (
        "import sys; from accesskeys_async import AccessKey, APIStatusError; "
        "print([name for name in ('aiohttp', 'cattrs', 'msgspec') if name in sys.modules])"
    )
    assert run(code) == "[]"


def test_the_package_says_that_it_is_typed_and_which_version_it_is() -> None:
    assert (PACKAGE / "py.typed").is_file()
    assert accesskeys_async.__version__ == importlib.import_module("accesskeys_async._version").__version__


def test_the_library_logs_to_nobody_unless_asked() -> None:
    code = (
        "import logging, accesskeys_async; "
        "print([type(h).__name__ for h in logging.getLogger('accesskeys_async').handlers])"
    )
    assert run(code) == "['NullHandler']"


def list_annotated() -> list[object]:
    """Every public class and function, and every function of those classes, as they are written."""
    found: list[object] = []
    modules = [*MODULES, "accesskeys_async.emulator"]
    for module in map(importlib.import_module, modules):
        for value in (
            getattr(module, name) for name in {*getattr(module, "__all__", ()), *list_definitions(module)}
        ):
            if isinstance(value, types.FunctionType):
                found.append(value)
            if not isinstance(value, type):
                continue
            for base in value.__mro__:
                if base.__module__.split(".")[0] == "accesskeys_async":
                    found += [base] if inspect.get_annotations(base) else []
                    found += [
                        function for member in vars(base).values() if (function := find_function(member))
                    ]
    return list({id(one): one for one in found}.values())


def find_function(member: object) -> types.FunctionType | None:
    if isinstance(member, property):
        member = member.fget
    member = getattr(member, "__func__", member)
    is_ours = isinstance(member, types.FunctionType) and not member.__module__.startswith("namedtuple_")
    return member if is_ours else None


ANNOTATED = list_annotated()


def test_annotations_of_the_whole_public_api_are_looked_at() -> None:
    assert len(ANNOTATED) > 1000
    assert {
        accesskeys_async.AccessKeysClient.list,
        accesskeys_async.AccessKey,
        accesskeys_async.RedisRate.__init__,
    } <= set(ANNOTATED)


def test_every_public_annotation_can_be_resolved() -> None:
    failures: dict[str, str] = {}
    for one in ANNOTATED:
        try:
            typing.get_type_hints(one)
        except (AttributeError, NameError, TypeError) as error:
            failures[f"{one.__module__}.{one.__qualname__}"] = str(error)
    assert failures == {}
