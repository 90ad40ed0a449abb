from __future__ import annotations

import asyncio
import pickle

import pytest

from accesskeys_async._workers import Outcome, call_each
from accesskeys_async.errors import InvalidRequestError

REFUSED = InvalidRequestError("number", "is odd; it takes even ones")


async def halve(number: int) -> int:
    await asyncio.sleep(0)
    if number % 2:
        raise REFUSED
    return number // 2


async def test_each_item_has_an_outcome_with_its_result_or_its_error() -> None:
    outcomes = [outcome async for outcome in call_each(range(6), halve, workers=2)]
    assert {outcome.item: (outcome.result, outcome.error) for outcome in outcomes} == {
        0: (0, None),
        1: (None, REFUSED),
        2: (1, None),
        3: (None, REFUSED),
        4: (2, None),
        5: (None, REFUSED),
    }


async def test_an_exception_that_is_not_ours_is_no_outcome() -> None:
    async def divide(number: int) -> float:
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        _ = [outcome async for outcome in call_each([0], divide, workers=1)]


def test_an_outcome_unwraps_to_its_result_or_raises_its_error() -> None:
    assert Outcome("item", 5).unwrap() == 5
    nothing: Outcome[str, None] = Outcome("item")
    assert nothing.unwrap() is None
    failed: Outcome[str, int] = Outcome("item", error=REFUSED)
    with pytest.raises(InvalidRequestError, match="is odd"):
        failed.unwrap()


def test_an_outcome_goes_through_a_pickle() -> None:
    outcome: Outcome[str, int] = Outcome("item", error=REFUSED)
    assert str(pickle.loads(pickle.dumps(outcome)).error) == str(REFUSED)
