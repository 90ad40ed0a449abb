from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from accesskeys_async.audit import Policy, Severity, Snapshot, Subject, find_rules
from accesskeys_async.audit.judging import judge
from accesskeys_async.audit.naming import fold, fold_all, strip_marks
from accesskeys_async.audit.records import Finding
from accesskeys_async.audit.texts import (
    find_dates,
    find_suspects,
    has_secret,
    has_temporary_word,
    is_meaningless,
)
from accesskeys_async.records import UNSET, AccessKey

AT = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
ORGANIZATION = UUID(int=0xA0D17)
POLICY = Policy(registry=find_rules(installed=()))

words = st.sampled_from(
    ["temp", "test2", "template", "until 2026-01-02", "expires 3 May 2025", "billing", "ci-v2", "x", "TODO",
     "Zq8vT2mXw4Kc9LpR7sYd", "ﬁle", "İ", "a\nb", "日本", "\u202e", "\x00", "-old", " (2)", "0001", "key"]
)  # fmt: skip
texts = st.one_of(st.text(max_size=30), st.lists(words, max_size=4).map(" ".join))
times = st.integers(-400 * 86_400, 2 * 86_400).map(lambda seconds: AT + timedelta(seconds=seconds))
maybe_times = st.one_of(times, st.none(), st.just(UNSET))


@st.composite
def keys(draw: st.DrawFn) -> tuple[AccessKey, ...]:
    made: list[AccessKey] = []
    for number in range(draw(st.integers(0, 12))):
        made.append(
            AccessKey(
                UUID(int=number + 1),
                ORGANIZATION,
                draw(texts.filter(bool)),
                draw(st.sampled_from(["aaaaaa", "bbbbbb", "cccccc", f"{number:06d}"])),
                draw(times),
                draw(st.sampled_from(["service", None, UNSET])),
                draw(st.one_of(texts, st.none(), st.just(UNSET))),
                draw(maybe_times),
                draw(maybe_times),
                draw(st.sampled_from([(), ("a",), None, UNSET])),
            )
        )
    return tuple(made)


def find(made: tuple[AccessKey, ...], at: datetime = AT) -> tuple[Finding, ...]:
    subject = Subject(ORGANIZATION)
    return judge(Snapshot(subject, at, made), POLICY.settle(subject)).findings


@given(keys())
@settings(max_examples=150)
def test_no_rule_raises_and_each_accounts_for_every_key(made: tuple[AccessKey, ...]) -> None:
    subject = Subject(ORGANIZATION)
    judged = judge(Snapshot(subject, AT, made), POLICY.settle(subject))
    for result in judged.results:
        assert not (result.reason or "").startswith("the rule raised"), result
        rule = POLICY.registry[result.rule]
        units = len(made) if rule.scope.value == "key" else 1
        assert result.passed + result.failed + result.not_evaluated == units, result
    assert len({finding.fingerprint for finding in judged.findings}) == len(judged.findings)
    assert all(finding.message.isprintable() for finding in judged.findings)


@given(keys(), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(made: tuple[AccessKey, ...], chance: object) -> None:
    shuffled = list(made)
    chance.shuffle(shuffled)
    assert {(one.fingerprint, one.severity) for one in find(made)} == {
        (one.fingerprint, one.severity) for one in find(tuple(shuffled))
    }


@given(keys())
def test_judging_twice_gives_the_same(made: tuple[AccessKey, ...]) -> None:
    assert find(made) == find(made)


@given(keys(), st.integers(0, 400))
def test_a_finding_of_age_or_idleness_never_heals_by_waiting(made: tuple[AccessKey, ...], days: int) -> None:
    lasting = {"AK001", "AK002", "AK003"}
    before = {one.fingerprint: one.severity for one in find(made) if one.rule in lasting}
    after = {
        one.fingerprint: one.severity for one in find(made, AT + timedelta(days=days)) if one.rule in lasting
    }
    assert before.keys() <= after.keys()
    assert all(after[mark] >= severity for mark, severity in before.items())


CHECKS: tuple[Callable[[str], object], ...] = (is_meaningless, has_temporary_word, find_dates, has_secret)


@given(st.lists(texts, max_size=12))
def test_no_text_that_a_rule_would_find_is_passed_over(several: list[str]) -> None:
    suspects = set(find_suspects(several))
    for place, text in enumerate(several):
        if any(check(text) for check in CHECKS) or strip_marks(fold(text)) != fold(text):
            assert place in suspects, text


@given(st.lists(texts, max_size=12))
def test_folding_many_names_is_folding_each(names: list[str]) -> None:
    assert fold_all(names) == [fold(name) for name in names]


@given(keys())
def test_a_healthy_policy_keeps_severities_in_their_range(made: tuple[AccessKey, ...]) -> None:
    assert all(one.severity in Severity for one in find(made))
