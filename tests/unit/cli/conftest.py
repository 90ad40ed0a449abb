from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
from attrs import define, field

from accesskeys_async.cli.screen import Screen
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
