from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from attrs import define, field

from accesskeys_async.cli.app import run
from accesskeys_async.cli.output.screen import Screen
from accesskeys_async.emulator import Emulator
from accesskeys_async.records import AccessKey

ORGANIZATION = UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")


class Stream(io.StringIO):
    """A stream of which a test says whether it is a terminal."""

    def __init__(self, text: str = "", *, terminal: bool = False, encoding: str = "utf-8") -> None:
        super().__init__(text)
        self._terminal = terminal
        self._encoding = encoding

    @property
    def encoding(self) -> str:
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@define
class Desk:
    """Three streams, and the screen made of them."""

    stdin: Stream
    stdout: Stream
    stderr: Stream
    screen: Screen = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.screen = Screen(self.stdin, self.stdout, self.stderr)

    @property
    def out(self) -> str:
        return self.stdout.getvalue()

    @property
    def err(self) -> str:
        return self.stderr.getvalue()


@pytest.fixture
def make_desk() -> Callable[..., Desk]:
    def make(answer: str = "", *, terminal: bool = False, encoding: str = "utf-8") -> Desk:
        return Desk(
            Stream(answer, terminal=terminal),
            Stream(terminal=terminal, encoding=encoding),
            Stream(terminal=terminal),
        )

    return make


@pytest.fixture
def make_key() -> Callable[..., AccessKey]:
    def make(number: int = 1, *, name: str = "ci", **fields: object) -> AccessKey:
        return AccessKey(
            id=UUID(int=number),
            organization_id=ORGANIZATION,
            name=name,
            suffix="AbCdEf",
            created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            **fields,
        )

    return make


@define
class Called:
    """What a command answered."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def shared_service() -> Iterator[Emulator]:
    with Emulator(organizations=2, keys_per_organization=249) as service:
        yield service


@pytest.fixture
def service(shared_service: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """A service as new, with 250 keys in each organization, and the environment that leads to it."""
    shared_service.reset()
    monkeypatch.setenv("ACCESSKEYS_BASE_URL", shared_service.base_url)
    monkeypatch.setenv("ACCESSKEYS_TOKEN", shared_service.token)
    monkeypatch.setenv("ACCESSKEYS_ORGANIZATION", shared_service.organization_id)
    return shared_service


@pytest.fixture
def call(make_desk: Callable[..., Desk]) -> Callable[..., Called]:
    """Run a command in this process."""

    def call(*arguments: object, answer: str = "", terminal: bool = False) -> Called:
        desk = make_desk(answer, terminal=terminal)
        code = run([str(argument) for argument in arguments], screen=desk.screen)
        return Called(code, desk.out, desk.err)

    return call


@pytest.fixture
def begin(service: Emulator) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Begin a command in a process of its own."""
    begun: list[subprocess.Popen[str]] = []

    def begin(*arguments: object, **settings: object) -> subprocess.Popen[str]:
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, "-m", "accesskeys_async", *map(str, arguments)],
            text=True,
            **{**streams, **settings},
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate(timeout=20)
