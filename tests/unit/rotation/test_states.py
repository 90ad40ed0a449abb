from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async import UNSET, AccessKey
from accesskeys_async.rotation import Candidate, Rotation, State
from accesskeys_async.rotation.states import OVER, check_move, find_in_use, get_backoff

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WAY = [
    State.PLANNED,
    State.CREATING,
    State.CREATED,
    State.DISTRIBUTED,
    State.VERIFIED,
    State.GRACE,
    State.DELETING,
    State.CONFIRMED,
]


@pytest.mark.parametrize(("before", "after"), list(itertools.pairwise(WAY)))
def test_a_rotation_goes_the_whole_way_step_by_step(before: State, after: State) -> None:
    check_move(before, after)


@given(st.sampled_from(WAY), st.sampled_from(WAY))
def test_no_step_towards_the_deletion_can_be_left_out(before: State, after: State) -> None:
    if WAY.index(after) > WAY.index(before) + 1:
        with pytest.raises(AssertionError, match=f"from {before} to {after}"):
            check_move(before, after)


@pytest.mark.parametrize("state", [state for state in State if state not in OVER])
def test_a_rotation_that_is_not_over_may_come_to_need_a_person(state: State) -> None:
    check_move(state, State.NEEDS_HUMAN)


@pytest.mark.parametrize("after", [state for state in State if state not in OVER])
@pytest.mark.parametrize("before", sorted(OVER))
def test_a_rotation_that_is_over_stays_over(before: State, after: State) -> None:
    with pytest.raises(AssertionError):
        check_move(before, after)


@pytest.mark.parametrize("state", [State.DISTRIBUTED, State.VERIFIED, State.GRACE, State.DELETING])
def test_a_rotation_whose_token_is_out_is_not_simply_aborted(state: State) -> None:
    with pytest.raises(AssertionError):
        check_move(state, State.ABORTED)


def test_the_backoff_doubles_from_five_seconds_up_to_an_hour() -> None:
    assert [get_backoff(failures).total_seconds() for failures in (1, 2, 3, 10, 11, 10_000)] == [
        5,
        10,
        20,
        2560,
        3600,
        3600,
    ]


def test_keys_that_were_not_used_since_are_idle(make_key: Callable[..., AccessKey]) -> None:
    keys = (make_key(1, last_used_at=None), make_key(2, last_used_at=NOW))

    assert find_in_use(keys, NOW) is None


def test_the_latest_use_after_the_cut_over_counts(make_key: Callable[..., AccessKey]) -> None:
    early, late = (make_key(n, last_used_at=NOW + timedelta(seconds=n)) for n in (1, 2))

    assert find_in_use((late, early), NOW) == (late, NOW + timedelta(seconds=2))


def test_a_key_of_which_the_last_use_is_not_told_may_be_in_use(make_key: Callable[..., AccessKey]) -> None:
    key = make_key(1, last_used_at=UNSET)

    assert find_in_use((key,), NOW) == (key, None)


def test_a_rotation_knows_whether_a_token_of_it_may_be_out(make_rotation: Callable[..., Rotation]) -> None:
    candidate = Candidate(nonce="a" * 16, begun_at=NOW, settle_until=NOW)
    given_away = Candidate(nonce="b" * 16, begun_at=NOW, settle_until=NOW, given=True)
    gone = Candidate(nonce="c" * 16, begun_at=NOW, settle_until=NOW, given=True, gone=True)

    assert not make_rotation(candidates=(candidate, gone)).may_be_given
    assert make_rotation(candidates=(given_away, candidate)).may_be_given


def test_a_grace_below_nothing_is_no_rotation(make_rotation: Callable[..., Rotation]) -> None:
    with pytest.raises(ValueError, match="grace"):
        make_rotation(grace=timedelta(seconds=-1))
