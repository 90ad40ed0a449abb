"""The grid: which loads meet which services, for how long, and what counts as steady."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from attrs import frozen

from tests.simulation.running import Load
from tests.simulation.services import (
    Bucket,
    Concurrency,
    FixedWindow,
    Form,
    Quota,
    Restarting,
    Service,
    SlidingWindow,
    Sometimes,
    Stray,
    Unlimited,
)

__all__ = ["CELLS", "Cell"]

Kind = Literal["below", "burst", "random", "failing", "told", "silent", "beyond"]
"""What is promised; `test_cells` holds each cell to it. Whatever the kind, no larger share of calls fails
than with plain backoff.

below: the load is below the quota. random: refusals have nothing to do with load. failing: neither have
failures. told, silent: a quota under 64 tasks, found by headers or by refusals alone. burst: on average the
load is below the quota, but not while it lasts. beyond: no more than to do no harm.
"""

ONE = Load(1, 10.0)
STEADY = Load(1, 1.0)
BURSTS = Load(20, 10.0)
BUSY = Load(64)
BUSY_20 = Load(64, organizations=20)
MANY = Load(20, 1.0, organizations=100)


@frozen
class Cell:
    """One load on one service."""

    name: str
    load: Load
    make_quota: Callable[[], Quota]
    kind: Kind
    form: Form = Form.SILENT
    rate: float = math.inf
    """Requests a second that the service allows, all organizations together."""
    seconds: float = 120.0
    since: float = 60.0
    """From when on its use is measured."""
    quick: bool = True
    """Whether the test suite runs it each time."""

    def __str__(self) -> str:
        form = "" if self.form is Form.SILENT else f", {self.form.value}"
        return f"{self.load}: {self.name}{form}"

    def make_service(self, clock: Callable[[], float]) -> Service:
        return Service(self.make_quota(), clock, self.form, draw=random.Random(5).random)


def _bucket(rate: float, burst: float, *, shared: bool = False, foreign: float = 0.0) -> Callable[[], Quota]:
    return lambda: Bucket(rate, burst, shared=shared, foreign=foreign)


def _sometimes(share: float, status: int = 429) -> Callable[[], Quota]:
    return lambda: Sometimes(share, status, random.Random(11).random)


def _low_loads() -> Iterator[Cell]:
    """Loads that leave something of every quota."""
    for load, seconds in ((ONE, 1800.0), (STEADY, 600.0), (MANY, 120.0)):
        for form in Form:
            quick = form is Form.SILENT
            yield Cell(
                "a refusal each 30 s", load, lambda: Stray(30.0), "random", form, math.inf, seconds, 0, quick
            )
            for share in (0.01, 0.05, 0.08, 0.2):
                named = f"{share:.0%} refused at random"
                yield Cell(
                    named,
                    load,
                    _sometimes(share),
                    "random",
                    form,
                    math.inf,
                    seconds,
                    0,
                    quick and share in {0.05, 0.2},
                )
        yield Cell(
            "8 % are 502",
            load,
            _sometimes(0.08, 502),
            "failing",
            seconds=seconds,
            since=0,
            quick=load is STEADY,
        )
        yield Cell(
            "restarts",
            load,
            lambda: Restarting(20.0),
            "failing",
            seconds=seconds,
            since=0,
            quick=load is STEADY,
        )
        for rate, burst in ((50, 1), (50, 200), (10, 1), (1, 5)):
            below = load is not STEADY or rate > 1
            yield Cell(
                f"{rate}/s, burst {burst}",
                load,
                _bucket(rate, burst),
                "below" if below else "beyond",
                rate=rate * load.organizations,
                seconds=seconds / 2,
                since=0,
                quick=burst == 1 and rate == 10,
            )
    yield Cell("used up for the day", STEADY, _sometimes(1.0), "beyond", seconds=120.0, since=0)
    yield Cell("used up for the day", BURSTS, _sometimes(1.0), "beyond", seconds=120.0, since=0)
    yield Cell("used up for the day", BUSY, _sometimes(1.0), "beyond", seconds=120.0, since=0)


def _bursts() -> Iterator[Cell]:
    for form in Form:
        quick = form in {Form.SILENT, Form.RETRY_AFTER}
        yield Cell("10/s, burst 1", BURSTS, _bucket(10, 1), "burst", form, 10.0, 600.0, 0, quick)
        yield Cell("10/s, burst 5", BURSTS, _bucket(10, 5), "burst", form, 10.0, 600.0, 0, False)
        yield Cell("50/s, burst 50", BURSTS, _bucket(50, 50), "below", form, 50.0, 300.0, 0, False)
        yield Cell("300 in 10 s", BURSTS, lambda: FixedWindow(300, 10), "below", form, 30.0, 300.0, 0, False)
        yield Cell("1/s, burst 5", BURSTS, _bucket(1, 5), "beyond", form, 1.0, 600.0, 0, quick)
    yield Cell("concurrency of 10", BURSTS, lambda: Concurrency(10), "below", seconds=600.0, since=0)
    yield Cell("8 % are 502", BURSTS, _sometimes(0.08, 502), "failing", seconds=300.0, since=0, quick=False)
    yield Cell("5 % refused at random", BURSTS, _sometimes(0.05), "random", seconds=600.0, since=0)


def _busy() -> Iterator[Cell]:
    """64 tasks on one organization."""
    for form in (Form.SILENT, Form.ZERO, Form.RETRY_AFTER, Form.HEADERS):
        is_told = form in {Form.RETRY_AFTER, Form.HEADERS}
        kind: Kind = "told" if is_told else "silent"
        for rate, burst in (
            (50, 50),
            (50, 200),
            (50, 5),
            (30, 10),
            (10, 10),
            (10, 2),
            (5, 20),
            (1, 5),
            (1, 50),
        ):
            # A bucket of two is told of in whole seconds, and is full again long before.
            is_told_well = not is_told or burst >= 5
            slow = rate < 10
            yield Cell(
                f"{rate}/s, burst {burst}",
                BUSY,
                _bucket(rate, burst),
                kind if is_told_well else "beyond",
                form,
                rate,
                480.0 if slow else 180.0,
                180.0 if slow else 60.0,
                (form, rate, burst) == (Form.RETRY_AFTER, 50, 5)
                or (
                    form in {Form.SILENT, Form.RETRY_AFTER} and (rate, burst) in {(50, 50), (10, 10), (1, 5)}
                ),
            )
        for rate in (50, 10, 1):
            yield Cell(
                f"{rate}/s, burst 1",
                BUSY,
                _bucket(rate, 1),
                "beyond",
                form,
                rate,
                120.0,
                60.0,
                rate == 10 and form is Form.SILENT,
            )
        for count, window in ((300, 10), (600, 60), (50, 1), (100, 10)):
            yield Cell(
                f"{count} in {window} s",
                BUSY,
                partial(FixedWindow, count, window),
                kind,
                form,
                count / window,
                360.0,
                120.0,
                form in {Form.SILENT, Form.RETRY_AFTER} and count in {300, 600},
            )
            yield Cell(
                f"{count} in any {window} s",
                BUSY,
                partial(SlidingWindow, count, window),
                kind,
                form,
                count / window,
                360.0,
                120.0,
                form is Form.SILENT and count == 300,
            )
        yield Cell(
            "concurrency of 10",
            BUSY,
            lambda: Concurrency(10),
            "beyond",
            form,
            seconds=60,
            since=30,
            quick=not is_told and form is Form.SILENT,
        )
        yield Cell(
            "50/s, burst 50, and others",
            BUSY,
            _bucket(50, 50, foreign=20),
            "beyond",
            form,
            40.0,
            120.0,
            60.0,
            form is Form.SILENT,
        )
        for share in (0.01, 0.05, 0.08, 0.2):
            yield Cell(
                f"{share:.0%} refused at random",
                BUSY,
                _sometimes(share),
                "random",
                form,
                seconds=3.0,
                since=0,
                quick=share in {0.05, 0.2} and form in {Form.SILENT, Form.RETRY_AFTER},
            )
    yield Cell("8 % are 502", BUSY, _sometimes(0.08, 502), "failing", seconds=3.0, since=0)
    yield Cell("restarts", BUSY, lambda: Restarting(5.0), "failing", seconds=5.0, since=0)
    yield Cell("no quota", BUSY, Unlimited, "below", seconds=1.0, since=0)


def _crowds() -> Iterator[Cell]:
    for form in (Form.SILENT, Form.RETRY_AFTER, Form.HEADERS):
        for rate, burst in ((50, 50), (10, 10), (2, 5)):
            yield Cell(
                f"{rate}/s, burst {burst} each",
                BUSY_20,
                _bucket(rate, burst),
                "beyond",
                form,
                20 * rate,
                60,
                30,
                form is Form.SILENT and rate == 10,
            )
        yield Cell(
            "300 in 10 s each", BUSY_20, lambda: FixedWindow(300, 10), "beyond", form, 600, 60, 30, False
        )
        for organizations in (20, 100):
            yield Cell(
                "50/s, burst 50, shared",
                Load(64, organizations=organizations),
                _bucket(50, 50, shared=True),
                "beyond",
                form,
                50.0,
                120,
                60,
                form is Form.SILENT and organizations == 100,
            )


CELLS = (*_low_loads(), *_bursts(), *_busy(), *_crowds())
