from __future__ import annotations

import asyncio
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from accesskeys_async.audit import Policy, RuleChange, Severity, Suppression, Unreadable
from accesskeys_async.audit.history import History, HistoryError, NotCompared, UnknownRunError
from accesskeys_async.errors import ConfigurationError, InvalidRequestError
from tests.unit.audit.history.fleet import ACME, DAY, FORBIDDEN, GLOBEX, Fleet, T, make_key, rules_of

pytestmark = pytest.mark.slow

UNUSED = {"last_used_at": T - 50 * DAY, "created_at": T - 60 * DAY}


async def test_a_finding_is_new_then_unchanged_then_fixed_then_reopened(fleet: Fleet) -> None:
    key = make_key(1)
    fleet.keys[ACME] = [key]
    clean, _ = await fleet.audit(T)
    unused = fleet.change(key, **UNUSED)
    begun, _ = await fleet.audit(T + DAY)
    going_on, _ = await fleet.audit(T + 2 * DAY)
    used = fleet.change(unused, last_used_at=T + 2 * DAY)
    fixed, _ = await fleet.audit(T + 3 * DAY)
    fleet.change(used, **UNUSED)
    again, _ = await fleet.audit(T + 4 * DAY)
    compare = fleet.history.compare

    def of_unused(findings: object) -> list[str]:
        return [one.rule for one in findings if one.rule == "AK001"]  # type: ignore[attr-defined]

    assert of_unused((await compare(clean, begun)).new) == ["AK001"]
    assert (await compare(begun, going_on)).unchanged == 1
    assert of_unused((await compare(going_on, fixed)).fixed) == ["AK001"]
    last = await compare(fixed, again)
    assert (of_unused(last.reopened), of_unused(last.new), of_unused(last.fixed)) == (["AK001"], [], [])
    assert of_unused((await compare(begun, again)).fixed) == []


async def test_a_diff_describes_each_finding_and_when_it_was_opened(fleet: Fleet) -> None:
    fleet.keys[ACME] = []
    before, _ = await fleet.audit(T)
    fleet.keys[ACME] = [make_key(1, name="crön\u202e\x00job\ud800", **UNUSED)]
    policy = Policy(rules={"AK102": RuleChange(enabled=False)})
    await fleet.audit(T + DAY, policy=policy)
    after, _ = await fleet.audit(T + 2 * DAY, policy=policy)

    [finding] = (await fleet.history.compare(before, after)).new

    assert (finding.rule, finding.severity, finding.organization_id) == ("AK001", Severity.HIGH, ACME)
    assert (finding.key_id, finding.key_name) == (UUID(int=1), "crön job")
    assert finding.open_since == T + DAY
    assert finding.message.startswith("last used 51 days ago")
    assert not finding.suppressed


async def test_a_change_of_severity_leaves_a_finding_unchanged_and_is_counted_in_each_run(
    fleet: Fleet,
) -> None:
    fleet.keys[ACME] = []
    empty, _ = await fleet.audit(T - DAY)
    fleet.keys[ACME] = [make_key(1, created_at=T - 170 * DAY)]
    medium, _ = await fleet.audit(T)
    high, _ = await fleet.audit(T + 15 * DAY)
    fleet.keys[ACME] = []
    gone, _ = await fleet.audit(T + 16 * DAY)

    def severity(findings: object) -> list[Severity]:
        return [one.severity for one in findings if one.rule == "AK003"]  # type: ignore[attr-defined]

    between = await fleet.history.compare(medium, high)
    assert (between.unchanged, severity(between.new), severity(between.fixed)) == (1, [], [])
    assert severity((await fleet.history.compare(empty, medium)).new) == [Severity.MEDIUM]
    assert severity((await fleet.history.compare(empty, high)).new) == [Severity.HIGH]
    assert severity((await fleet.history.compare(medium, gone)).fixed) == [Severity.MEDIUM]
    assert severity((await fleet.history.compare(high, gone)).fixed) == [Severity.HIGH]


async def test_a_diff_has_keys_that_appeared_or_are_gone_or_edited_but_not_uses(fleet: Fleet) -> None:
    one, two, three = (make_key(number) for number in (1, 2, 3))
    fleet.keys[ACME] = [one, two, three]
    before, _ = await fleet.audit(T)
    used = fleet.change(one, last_used_at=T, updated_at=T)
    edited = fleet.change(two, description="another", last_used_at=T)
    four = make_key(4)
    fleet.keys[ACME] = [four, edited, used]
    after, _ = await fleet.audit(T + DAY)

    diff = await fleet.history.compare(before, after)

    assert (diff.appeared, diff.gone, diff.edited) == ((four,), (three,), ((two, edited),))


