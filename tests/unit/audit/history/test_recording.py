from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from accesskeys_async.audit import OrganizationAudit, Policy, RuleChange, Severity, Snapshot, Subject
from accesskeys_async.audit.history import History, HistoryError
from accesskeys_async.audit.history import recording as recording_module
from accesskeys_async.records import UNSET
from tests.unit.audit.history.fleet import ACME, DAY, FORBIDDEN, GLOBEX, Fleet, T, make_key, rules_of

pytestmark = pytest.mark.slow


def _results(audited: OrganizationAudit) -> dict[str, tuple[int, int, int]]:
    return {
        result.rule: (result.passed, result.failed, result.not_evaluated)
        for result in audited.results
        if result.rule.startswith("AK1")
    }


async def test_without_an_earlier_reading_no_key_passes_a_rule_about_changes(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1), make_key(2)]
    _, audits = await fleet.audit(T)

    assert rules_of(audits[ACME]) == []
    assert _results(audits[ACME]) == {
        **{f"AK10{number}": (0, 0, 2) for number in range(1, 8)},
        "AK108": (0, 0, 0),
        "AK109": (1, 0, 0),
        **{f"AK11{number}": (0, 0, 2) for number in range(2)},
    }
    assert {one.reason for one in audits[ACME].results if one.rule == "AK101"} == {
        "the history has no complete earlier reading of this organization"
    }


async def test_each_change_since_the_last_complete_reading_is_found(fleet: Fleet) -> None:
    asleep = make_key(1, created_at=T - 100 * DAY, last_used_at=T - 95 * DAY)
    gone, fixed, edited, backwards = (make_key(number) for number in (2, 3, 4, 5))
    fleet.keys[ACME] = [asleep, gone, fixed, edited, backwards, make_key(6)]
    await fleet.audit(T)
    fleet.keys[ACME].remove(gone)
    fleet.change(asleep, last_used_at=T)
    fleet.change(fixed, suffix="zzzzzz")
    fleet.change(edited, name="another name")
    fleet.change(backwards, last_used_at=T - 2 * DAY)
    fleet.keys[ACME].append(make_key(7, created_at=T))

    _, audits = await fleet.audit(T + DAY)

    found = {one.rule: one for one in audits[ACME].findings if one.rule.startswith("AK1")}
    assert {rule: one.key and one.key.id.int for rule, one in found.items()} == {
        "AK101": 1,
        "AK102": 7,
        "AK103": 2,
        "AK104": 3,
        "AK105": 5,
        "AK106": 4,
    }
    assert _results(audits[ACME]) == {
        "AK101": (4, 1, 0),
        "AK102": (5, 1, 0),
        "AK103": (5, 1, 0),
        "AK104": (4, 1, 0),
        "AK105": (4, 1, 0),
        "AK106": (4, 1, 0),
        "AK107": (5, 0, 1),
        "AK108": (len(audits[ACME].findings), 0, 0),
        "AK109": (1, 0, 0),
        "AK110": (5, 0, 0),
        "AK111": (5, 0, 0),
    }
    severities = [one.severity for one in audits[ACME].findings]
    assert severities == sorted(severities, reverse=True)


async def test_a_change_is_found_once(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1)]
    await fleet.audit(T)
    fleet.keys[ACME].append(make_key(2))
    _, told = await fleet.audit(T + DAY)
    _, quiet = await fleet.audit(T + 2 * DAY)

    assert (rules_of(told[ACME]), rules_of(quiet[ACME])) == (["AK102"], [])


async def test_keys_of_rotations_may_appear_and_be_deleted(fleet: Fleet) -> None:
    old, new = make_key(1), make_key(2)
    fleet.keys[ACME] = [old]
    await fleet.audit(T)
    fleet.keys[ACME] = [new]

    _, audits = await fleet.audit(T + DAY, known_keys=[old.id, new.id])

    assert rules_of(audits[ACME]) == []


async def test_a_key_created_after_one_reading_and_gone_two_later_was_short_lived(fleet: Fleet) -> None:
    fleet.keys[ACME] = []
    await fleet.audit(T)
    fleet.keys[ACME] = [make_key(1, created_at=T + timedelta(hours=3))]
    await fleet.audit(T + DAY)
    fleet.keys[ACME] = []

    _, audits = await fleet.audit(T + 2 * DAY)

    assert rules_of(audits[ACME]) == ["AK103", "AK107"]


