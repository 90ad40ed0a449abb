import ast
import subprocess
import sys
from pathlib import Path

import pytest

import accesskeys_async.emulator


def test_the_emulator_imports_nothing_of_the_rest_not_even_for_typing() -> None:
    folder = Path(accesskeys_async.emulator.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path
                ours = (node.module or "").startswith("accesskeys_async")
                assert node.level or not ours or node.module == "accesskeys_async._public", path
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("accesskeys_async") for alias in node.names), path


@pytest.mark.slow
def test_starting_it_loads_nothing_of_the_client() -> None:
    code = (
        "import sys; from accesskeys_async.emulator import Emulator; Emulator().start().stop();"
        "print([n for n in sys.modules if n.startswith('accesskeys_async.') and '.emulator' not in n])"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert set(ast.literal_eval(loaded)) <= {"accesskeys_async._version", "accesskeys_async._public"}


def test_every_public_name_is_listed_and_has_a_docstring() -> None:
    names = accesskeys_async.emulator.__all__
    imported = ast.parse(Path(accesskeys_async.emulator.__file__).read_text()).body
    found = [
        alias.name
        for node in imported
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    ]

    assert sorted(found) == names
    assert all(getattr(accesskeys_async.emulator, name).__doc__ for name in names)
