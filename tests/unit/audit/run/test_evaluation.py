from __future__ import annotations

from datetime import date
from uuid import UUID

from accesskeys_async.audit import (
    Finding,
    Hit,
    Parameters,
    Policy,
    Registry,
    Rule,
    RuleResult,
    Scope,
    Severity,
    Snapshot,
    Suppression,
    Verdict,
)
from accesskeys_async.audit.policies.suppressions import Suppressor
from accesskeys_async.audit.records import fingerprint
from accesskeys_async.audit.run.evaluation import Judgement, judge, mute
from tests.unit.audit.judged import AT, ORGANIZATION, days, make_key, take

SECRET = "Zq8vT2mXw4Kc9LpR7sYd"


def make_rule(judge_, **fields: object) -> Rule:
    values = {"id": "OUR1", "title": "ours", "severity": Severity.LOW, "condition": "c", "judge": judge_}
    return Rule(**{**values, **fields})


def run(snapshot: Snapshot, *rules: Rule, **options: object) -> Judgement:
    policy = Policy(registry=Registry({rule.id: rule for rule in rules}))
    return judge(snapshot, policy.settle(snapshot.subject), **options)


def test_a_rule_that_raises_is_not_evaluated_and_the_others_are() -> None:
    def fail(snapshot: Snapshot, _: Parameters) -> Verdict:
        raise LookupError(snapshot.keys[0].description)

    def find(snapshot: Snapshot, _: Parameters) -> Verdict:
        return Verdict([Hit("found", key) for key in snapshot.keys])

    snapshot = take(make_key(description=SECRET), make_key())
    judged = run(snapshot, make_rule(fail), make_rule(find, id="OUR2"))
    first, second = judged.results
    assert (first.passed, first.failed, first.not_evaluated) == (0, 0, 2)
    assert first.reason is not None
    assert first.raised
    assert first.reason.startswith("the rule raised LookupError at test_evaluation.py:")
    assert SECRET not in str(judged.results)
    assert second == RuleResult("OUR2", 0, 2, 0)
    assert len(judged.findings) == 2


def test_a_rule_that_gives_something_else_is_not_evaluated() -> None:
    judged = run(take(make_key()), make_rule(lambda snapshot, parameters: None))
    assert judged.results[0].not_evaluated == 1


def test_every_key_passes_fails_or_is_not_evaluated() -> None:
    keys = [make_key() for _ in range(5)]
    verdict = Verdict([Hit("a", keys[0]), Hit("b", keys[0], about="b"), Hit("c", keys[1])], 1, "silence")
    judged = run(take(*keys), make_rule(lambda s, p: verdict))
    assert judged.results == (RuleResult("OUR1", 2, 2, 1, "silence"),)
    assert len({finding.fingerprint for finding in judged.findings}) == 3


def test_an_organization_counts_once_whatever_is_found_in_it() -> None:
    rule = make_rule(
        lambda s, p: Verdict([Hit("a", about="1"), Hit("b", about="2")]), scope=Scope.ORGANIZATION
    )
    judged = run(take(make_key()), rule)
    assert judged.results == (RuleResult("OUR1", 0, 1, 0),)
    assert len({finding.fingerprint for finding in judged.findings}) == 2


def test_rules_that_are_off_or_judged_elsewhere_say_nothing() -> None:
    off = make_rule(lambda s, p: Verdict([Hit("a")]), enabled=False)
    assert run(take(make_key()), off, make_rule(None, id="OUR2")) == Judgement((), ())


def test_the_worst_come_first() -> None:
    keys = [make_key() for _ in range(3)]
    hits = [Hit("a", keys[0]), Hit("b", keys[1], Severity.CRITICAL), Hit("c", keys[2], Severity.MEDIUM)]
    judged = run(take(*keys), make_rule(lambda s, p: Verdict(hits)))
    assert [finding.severity for finding in judged.findings] == [
        Severity.CRITICAL,
        Severity.MEDIUM,
        Severity.LOW,
    ]


def test_a_message_is_printable_and_of_one_line() -> None:
    verdict = Verdict([Hit("a\n\x1b[31mb\u202e" + "x" * 500)], 1, "c\nd")
    judged = run(take(make_key()), make_rule(lambda s, p: verdict))
    assert judged.findings[0].message.startswith("a [31mb x")
    assert len(judged.findings[0].message) == 200
    assert judged.results[0].reason == "c d"


