"""A pytest plugin that searches every log record and every error of the suite for tokens.

It fails the test during which a token was exposed. It recognizes tokens by their form: the emulator's and
those of the tests are 36 letters and digits, and an Authorization header begins with its scheme. Tokens of
another form are registered: `secrets_watch.learn(token)`.

Errors come from `pytest.raises`, from failures, and from `secrets_watch.inspect(error)`.
"""

from __future__ import annotations

import logging
import pickle
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import accesskeys_async

LIBRARY = str(Path(accesskeys_async.__file__).parent)
AIOHTTP = str(Path(aiohttp.__file__).parent)
EMULATOR = str(Path(LIBRARY, "emulator"))
WATCH = pytest.StashKey["SecretsWatch"]()
SHAPE = re.compile(
    # Not a part of a page token, whose base64 has - and _ as well.
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])[A-Za-z0-9]{36}(?![A-Za-z0-9_-])"
    r"|\bAccessKey [!-~]{12,}"
)


class SecretsWatch(logging.Handler):
    """Collect what the library exposes, and search it for tokens."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter())
        self.texts_seen = 0
        self._known: set[str] = set()
        self._found: list[str] = []

    def learn(self, token: str) -> None:
        """Search for this token too."""
        self._known.add(token)

    def emit(self, record: logging.LogRecord) -> None:
        """Search a log record as text and as data."""
        self.search(f"a log record of {record.name}", self.format(record))
        self.search(f"the arguments of a log record of {record.name}", repr(record.args))

    def inspect(self, error: BaseException) -> None:
        """Search every form of an error: repr, str, notes, attributes, pickle, traceback with its locals."""
        kind = type(error).__name__
        self.search(f"the repr of {kind}", repr(error))
        self.search(f"the text of {kind}", str(error))
        self.search(f"the attributes of {kind}", repr(vars(error)))
        self.search(f"the traceback of {kind}", format_locals(error))
        if type(error).__module__.startswith("accesskeys_async"):
            self.search(f"the pickle of {kind}", pickle.dumps(error, protocol=0).decode("latin-1"))
            self.search(f"the pickle of {kind}", pickle.dumps(error).decode("latin-1"))

    def search(self, place: str, text: str) -> None:
        """Note every token in a text by its place and its last six characters."""
        self.texts_seen += 1
        found = [match.group() for match in SHAPE.finditer(text)]
        found += [token for token in self._known if token in text]
        self._found += [f"{place} contains a token (…{token[-6:]})" for token in found]

    def take_findings(self) -> list[str]:
        """Return the findings since the last call, each once."""
        found, self._found = list(dict.fromkeys(self._found)), []
        return found


def format_locals(error: BaseException) -> str:
    """Format a whole traceback with the locals of the client's frames and of those below it.

    Frames of tests and of the emulator are left out: they may hold tokens.
    """
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    pending, seen = [trace], []
    while pending:
        link = pending.pop()
        seen.append(link)
        pending += [other for other in (link.__cause__, link.__context__, *(link.exceptions or ())) if other]
    for link in seen:
        link.stack[:] = [frame for frame in link.stack if _is_watched(frame.filename)]
    return "".join(trace.format())


def _is_watched(filename: str) -> bool:
    return filename.startswith((LIBRARY, AIOHTTP)) and not filename.startswith(EMULATOR)


@pytest.fixture
def secrets_watch(request: pytest.FixtureRequest) -> SecretsWatch:
    """The watch of this run, for tests that register tokens or inspect errors."""
    return request.config.stash[WATCH]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    watch = config.stash[WATCH] = SecretsWatch()
    logging.getLogger().addHandler(watch)
    loggers = [logging.getLogger(name) for name in ("accesskeys_async", "aiohttp", "asyncio")]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)

    caught = pytest.RaisesExc.__exit__

    def catch(self: pytest.RaisesExc[BaseException], *error: Any) -> bool:
        if error[1] is not None:
            watch.inspect(error[1])
        return caught(self, *error)

    pytest.RaisesExc.__exit__ = catch  # type: ignore[method-assign] # every expected error passes here

    def restore() -> None:
        pytest.RaisesExc.__exit__ = caught  # type: ignore[method-assign] # restored
        logging.getLogger().removeHandler(watch)
        for logger, level in before:
            logger.setLevel(level)

    config.add_cleanup(restore)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield from _watch(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield from _watch(item)


def _watch(item: pytest.Item) -> Iterator[None]:
    watch = item.config.stash[WATCH]
    try:
        result = yield
    except Exception as error:
        watch.inspect(error)
        _report(watch)
        raise
    _report(watch)
    return result


def _report(watch: SecretsWatch) -> None:
    if found := watch.take_findings():
        pytest.fail("a secret was exposed: " + "; ".join(found), pytrace=False)
