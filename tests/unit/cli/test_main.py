from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

HEAVY = {"aiohttp", "cattrs", "msgspec", "accesskeys_async.client", "accesskeys_async.emulator"}


def python(*arguments: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, **settings
    )


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["list", "--help"], ["demo", "--help"]])
def test_help_loads_nothing_of_the_client(arguments: list[str]) -> None:
    code = (
        "import json, sys\n"
        "from accesskeys_async.cli import main\n"
        f"status = main({arguments!r})\n"
        "sys.stderr.write(json.dumps([status, sorted(sys.modules)]))"
    )
    done = python("-c", code)
    status, modules = json.loads(done.stderr)
    assert status == 0
    assert done.stdout
    assert not HEAVY & set(modules)
    if len(arguments) == 1:
        # A help text that names the commands need not load one of them.
        assert not {"asyncio", "attrs", "accesskeys_async.cli.options"} & set(modules)


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from accesskeys_async.cli import main\n"
        "sys.exit(main(['--help']))"
    )
    done = python("-c", code)
    assert done.returncode == 2
    assert done.stderr == (
        f"accesskeys: the command line needs {missing}; run: pip install 'accesskeys-async[cli]'\n"
    )


def test_ctrl_c_while_the_command_line_is_loading_is_clean() -> None:
    code = (
        "import sys\n"
        "from accesskeys_async.cli import main\n"
        "class Pressed:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "sys.exit(main(['demo']))"
    )
    done = python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_module_runs_as_the_command_does() -> None:
    done = python("-m", "accesskeys_async", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("accesskeys ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("accesskeys li", "list"), ("accesskeys list --for", "--format"), ("accesskeys ", "demo")],
)
def test_completion_knows_the_commands_and_their_options(typed: str, offered: str) -> None:
    words = {"_ACCESSKEYS_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": typed}
    done = python("-m", "accesskeys_async", env={**os.environ, **words})
    assert done.returncode == 0, done.stderr
    assert offered in done.stdout
