from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async._http.messages import Request, StopReason
from accesskeys_async._http.retry import (
    Retry,
    RetryBudget,
    RetryPolicy,
)
from accesskeys_async.errors import (
    APIConnectionError,
    BudgetExhaustedError,
    ConfigurationError,
)
from tests.unit._http.scripted_server import Server, answer, lost

MakeRequest = Callable[..., Request]


def test_a_budget_is_taken_from_and_given_back_to_up_to_its_capacity() -> None:
    budget = RetryBudget(capacity=2, refund=0.5)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    budget.give()
    assert not budget.take()
    budget.give()
    assert budget.take()
    for _ in range(100):
        budget.give()
    assert budget.tokens == 2


def test_what_is_given_back_never_goes_over_the_capacity() -> None:
    budget = RetryBudget(capacity=1, refund=0.4)
    assert budget.take()
    for _ in range(3):
        budget.give()
    assert budget.tokens == 1


@pytest.mark.parametrize("options", [{"capacity": -1}, {"refund": -0.1}, {"capacity": float("nan")}])
def test_a_budget_takes_no_negative_numbers(options: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="takes no negative numbers"):
        RetryBudget(**options)


@given(
    capacity=st.floats(0, 50),
    refund=st.floats(0, 1),
    outcomes=st.lists(st.booleans(), max_size=300),
)
def test_retries_never_outnumber_capacity_and_the_share_of_successes(
    capacity: float, refund: float, outcomes: list[bool]
) -> None:
    budget = RetryBudget(capacity=capacity, refund=refund)
    retries = 0
    for number, succeeded in enumerate(outcomes):
        if succeeded:
            budget.give()
        else:
            retries += budget.take()
        assert retries <= capacity + refund * number + 1e-6
        assert 0 <= budget.tokens <= capacity


async def test_an_empty_budget_lets_the_first_error_stand(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    budget = RetryBudget(capacity=0)
    response = await make_retry(budget=budget)(make_request(), Server(answer(503)))
    assert response.stopped is not None
    assert response.stopped.reason is StopReason.BUDGET_EMPTY
    with pytest.raises(APIConnectionError) as caught:
        await make_retry(budget=budget)(make_request(), Server(lost()))
    assert isinstance(caught.value.__cause__, BudgetExhaustedError)
    waited = await make_retry(budget=budget)(make_request(), Server(answer(429, "1"), answer(200)))
    assert waited.status == 200


@pytest.mark.parametrize(
    ("status", "gives"),
    [(200, True), (204, True), (404, True), (301, True), (429, False), (500, False), (501, False)],
)
async def test_an_answer_other_than_failure_gives_to_the_budget(
    status: int, gives: bool, make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    budget = RetryBudget(capacity=1, refund=0.25)
    assert budget.take()
    await make_retry(RetryPolicy(max_retries=0), budget=budget)(make_request(), Server(answer(status)))
    assert budget.tokens == (0.25 if gives else 0)


async def test_a_dying_server_sees_no_more_than_the_capacity_on_top(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    retry = make_retry(budget=RetryBudget(capacity=10, refund=0.1))
    server = Server(then=answer(503))
    for _ in range(200):
        await retry(make_request(), server)
    assert server.requests == 200 + 10


async def test_a_server_that_fails_half_the_time_sees_a_tenth_more_once_the_capacity_is_spent(
    make_retry: Callable[..., Retry], make_request: MakeRequest
) -> None:
    retry = make_retry(budget=RetryBudget(capacity=10, refund=0.1))
    healthy, dying = Server(then=answer(200)), Server(then=answer(503))
    for _ in range(500):
        await retry(make_request(), healthy)
        await retry(make_request(), dying)
    assert dying.requests <= 500 + 10 + 0.1 * 500