async def test_only_organizations_read_completely_in_both_runs_are_compared(fleet: Fleet) -> None:
    fleet.keys = {ACME: [make_key(1, **UNUSED)], GLOBEX: [make_key(2, GLOBEX)]}
    before, _ = await fleet.audit(T)
    fleet.keys = {ACME: FORBIDDEN, UUID(int=7): []}
    after, audits = await fleet.audit(T + DAY)

    diff = await fleet.history.compare(before, after)

    assert (diff.compared, diff.new, diff.fixed, diff.gone) == (0, (), (), ())
    assert diff.not_compared == (
        NotCompared(UUID(int=7), "not in the earlier run"),
        NotCompared(GLOBEX, "not in the later run"),
        NotCompared(ACME, "not read completely in the later run: permission"),
    )
    assert rules_of(audits[ACME]) == ["AK109"]


async def test_a_finding_stays_open_if_its_organization_cannot_be_read(fleet: Fleet) -> None:
    keys = [make_key(1, **UNUSED)]
    fleet.keys[ACME] = keys
    first, _ = await fleet.audit(T)
    fleet.keys[ACME] = Unreadable("timeout", "no answer")
    await fleet.audit(T + DAY)
    fleet.keys[ACME] = keys
    last, _ = await fleet.audit(T + 2 * DAY)

    diff = await fleet.history.compare(first, last)

    assert (diff.new, diff.fixed, diff.reopened, diff.unchanged) == ((), (), (), 1)
    [_, blind, seen] = await fleet.history.trend()
    assert (blind.new, blind.fixed) == (1, 0)
    assert (seen.new, seen.fixed) == (0, 1)


async def test_a_suppressed_finding_is_marked(fleet: Fleet) -> None:
    fleet.keys[ACME] = []
    before, _ = await fleet.audit(T)
    fleet.keys[ACME] = [make_key(1, **UNUSED)]
    mute = Suppression(rule="glob:AK*", reason="known", owner="ops", expires=date(2027, 1, 1))
    after, _ = await fleet.audit(T + DAY, policy=Policy(suppressions=(mute,)))
    louder, _ = await fleet.audit(T + 2 * DAY)

    assert {one.suppressed for one in (await fleet.history.compare(before, after)).new} == {True}
    assert {one.suppressed for one in (await fleet.history.compare(before, louder)).new} == {False}


async def test_a_trend_has_the_finished_runs_oldest_first(fleet: Fleet) -> None:
    key = make_key(1, **UNUSED)
    fleet.keys = {ACME: [key, make_key(2)], GLOBEX: FORBIDDEN}
    first, _ = await fleet.audit(T)
    async with fleet.history.begin(Policy(), started_at=T + DAY) as unfinished:
        pass
    fleet.change(key, last_used_at=T + DAY)
    last, _ = await fleet.audit(T + 2 * DAY)

    trend = await fleet.history.trend()

    assert [run.number for run in trend] == [first, last] == [1, 3]
    assert (trend[0].organizations, trend[0].unreadable, trend[0].keys, trend[0].elapsed) == (2, 1, 2, 1.5)
    assert (trend[0].coverage, trend[0].by_severity) == (0.5, ((Severity.HIGH, 1),))
    assert (trend[0].new, trend[0].fixed, trend[0].reopened) == (0, 0, 0)
    assert (trend[1].new, trend[1].fixed, trend[1].reopened) == (0, 1, 0)
    assert [run.number for run in await fleet.history.trend(last=1)] == [last]
    assert [run.number for run in await fleet.history.trend(since=T + DAY)] == [last]
    runs = await fleet.history.runs()
    assert [run.number for run in runs] == [first, unfinished.number, last]
    assert [run.is_finished for run in runs] == [True, False, True]
    assert runs[1].coverage == 1.0


async def test_unknown_or_swapped_runs_are_refused(fleet: Fleet) -> None:
    first, _ = await fleet.audit(T)
    second, _ = await fleet.audit(T + DAY)

    with pytest.raises(UnknownRunError, match=r"no run 999"):
        await fleet.history.compare(first, 999)
    with pytest.raises(InvalidRequestError, match=r"swap them"):
        await fleet.history.compare(second, first)
    with pytest.raises(InvalidRequestError, match=r"swap them"):
        await fleet.history.compare(first, first)
    with pytest.raises(InvalidRequestError, match=r"takes 1 or more"):
        await fleet.history.trend(last=0)


