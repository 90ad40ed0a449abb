from __future__ import annotations

import secrets
import string
from uuid import UUID

import pytest

from accesskeys_async.records import UNSET
from tests.unit.audit.judged import AT, SECOND, ask, days, found, make_key


def test_a_name_matches_the_pattern_as_a_whole() -> None:
    good, bad = make_key(name="billing-ci-2"), make_key(name="billing-ci 2")
    verdict = ask("AK020", good, bad)
    assert found(verdict) == [bad]
    assert verdict.hits[0].message == "the name does not match [a-z0-9]+(-[a-z0-9]+)*"
    assert found(ask("AK020", good, bad, pattern=".*ci")) == [good, bad]


@pytest.mark.parametrize(
    "description", [UNSET, None, "", "  ", "-", "test", "TEST!", "Todo", "n/a", "42", "x", "API key"]
)
def test_a_description_that_says_nothing_is_found(description: object) -> None:
    key = make_key(description=description)
    verdict = ask("AK021", key, make_key())
    assert found(verdict) == [key]
    assert verdict.not_evaluated == 0


def test_a_description_equal_to_the_name_is_found_once() -> None:
    keys = [make_key(name="exports", description="exports"), make_key(name="test", description="test")]
    assert found(ask("AK021", *keys)) == keys
    assert ask("AK021", *keys).hits[0].message == "the description repeats the name"


@pytest.mark.parametrize(
    "description", ["Tests checkout nightly", "CI of billing", "A key", "temp sensors", "日本"]
)
def test_a_description_that_says_something_passes(description: str) -> None:
    assert found(ask("AK021", make_key(description=description))) == []


@pytest.mark.parametrize(
    "text",
    [
        "until 2026-06-14",
        "Expires: 2026/06/14",
        "migration, valid through 14.06.2026",
        "expires on 14 June 2026",
        "EXPIRY June 14th, 2026",
        "until 2026-05",
        "till 2025-12, then until 2026-06-14",
    ],
)
def test_a_date_that_is_over_is_found(text: str) -> None:
    key = make_key(description=text)
    verdict = ask("AK022", key, make_key())
    assert found(verdict) == [key]
    day = "2026-05-31" if "2026-05" in text else "2026-06-14"
    assert verdict.hits[0].message == f"the description ends on {day}"


@pytest.mark.parametrize(
    "text",
    [
        "until 2026-06-15",
        "until 2026-06",
        "until 2026-13-40",
        "until 03/04/2026",
        "since 2020-01-01",
        "until 2026-06-141",
        "until 2020-01-01, prolonged until 2027-01-01",
    ],
)
def test_a_date_to_come_or_of_no_end_passes(text: str) -> None:
    assert found(ask("AK022", make_key(description=text))) == []


def test_a_description_that_was_not_in_the_answer_has_no_date_to_judge() -> None:
    verdict = ask("AK022", make_key(description=UNSET), make_key(description=None))
    assert (found(verdict), verdict.not_evaluated, verdict.reason) == (
        [],
        1,
        "the response did not include a description",
    )


@pytest.mark.parametrize("word", ["temp", "TMP", "test", "poc", "Temporary"])
@pytest.mark.parametrize("text", ["{}", "{}-billing", "billing_{}_2", "a ({}) key", "x1{}2"])
def test_a_temporary_key_is_found_a_second_after_its_days(word: str, text: str) -> None:
    marked = text.format(word)
    if text == "x1{}2":
        marked = text.replace("x", "").format(word)
    named = make_key(name=marked, age=days(30) + SECOND)
    described = make_key(description=marked, age=days(30) + SECOND)
    young = make_key(name=marked, age=days(30))
    verdict = ask("AK023", named, described, young)
    assert found(verdict) == [named, described]
    assert verdict.hits[0].message == "named temporary and 30 days old; the limit is 30 days"


@pytest.mark.parametrize("word", ["template", "attempt", "latest", "contest", "epoch", "tests", "prétest"])
def test_a_word_within_a_word_is_no_match(word: str) -> None:
    assert found(ask("AK023", make_key(name=word, description=word, age=days(90)))) == []


def test_without_a_description_a_key_is_temporary_by_name_or_not_evaluated() -> None:
    named = make_key(name="temp-x", description=UNSET, age=days(90))
    silent = make_key(name="billing", description=UNSET, age=days(90))
    young = make_key(name="orders", description=UNSET)
    verdict = ask("AK023", named, silent, young)
    assert (found(verdict), verdict.not_evaluated) == ([named], 1)


ALPHABET = string.ascii_letters + string.digits
SECRETS = [
    "Zq8vT2mXw4Kc9LpR7sYd",
    "ghp_16C7e42F292c6912E7",
    "sk_live_4eC39HqLyjWDarjt",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0",
    "-----BEGIN RSA PRIVATE KEY-----",
    "postgres://app:hunter2@db/x",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_in_name_or_description_and_never_shown(secret: str) -> None:
    named = make_key(name=f"key {secret}")
    described = make_key(description=f"use {secret} here")
    verdict = ask("AK024", named, described, make_key())
    assert found(verdict) == [named, described]
    assert [hit.message for hit in verdict.hits] == [
        "the name has text that looks like a secret",
        "the description has text that looks like a secret",
    ]


def test_tokens_of_letters_and_digits_are_found_but_for_the_odd_one() -> None:
    tokens = ["".join(secrets.choice(ALPHABET) for _ in range(36)) for _ in range(500)]
    keys = [make_key(description=f"was {token}") for token in tokens]
    assert len(found(ask("AK024", *keys))) >= 490


@pytest.mark.parametrize(
    "text",
    [
        str(UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01")),
        UUID("0b0e0f3c-3f5a-4f55-9d0e-6f1f4d1f9a01").hex.upper(),
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "MyVeryLongServiceNameForProduction2",
        "billing-worker-prod-eu-0000000000000000000123",
        "https://wiki.example.com/teams/platform/access_keys_of_billing",
        "x" * 256,
    ],
)
def test_ids_hashes_and_long_names_are_no_secrets(text: str) -> None:
    assert found(ask("AK024", make_key(name=text, description=text))) == []


def test_without_a_description_a_secret_is_in_the_name_or_not_evaluated() -> None:
    named = make_key(name=SECRETS[0], description=UNSET)
    verdict = ask("AK024", named, make_key(description=UNSET))
    assert (found(verdict), verdict.not_evaluated) == ([named], 1)


def test_no_date_at_all_is_read_where_there_is_no_keys() -> None:
    assert AT.date().isoformat() == "2026-06-15"
    assert all(found(ask(rule)) == [] for rule in ("AK020", "AK021", "AK022", "AK023", "AK024"))


def test_a_secret_is_found_though_its_small_letters_are_remembered_as_plain() -> None:
    small = [make_key(name=f"eyjabcdefghij.abcdefgh-{number}") for number in range(20)]
    assert found(ask("AK024", *small)) == []
    telling = [make_key(name=key.name.replace("eyj", "eyJ")) for key in small]
    assert found(ask("AK024", *telling)) == telling


@pytest.mark.parametrize("rule_id", ["AK022", "AK023", "AK024"])
def test_a_description_that_was_left_out_is_not_evaluated_where_all_else_is_plain(rule_id: str) -> None:
    keys = [make_key(age=days(60)), make_key(age=days(60), description=UNSET)]
    assert ask(rule_id, *keys).not_evaluated == 1
