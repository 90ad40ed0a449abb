"""The mark of a recoverable create: pure parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accesskeys_async import InvalidRequestError
from accesskeys_async.creation import find_nonce, mark, new_nonce


def test_a_nonce_is_sixteen_characters_and_new_each_time() -> None:
    nonces = {new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {16}


@given(st.text(min_size=1, max_size=234))
def test_a_mark_is_found_again_at_the_end_of_any_description(description: str) -> None:
    nonce = new_nonce()
    assert find_nonce(mark(description, nonce)) == nonce


def test_a_description_that_leaves_no_room_for_the_mark_is_refused_with_the_bound() -> None:
    assert len(mark("x" * 234, new_nonce())) == 256
    with pytest.raises(InvalidRequestError, match=r"^description is 235 characters; .* it takes 1 to 234$"):
        mark("x" * 235, new_nonce())


@pytest.mark.parametrize(
    "description",
    [
        None,
        "",
        "deploys",
        "[ak:0123456789abcdef] is quoted here",
        "no space[ak:0123456789abcdef]",
        "short [ak:0123456789abcde]",
        "not ours [ak:0123456789ABCDEF]",
        "a line after [ak:0123456789abcdef]\n",
    ],
)
def test_what_is_no_mark_at_the_end_is_none(description: str | None) -> None:
    assert find_nonce(description) is None