async def test_prune_keeps_the_reading_that_the_next_audit_is_compared_with(fleet: Fleet) -> None:
    key = make_key(1, **UNUSED)
    fleet.keys = {ACME: [key], GLOBEX: [make_key(2, GLOBEX, **UNUSED)]}
    old, _ = await fleet.audit(T)
    del fleet.keys[GLOBEX]
    fleet.change(key, last_used_at=T)
    middle, _ = await fleet.audit(T + 30 * DAY)
    late, _ = await fleet.audit(T + 60 * DAY)

    assert await fleet.history.prune(T + 45 * DAY) == 2

    assert [run.number for run in await fleet.history.runs()] == [old, late]
    with pytest.raises(UnknownRunError):
        await fleet.history.compare(middle, late)
    fleet.keys[GLOBEX] = []
    last, audits = await fleet.audit(T + 61 * DAY)
    assert rules_of(audits[GLOBEX]) == ["AK103"]
    diff = await fleet.history.compare(old, last)
    assert {one.rule for one in diff.fixed if one.organization_id == GLOBEX} == {"AK001"}
    assert diff.compared == 1


async def test_prune_deletes_findings_that_were_fixed_before(fleet: Fleet) -> None:
    key = make_key(1, **UNUSED)
    fleet.keys[ACME] = [key]
    await fleet.audit(T)
    used = fleet.change(key, last_used_at=T)
    await fleet.audit(T + DAY)
    kept, _ = await fleet.audit(T + 2 * DAY)
    await fleet.history.prune(T + 2 * DAY)
    fleet.change(used, **UNUSED)
    last, _ = await fleet.audit(T + 3 * DAY)

    diff = await fleet.history.compare(kept, last)

    assert "AK001" in {one.rule for one in diff.new}
    assert diff.reopened == ()


async def test_prune_keeps_readings_after_the_last_complete_one(fleet: Fleet) -> None:
    fleet.keys = {ACME: [make_key(1)], GLOBEX: FORBIDDEN}
    await fleet.audit(T)
    fleet.keys[ACME] = FORBIDDEN
    blind, _ = await fleet.audit(T + DAY)
    await fleet.history.prune(T + 20 * DAY)
    _, audits = await fleet.audit(T + 32 * DAY)
    fleet.keys[ACME] = [make_key(1)]
    seen, _ = await fleet.audit(T + 33 * DAY)
    again, _ = await fleet.audit(T + 34 * DAY)

    assert [one.severity for one in audits[ACME].findings] == [Severity.CRITICAL]
    assert blind in [run.number for run in await fleet.history.runs()]
    assert (await fleet.history.compare(seen, again)).unchanged == 0
    [*_, last, _] = await fleet.history.trend()
    assert (last.number, last.fixed) == (seen, 1)


async def test_prune_without_old_readings_deletes_nothing(fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(1, **UNUSED)]
    first, _ = await fleet.audit(T)
    second, _ = await fleet.audit(T + DAY)

    assert await fleet.history.prune(T) == 0

    assert (await fleet.history.compare(first, second)).unchanged == 1


async def test_two_audits_may_write_at_the_same_time(place: str, fleet: Fleet) -> None:
    fleet.keys[ACME] = [make_key(number) for number in range(1, 30)]
    async with History(place) as second:
        other = Fleet(second)
        other.keys[GLOBEX] = [make_key(number, GLOBEX) for number in range(1, 30)]
        starts = [T + timedelta(minutes=minute) for minute in range(10)]
        audits = (one.audit(at) for at, one in zip(starts, [fleet, other] * 5, strict=True))
        runs = await asyncio.gather(*audits)

    assert len({number for number, _ in runs}) == 10
    assert sum(run.keys for run in await fleet.history.trend()) == 290


async def test_an_invalid_url_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigurationError, match=r"the history's URL begins with 'ftp'") as caught:
        History("ftp://user:hunter2@host/database")
    assert "hunter2" not in str(caught.value)


async def test_a_history_that_is_not_open_raises(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"use `async with`"):
        await History(tmp_path / "history.sqlite").runs()


async def test_a_path_where_no_file_can_be_created_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match=r"can't be opened: No such file"):
        async with History(tmp_path / "missing" / "history.sqlite"):
            pass


def test_the_repr_has_the_database_and_no_password() -> None:
    shown = repr(History("postgresql://user:hunter2@host/database"))
    assert "hunter2" not in shown
    assert "user" in shown


async def test_a_history_of_a_later_release_is_refused(place: str, history: History) -> None:
    driver = place.replace("sqlite:", "sqlite+aiosqlite:").replace("postgresql:", "postgresql+asyncpg:")
    engine = create_async_engine(driver)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE accesskeys_history SET version = 99"))
    await engine.dispose()

    with pytest.raises(HistoryError, match=r"the history is of version 99"):
        async with History(place):
            pass


async def test_a_history_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    async with History(tmp_path / "history.sqlite"):
        pass
    assert (tmp_path / "history.sqlite").stat().st_mode & 0o777 == 0o600
