from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from accesskeys_async.audit import Policy, RuleChange, Severity, Snapshot, Subject, find_rules
from accesskeys_async.audit.records import Finding
from accesskeys_async.audit.rules.name_folding import fold, fold_all, strip_marks
from accesskeys_async.audit.rules.rule import Hit, conclude, make_hit
from accesskeys_async.audit.rules.text_patterns import (
    are_plain,
    find_dates,
    find_suspects,
    has_secret,
    has_temporary_word,
    is_meaningless,
)
from accesskeys_async.audit.run.evaluation import by_weight, judge
from accesskeys_async.records import UNSET, AccessKey, PolicyDefinition, Role, RoleRef, Unset
from accesskeys_async.records import Policy as RolePolicy

AT = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
ORGANIZATION = UUID(int=0xA0D17)
EVERY_RULE = {rule: RuleChange(enabled=True) for rule in ("AK033", "AK035")}
POLICY = Policy(registry=find_rules(installed=()), rules=EVERY_RULE)

words = st.sampled_from(
    ["temp", "test2", "template", "until 2026-01-02", "expires 3 May 2025", "billing", "ci-v2", "x", "TODO",
     "Zq8vT2mXw4Kc9LpR7sYd", "ﬁle", "İ", "a\nb", "日本", "\u202e", "\x00", "-old", " (2)", "0001", "key"]
)  # fmt: skip
texts = st.one_of(st.text(max_size=30), st.lists(words, max_size=4).map(" ".join))
times = st.integers(-400 * 86_400, 2 * 86_400).map(lambda seconds: AT + timedelta(seconds=seconds))
maybe_times = st.one_of(times, st.none(), st.just(UNSET))

ONE, TWO = UUID(int=1), UUID(int=2)
REFERENCES: tuple[tuple[RoleRef, ...] | Unset | None, ...] = (
    UNSET,
    None,
    (),
    (RoleRef(ONE, "managed", (TWO,)),),
    (RoleRef(TWO, "organization"), RoleRef(ONE)),
    tuple(RoleRef(UUID(int=number), "organization") for number in range(5)),
)
EVERYTHING = PolicyDefinition("allow", ("*",), ("any",))
ROLES: tuple[tuple[Role, ...] | Unset | None, ...] = (
    UNSET,
    None,
    (Role(ONE), Role(TWO, policies=None)),
    (Role(ONE, policies=(RolePolicy(ONE, definitions=(EVERYTHING,)),)),),
)


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
                draw(st.sampled_from(REFERENCES)),
                draw(st.sampled_from(ROLES)),
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
        assert not result.raised, result
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
def test_what_is_remembered_as_plain_has_no_suspect(several: list[str]) -> None:
    suspects = find_suspects(several)
    assert not (are_plain(set(several)) and suspects)
    assert find_suspects(several) == suspects


@given(st.lists(texts, max_size=12))
def test_folding_many_names_is_folding_each(names: list[str]) -> None:
    assert fold_all(names) == [fold(name) for name in names]


@given(keys())
def test_a_healthy_policy_keeps_severities_in_their_range(made: tuple[AccessKey, ...]) -> None:
    assert all(one.severity in Severity for one in find(made))


@given(keys())
def test_columns_are_what_going_through_the_keys_one_by_one_gives(made: tuple[AccessKey, ...]) -> None:
    snapshot = Snapshot(Subject(ORGANIZATION), AT, made)
    places = range(len(made))
    assert snapshot.uses == [key.last_used_at for key in made if key.last_used_at]
    assert snapshot.never_used == [place for place in places if made[place].last_used_at is None]
    assert snapshot.undescribed == [place for place in places if not made[place].description]
    assert snapshot.description_set == {key.description for key in made if key.description}
    assert snapshot.used_or_created == [key.last_used_at or key.created_at for key in made]
    assert snapshot.updated_or_created == [key.updated_at or key.created_at for key in made]
    assert snapshot.last_update == max((key.updated_at or key.created_at for key in made), default=None)
    assert snapshot.unset_used == sum(key.last_used_at is UNSET for key in made)
    assert snapshot.unset_updated == sum(key.updated_at is UNSET for key in made)
    assert snapshot.unset_descriptions == sum(key.description is UNSET for key in made)
    assert snapshot.folded_names == [fold(key.name) for key in made]
    assert snapshot.used == [key.last_used_at for key in made]
    assert snapshot.updated == [key.updated_at for key in made]


@given(keys())
def test_times_are_impossible_where_one_by_one_they_are(made: tuple[AccessKey, ...]) -> None:
    latest = AT + timedelta(minutes=5)
    impossible = {
        key.id
        for key in made
        if key.created_at > latest
        or any(time and not key.created_at <= time <= latest for time in (key.last_used_at, key.updated_at))
    }
    assert {one.key.id for one in find(made) if one.rule == "AK028" and one.key} == impossible


@given(keys())
def test_what_was_left_out_counts_as_not_evaluated(made: tuple[AccessKey, ...]) -> None:
    subject = Subject(ORGANIZATION)
    judged = judge(Snapshot(subject, AT, made), POLICY.settle(subject))
    counted = {result.rule: result.not_evaluated for result in judged.results}
    silent = [key for key in made if key.description is UNSET]
    assert counted["AK022"] == len(silent)
    assert counted["AK023"] == sum(
        not has_temporary_word(key.name) and key.created_at < AT - timedelta(days=30) for key in silent
    )
    assert counted["AK024"] == sum(not has_secret(key.name) for key in silent)


@given(keys())
def test_findings_stand_in_the_order_of_their_weight(made: tuple[AccessKey, ...]) -> None:
    findings = find(made)
    assert list(findings) == sorted(findings, key=by_weight)


@given(keys(), st.text(max_size=9), st.sampled_from([None, *Severity]))
def test_a_hit_made_quickly_is_a_hit(
    made: tuple[AccessKey, ...], message: str, severity: Severity | None
) -> None:
    for key in made:
        assert make_hit(message, key, severity) == Hit(message, key, severity)
        assert type(make_hit(message, key)) is Hit
    assert conclude(()) is conclude([])
