from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from accesskeys_async._throttle.rate_limit_headers import Reading, read_quota

NOW = 1_767_225_600.0
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "reading"),
    [
        ({"RateLimit": "limit=50, remaining=7, reset=3"}, Reading(7, 50, 3)),
        ({"ratelimit": "limit=50,remaining=0,reset=30"}, Reading(0, 50, 30)),
        ({"RateLimit": '"default";r=7;t=3'}, Reading(7, None, 3)),
        (
            {"RateLimit": '"default";r=7;t=3', "RateLimit-Policy": '"default";q=50;w=60'},
            Reading(7, 50, 3),
        ),
        ({"RateLimit": '"hour";r=900;t=1000, "second";r=2;t=1'}, Reading(2, None, 1)),
        (
            {"RateLimit-Limit": "50", "RateLimit-Remaining": "7", "RateLimit-Reset": "3"},
            Reading(7, 50, 3),
        ),
        (
            {"RateLimit-Limit": "50, 50;w=60", "RateLimit-Remaining": "7", "RateLimit-Reset": "3"},
            Reading(7, 50, 3),
        ),
        (
            {"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "3"},
            Reading(7, 50, 3),
        ),
        (
            {"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": str(int(NOW) + 30)},
            Reading(7, None, 30),
        ),
        (
            {"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": str((int(NOW) + 30) * 1000)},
            Reading(7, None, 30),
        ),
        ({"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": str(int(NOW) - 30)}, Reading(7, None, 0)),
        (
            {
                "X-RateLimit-Remaining": "7",
                "X-RateLimit-Reset": "Thu, 01 Jan 2026 00:00:30 GMT",
                "Date": DATE,
            },
            Reading(7, None, 30),
        ),
        ({"X-RateLimit-Remaining": "1.5"}, Reading(1.5)),
    ],
)
def test_every_form_in_use_is_read(headers: dict[str, str], reading: Reading) -> None:
    assert read_quota(CIMultiDict(headers), now=NOW) == reading


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"RateLimit": ""},
        {"RateLimit": "limit=50"},
        {"RateLimit": "remaining=many"},
        {"RateLimit-Remaining": "-1"},
        {"RateLimit-Remaining": "soon"},
        {"X-RateLimit-Remaining": ""},
        {"RateLimit-Limit": "50"},
    ],
)
def test_what_does_not_say_what_remains_says_nothing(headers: dict[str, str]) -> None:
    assert read_quota(CIMultiDict(headers), now=NOW) is None


@pytest.mark.parametrize("reset", ["", "tomorrow", "-5", "9" * 15])
def test_a_reset_that_cannot_be_read_is_as_good_as_none(reset: str) -> None:
    headers = CIMultiDict({"RateLimit-Remaining": "7", "RateLimit-Reset": reset})
    assert read_quota(headers, now=NOW) == Reading(7)


def test_an_epoch_is_measured_against_the_service_s_own_clock() -> None:
    headers = CIMultiDict(
        {"X-RateLimit-Remaining": "7", "X-RateLimit-Reset": str(int(NOW) + 30), "Date": DATE}
    )
    for wrong_by in (-3600, 0, 3600):
        assert read_quota(headers, now=NOW + wrong_by) == Reading(7, None, 30)


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(
            (
                "RateLimit",
                "RateLimit-Policy",
                "RateLimit-Limit",
                "RateLimit-Remaining",
                "RateLimit-Reset",
                "X-RateLimit-Limit",
                "X-RateLimit-Remaining",
                "X-RateLimit-Reset",
                "Date",
            )
        ),
        st.text(max_size=30) | st.from_regex(r"[0-9a-z=;, .\"-]{0,40}"),
    )
)
def test_nothing_that_a_header_says_is_an_error_or_negative(headers: dict[str, str]) -> None:
    reading = read_quota(CIMultiDict(headers), now=NOW)
    assert reading is None or (
        reading.remaining >= 0 and (reading.limit or 0) >= 0 and (reading.reset or 0) >= 0
    )