def test_the_auditors_own_keys_are_marked() -> None:
    own, named, other = make_key(suffix="OwnKey"), make_key(), make_key(suffix="")
    rule = make_rule(lambda s, p: Verdict([Hit("a", key) for key in s.keys]))
    judged = run(take(own, named, other, own_suffix="OwnKey"), rule, own_keys=frozenset({named.id}))
    assert {finding.key: finding.is_own_key for finding in judged.findings} == {
        own: True,
        named: True,
        other: False,
    }
    unknown = run(take(other, own_suffix=""), rule)
    assert not unknown.findings[0].is_own_key


def test_a_fingerprint_is_of_rule_organization_and_key_and_of_nothing_that_changes() -> None:
    key = make_key()
    rule = make_rule(lambda s, p: Verdict([Hit(f"{len(s.keys)} keys", key)]))
    first = run(take(key), rule).findings[0]
    later = run(take(key, make_key()), rule).findings[0]
    assert first.fingerprint == later.fingerprint == fingerprint("OUR1", ORGANIZATION, key.id)
    assert first.message != later.message


def make_finding(**fields: object) -> Finding:
    values = {
        "rule": "AK001",
        "title": "t",
        "severity": Severity.LOW,
        "organization_id": ORGANIZATION,
        "message": "m",
    }
    return Finding(**{**values, "fingerprint": "f", **fields})


def suppress(
    *findings: Finding, today: date = date(2026, 6, 15), **fields: object
) -> tuple[list[bool], list[str]]:
    values = {
        "reason": "yearly",
        "owner": "finance",
        "expires": date(2026, 6, 15),
        "place": "suppressions #1",
    }
    suppressor = Suppressor((Suppression(**{**values, **fields}),), today)
    return [one.suppressed is not None for one in mute(findings, suppressor)], suppressor.notes()


def test_a_suppression_mutes_through_its_last_day_and_says_who_and_why() -> None:
    values = {"reason": "yearly", "owner": "finance", "expires": date(2026, 6, 15)}
    (finding,) = mute((make_finding(),), Suppressor((Suppression(rule="AK001", **values),), AT.date()))
    assert finding.suppressed == "yearly (finance, until 2026-06-15)"
    muted, notes = suppress(make_finding(), rule="AK001", today=date(2026, 6, 16))
    assert muted == [False]
    assert notes == [
        "suppressions #1 expired on 2026-06-15: yearly (finance, until 2026-06-15); renew or remove it"
    ]


def test_a_suppression_is_exact_unless_it_says_glob() -> None:
    key = make_key(name="year-end-1")
    findings = make_finding(key=key), make_finding(rule="AK002"), make_finding(organization_id=UUID(int=7))
    assert suppress(*findings, rule="AK001")[0] == [True, False, True]
    assert suppress(*findings, rule="glob:AK00?")[0] == [True, True, True]
    assert suppress(*findings, key=str(key.id))[0] == [True, False, False]
    assert suppress(*findings, key="glob:year-*")[0] == [True, False, False]
    assert suppress(*findings, key="glob:*-day-*")[0] == [False, False, False]
    assert suppress(*findings, organization=str(UUID(int=7)))[0] == [False, False, True]
    assert suppress(*findings, organization="glob:*0007", rule="AK001")[0] == [False, False, True]


def test_a_suppression_that_meets_nothing_is_told_and_one_that_does_is_not() -> None:
    assert suppress(make_finding(), rule="AK001")[1] == []
    assert suppress(make_finding(), rule="AK002")[1] == [
        "suppressions #1 met no finding: yearly (finance, until 2026-06-15); is it still needed?"
    ]


def test_findings_that_nothing_mutes_are_handed_on_as_they_are() -> None:
    findings = (make_finding(),)
    assert mute(findings, Suppressor((), AT.date())) is findings
    elsewhere = Suppression(organization=str(UUID(int=9)), reason="r", owner="o", expires=AT.date() + days(1))
    assert mute(findings, Suppressor((elsewhere,), AT.date())) is findings