async def test_an_incomplete_reading_is_skipped(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1)]
    await fleet.audit(T)
    fleet.keys[ACME] = FORBIDDEN
    _, blind = await fleet.audit(T + DAY)
    fleet.keys[ACME] = [make_key(1), make_key(2)]
    _, audits = await fleet.audit(T + 2 * DAY)

    assert rules_of(blind[ACME]) == ["AK109"]
    [finding] = blind[ACME].findings
    assert finding.message == "was read on 2026-11-01, but can't be read now: permission"
    assert rules_of(audits[ACME]) == ["AK102"]


async def test_an_organization_that_was_never_read_is_not_evaluated(fleet: Fleet) -> None:
    fleet.keys[ACME] = FORBIDDEN
    await fleet.audit(T)
    _, audits = await fleet.audit(T + DAY)

    assert audits[ACME].findings == ()
    assert _results(audits[ACME]) == {"AK109": (0, 0, 1)}


async def test_a_finding_open_for_too_long_is_raised_by_one_severity(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1, created_at=T - 60 * DAY, last_used_at=T - 50 * DAY)]
    await fleet.audit(T)
    _, on_time = await fleet.audit(T + 30 * DAY)
    _, late = await fleet.audit(T + 30 * DAY + timedelta(seconds=1))

    def unused(audits: dict[UUID, OrganizationAudit]) -> tuple[Severity, str]:
        return next((one.severity, one.message) for one in audits[ACME].findings if one.rule == "AK001")

    assert unused(on_time)[0] is Severity.HIGH
    severity, message = unused(late)
    assert severity is Severity.CRITICAL
    assert message.endswith("; open for 30 days, to be fixed within 30")
    assert _results(late[ACME])["AK108"][1] == 1


async def test_time_to_fix_continues_after_a_raise_and_while_unreadable(
    fleet: Fleet,
) -> None:
    fleet.keys[ACME] = [make_key(1)]
    await fleet.audit(T)
    fleet.keys[ACME] = FORBIDDEN
    nights = [await fleet.audit(T + days * DAY) for days in (1, 31, 32, 33)]

    severities = [audits[ACME].findings[0].severity for _, audits in nights]

    assert severities == [Severity.HIGH, Severity.HIGH, Severity.CRITICAL, Severity.CRITICAL]


async def test_an_unreadable_organization_is_not_raised_if_time_to_fix_is_off(fleet: Fleet) -> None:
    patient = Policy(rules={"AK108": RuleChange(enabled=False)})
    fleet.keys[ACME] = [make_key(1)]
    await fleet.audit(T)
    fleet.keys[ACME] = FORBIDDEN
    await fleet.audit(T + DAY)
    _, audits = await fleet.audit(T + 90 * DAY, policy=patient)

    assert [one.severity for one in audits[ACME].findings] == [Severity.HIGH]


async def test_the_last_record_of_an_organization_is_stored(fleet: Fleet) -> None:
    subject = Subject(ACME)
    async with fleet.history.begin(Policy(), started_at=T) as recording:
        await recording.record(OrganizationAudit(subject, T, (make_key(1),)))
        await recording.record(OrganizationAudit(subject, T, (make_key(2),)))
    fleet.keys[ACME] = [make_key(2)]
    _, audits = await fleet.audit(T + DAY)

    assert rules_of(audits[ACME]) == []


async def test_disabled_rules_find_nothing(fleet: Fleet) -> None:
    off = {f"AK{number}": RuleChange(enabled=False) for number in range(101, 112)}
    policy = Policy(rules=off)
    fleet.keys = {ACME: [make_key(1)], GLOBEX: [make_key(1, GLOBEX)]}
    await fleet.audit(T, policy=policy)
    fleet.keys = {ACME: [], GLOBEX: FORBIDDEN}
    _, audits = await fleet.audit(T + DAY, policy=policy)

    assert (_results(audits[ACME]), _results(audits[GLOBEX])) == ({}, {})
    assert audits[ACME].findings == audits[GLOBEX].findings == ()


async def test_a_stopped_run_resumes_and_finds_the_same(fleet: Fleet) -> None:
    key = make_key(1)
    fleet.keys = {ACME: [key], GLOBEX: [make_key(2, GLOBEX)]}
    before, _ = await fleet.audit(T)
    fleet.change(key, name="temporary name", created_at=T - 60 * DAY, last_used_at=T - 50 * DAY)
    async with fleet.history.begin(Policy(), started_at=T + DAY) as stopped:
        first = await fleet.audit_one(stopped, ACME, T + DAY)

    resumed, audits = await fleet.audit(T + DAY)

    assert resumed == stopped.number
    assert audits[ACME] == first
    diff = await fleet.history.compare(before, resumed)
    assert sorted(one.rule for one in diff.new) == rules_of(first)
    [_, run] = await fleet.history.trend()
    assert run.new == len(first.findings)


