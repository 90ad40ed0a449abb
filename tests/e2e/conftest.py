"""Chromium, and the report that it opens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pytest
from attrs import field, frozen
from playwright.sync_api import Browser, Page, sync_playwright

from accesskeys_async.audit import Policy, Severity
from accesskeys_async.audit.records import Summary
from accesskeys_async.audit.reports import ReportContext, TrendPoint, open_reports
from tests.unit.audit.fleet import AT, Fleet

QUIET = (
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-context-networking",
    "--disable-component-update",
    "--disable-sync",
)
TREND = tuple(
    TrendPoint(
        AT - timedelta(days=7 * back),
        (
            (Severity.CRITICAL, 60 + 3 * back),
            (Severity.HIGH, 270 + 11 * back - back % 3 * 20),
            (Severity.MEDIUM, 190 + 7 * back),
            (Severity.INFO, 45 - back),
        ),
    )
    for back in range(12, 0, -1)
)


@frozen
class Watched:
    """A page, what it asked the network for, and what it said on the console."""

    page: Page
    requests: list[str] = field(factory=list)
    complaints: list[str] = field(factory=list)


Open: TypeAlias = Callable[..., Watched]


# Playwright keeps an event loop running in this thread, beside which no other test could run its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        message = "Chromium is not installed"
        if os.environ.get("ACCESSKEYS_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{message}, and ACCESSKEYS_REQUIRE_SERVICES=1 asks for it")
        pytest.skip(f"{message}; install it to run this test")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


def write_report(path: Path, fleet: Fleet) -> Path:
    with open_reports([path], context=ReportContext.of(Policy(), trend=TREND)) as reports:
        for part in fleet.parts():
            if isinstance(part, Summary):
                reports.finish(part)
            else:
                reports.add(part)
    return path


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An everyday report."""
    return write_report(tmp_path_factory.mktemp("report") / "report.html", Fleet(organizations=16, keys=40))


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Open a file as a page that is watched; options are those of a browser's context."""
    contexts = []

    def open_page(path: Path, **options: object) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})  # type: ignore[arg-type]
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.on("request", lambda request: watched.requests.append(request.url))
        watched.page.on("console", lambda message: watched.complaints.append(message.text))
        watched.page.on("pageerror", lambda error: watched.complaints.append(str(error)))
        watched.page.on("dialog", lambda dialog: watched.complaints.append(dialog.message))
        watched.page.goto(path.as_uri())
        return watched

    yield open_page
    for context in contexts:
        context.close()
