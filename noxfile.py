"""Sessions for developers: `.venv/bin/nox -s NAME`, in the environment that nox runs from.

They install nothing, since `pip install -e '.[dev]'` installs everything. Only `ci` works in fresh clones and
environments.
"""

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "test-fast"]

PROGRAMS = Path(sys.executable).parent
FAST = "not services and not browser and not slow"


def run(session: nox.Session, program: str, *arguments: str) -> None:
    """Run a program of the environment that nox runs from, activated or not."""
    session.run(str(PROGRAMS / program), *arguments, external=True)


@nox.session
def test(session: nox.Session) -> None:
    """Run all tests, or those that follow `--`."""
    run(session, "pytest", *session.posargs)


@nox.session(name="test-fast")
def test_fast(session: nox.Session) -> None:
    """Run the tests that need no service, no browser and no patience: under 30 s."""
    run(session, "pytest", "-q", "-m", FAST, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, layers and spelling."""
    run(session, "ruff", "check")
    run(session, "ruff", "format", "--check")
    run(session, "lint-imports")
    run(session, "codespell")
    run(session, "pytest", "-q", "-n", "0", "tests/docs/test_prose.py")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, both strict."""
    run(session, "mypy", "--strict")
    run(session, "pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Run the examples of the README and the docs, compare tables with the code, and show the changelog."""
    run(session, "pytest", "-q", "tests/docs", *session.posargs)
    run(session, "towncrier", "build", "--draft", "--version", "next")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks in short, or with the options that follow `--`."""
    run(session, "python", "-m", "benchmarks", *(session.posargs or ["--short"]))


@nox.session
def ci(session: nox.Session) -> None:
    """Check the last commit as CI does, in fresh clones and environments."""
    session.run("bash", ".ci/run", external=True)
