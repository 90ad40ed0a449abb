from __future__ import annotations

import pytest

from accesskeys_async.transport.scope import LATEST, MAX_COUNTS, Scope


def alert(scope: Scope) -> None:
    scope.refuse(1, 0.0, began=-1.0, is_known=True)


def test_three_organizations_refused_that_had_asked_nothing_share_a_quota() -> None:
    scope = Scope()
    alert(scope)
    assert not scope.refuse(2, 1.0, began=2.5, is_known=False)
    assert not scope.refuse(3, 1.1, began=2.5, is_known=False)
    assert scope.refuse(4, 1.2, began=2.5, is_known=False)
    assert scope.is_shared


@pytest.mark.parametrize(
    ("accepted", "began", "is_known", "apart"),
    [
        pytest.param(10, 2.5, False, 0.1, id="they had asked for much"),
        pytest.param(0, -0.5, False, 0.1, id="sent before anything was counted"),
        pytest.param(0, 1.5, False, 0.1, id="begun together"),
        pytest.param(0, 2.5, True, 0.1, id="known to be at their limits"),
        pytest.param(0, 2.5, False, 6.0, id="one now and one then"),
    ],
)
def test_organizations_refused_for_reasons_of_their_own_share_nothing(
    accepted: int, began: float, is_known: bool, apart: float
) -> None:
    scope = Scope()
    alert(scope)
    for organization in range(2, 12):
        for _ in range(accepted):
            scope.accept(organization)
        now = 20.0 + apart * organization
        assert not scope.refuse(organization, now, began=began, is_known=is_known)


def recognize(scope: Scope) -> None:
    alert(scope)
    for organization in (2, 3, 4):
        scope.refuse(organization, 1.0, began=2.5, is_known=False)
    assert scope.is_shared


def test_refusals_that_keep_to_few_while_many_are_served_take_the_verdict_back() -> None:
    scope = Scope()
    recognize(scope)
    for organization in range(20):
        scope.accept(organization)
    verdicts = [scope.refuse(2 + turn % 2, 2.0, began=1.5, is_known=False) for turn in range(LATEST)]
    assert verdicts[:-1] == [True] * (LATEST - 1)
    assert not verdicts[-1]


def test_refusals_of_many_confirm_the_verdict() -> None:
    scope = Scope()
    recognize(scope)
    for organization in range(20):
        scope.accept(organization)
    assert all(scope.refuse(o, 2.0, began=1.5, is_known=False) for o in range(3 * LATEST))


def test_a_minute_after_the_last_refusal_all_is_forgotten() -> None:
    scope = Scope()
    recognize(scope)
    scope.calm(60.0)
    assert scope.is_shared
    assert scope.is_alert
    scope.calm(61.1)
    assert not scope.is_shared
    assert not scope.is_alert


def test_counts_are_bounded() -> None:
    scope = Scope()
    alert(scope)
    for organization in range(3 * MAX_COUNTS):
        scope.accept(organization)
    assert len(scope._accepted) <= MAX_COUNTS