async def test_a_finished_run_is_not_resumed(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1)]
    first, _ = await fleet.audit(T)
    second, _ = await fleet.audit(T)
    assert first != second


async def test_a_reading_older_than_a_stored_one_is_left_out(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1)]
    await fleet.audit(T + DAY)
    fleet.keys[ACME] = []
    async with fleet.history.begin(Policy(), started_at=T) as late:
        audited = await fleet.audit_one(late, ACME, T)

    assert rules_of(audited) == []
    assert {one.reason for one in audited.results if one.rule == "AK103"} == {
        "the history has a newer reading of this organization"
    }
    assert late.left_out == 1
    fleet.keys[ACME] = [make_key(1)]
    _, audits = await fleet.audit(T + 2 * DAY)
    assert rules_of(audits[ACME]) == []


async def test_the_auditors_own_keys_are_marked(history: History) -> None:
    policy = Policy(own_keys=frozenset({UUID(int=2)}))
    subject = Subject(ACME)
    for day, keys in enumerate(((), (make_key(1), make_key(2), make_key(3)))):
        at = T + day * DAY
        async with history.begin(policy, started_at=at) as recording:
            snapshot = Snapshot(subject, at, keys, own_suffix="sfx001")
            audited = OrganizationAudit(subject, at, keys)
            audited = await recording.enrich(audited, snapshot, policy.settle(subject))
            await recording.record(audited)

    own = {one.key.id.int: one.is_own_key for one in audited.findings if one.key is not None}
    assert own == {1: True, 2: True, 3: False}


async def test_a_result_that_was_not_enriched_can_be_recorded(fleet: Fleet) -> None:
    audited = OrganizationAudit(Subject(ACME), T, (make_key(1, description=UNSET),))
    async with fleet.history.begin(Policy(), started_at=T) as recording:
        await recording.record(audited)
    fleet.keys[ACME] = [make_key(2)]
    _, audits = await fleet.audit(T + DAY)

    assert rules_of(audits[ACME]) == ["AK102", "AK103"]


async def test_many_buffered_organizations_are_written_together(history: History) -> None:
    count = recording_module.BUFFERED_ORGANIZATIONS
    async with (
        history.begin(Policy(), started_at=T) as recording,
        history.begin(Policy(), started_at=T + DAY) as next_one,
    ):
        for number in range(count + 1):
            subject = Subject(UUID(int=number))
            await recording.record(
                OrganizationAudit(subject, T, (make_key(number, subject.organization_id),))
            )
        written = []
        for number in (0, count):
            subject = Subject(UUID(int=number))
            snapshot = Snapshot(subject, T + DAY, ())
            audited = OrganizationAudit(subject, T + DAY)
            written.append(rules_of(await next_one.enrich(audited, snapshot, Policy().settle(subject))))

    assert written == [["AK103"], []]


async def test_a_large_organization_is_compared_like_a_small_one(fleet: Fleet) -> None:
    keys = [make_key(number) for number in range(1, recording_module.LARGE + 2)]
    fleet.keys[ACME] = keys
    quiet = Policy(rules={"AK010": RuleChange(enabled=False), "AK015": RuleChange(enabled=False)})
    await fleet.audit(T, policy=quiet)
    fleet.change(keys[7], name="another")

    _, audits = await fleet.audit(T + DAY, policy=quiet)

    assert [one.key for one in audits[ACME].findings if one.rule == "AK106"] == [fleet.keys[ACME][7]]


async def test_concurrent_callers_each_get_their_own_value(fleet: Fleet) -> None:
    organizations = [UUID(int=number) for number in range(1, 101)]
    fleet.keys = {one: [make_key(one.int, one)] for one in organizations}
    await fleet.audit(T)
    async with fleet.history.begin(Policy(), started_at=T + DAY) as recording:
        for one in organizations[::2]:
            fleet.keys[one] = []
        audits = await asyncio.gather(*(fleet.audit_one(recording, one, T + DAY) for one in organizations))

    assert [rules_of(one) for one in audits] == [["AK103"], []] * 50


async def test_a_database_failure_fails_each_waiting_caller(fleet: Fleet) -> None:
    fleet.keys = {UUID(int=number): [] for number in range(3)}
    async with fleet.history.begin(Policy(), started_at=T) as recording:
        await fleet.history.aclose()
        errors = await asyncio.gather(
            *(fleet.audit_one(recording, one, T) for one in fleet.keys), return_exceptions=True
        )

    assert [type(one) for one in errors] == [HistoryError] * 3
    assert "is not open" in str(errors[0])
