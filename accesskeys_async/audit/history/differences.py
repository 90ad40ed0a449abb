"""The changes of findings and keys between two runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Row, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from accesskeys_async.audit.history.history_tables import FINDINGS, PARTS, READINGS
from accesskeys_async.audit.history.records import Diff, NotCompared, PastFinding, PastRun
from accesskeys_async.audit.history.stored_keys import NOT_STORED, load_keys, load_rules
from accesskeys_async.audit.records import Severity
from accesskeys_async.audit.rules.key_changes import compare_keys
from accesskeys_async.audit.rules.role_changes import are_roles_edited
from accesskeys_async.records import AccessKey

CHUNK_ORGANIZATIONS: Final = 50  # organizations whose keys are in memory at the same time
_Edits: TypeAlias = list[tuple[AccessKey, AccessKey]]


async def compare_runs(connection: AsyncConnection, earlier: PastRun, later: PastRun) -> Diff:
    """Compare two runs in the organizations that both read completely."""
    before = await _find_readings(connection, earlier)
    after = await _find_readings(connection, later)
    not_compared = _find_not_compared(before, after)
    left_out = {one.organization_id for one in not_compared}
    compared = sorted((one for one in before.keys() & after.keys() if one not in left_out), key=_order)
    appeared, gone, edited = await _compare_keys(connection, compared, before, after)
    new, reopened = await _find_new(connection, earlier, later)
    return Diff(
        earlier=earlier,
        later=later,
        new=new,
        fixed=await _find_fixed(connection, earlier, later),
        reopened=reopened,
        unchanged=await _count_unchanged(connection, earlier, later),
        appeared=tuple(appeared),
        gone=tuple(gone),
        edited=tuple(edited),
        compared=len(compared),
        not_compared=not_compared,
    )


def _order(organization_id: UUID) -> int:
    return organization_id.int


async def _find_readings(connection: AsyncConnection, run: PastRun) -> dict[UUID, Row[Any]]:
    rows = await connection.execute(select(READINGS).where(READINGS.c.run_id == run.number))
    return {row.organization_id: row for row in rows}


def _find_not_compared(
    before: Mapping[UUID, Row[Any]], after: Mapping[UUID, Row[Any]]
) -> tuple[NotCompared, ...]:
    found: list[NotCompared] = []
    for organization_id in sorted(before.keys() | after.keys(), key=_order):
        reasons: list[str] = []
        for run, readings in (("the earlier run", before), ("the later run", after)):
            row = readings.get(organization_id)
            if row is None:
                reasons.append(f"not in {run}")
            elif row.identities is None:
                reasons.append(f"not read completely in {run}: {row.unreadable}")
        if reasons:
            found.append(NotCompared(organization_id, "; ".join(reasons)))
    return tuple(found)


async def _compare_keys(
    connection: AsyncConnection,
    organizations: Sequence[UUID],
    before: Mapping[UUID, Row[Any]],
    after: Mapping[UUID, Row[Any]],
) -> tuple[list[AccessKey], list[AccessKey], _Edits]:
    appeared: list[AccessKey] = []
    gone: list[AccessKey] = []
    edited: _Edits = []
    differing = [one for one in organizations if not _are_same(before[one], after[one])]
    for start in range(0, len(differing), CHUNK_ORGANIZATIONS):
        chunk = differing[start : start + CHUNK_ORGANIZATIONS]
        numbers = {
            number for one in chunk for row in (before[one], after[one]) for number in _part_numbers(row)
        }
        query = select(PARTS.c.id, PARTS.c.body).where(PARTS.c.id.in_(numbers))
        bodies = {row.id: row.body for row in await connection.execute(query)}
        for one in chunk:
            old, new = (
                load_keys(one, *(bodies.get(number, NOT_STORED) for number in _part_numbers(row)))
                for row in (before[one], after[one])
            )
            added, removed, changed = compare_keys(old, new)
            appeared += added
            gone += removed
            edited += (pair for pair in changed if _is_edited(*pair))
    return appeared, gone, edited


def _part_numbers(reading: Row[Any]) -> tuple[int, int, int | None]:
    """Return the numbers of a reading's parts."""
    return reading.identities, reading.uses, reading.roles


def _are_same(before: Row[Any], after: Row[Any]) -> bool:
    """Return whether two readings have the same keys with the same roles, ignoring when keys were used."""
    return (before.identities, before.roles) == (after.identities, after.roles)


def _is_edited(before: AccessKey, after: AccessKey) -> bool:
    return _identity(before) != _identity(after) or are_roles_edited(before, after)


def _identity(key: AccessKey) -> tuple[object, ...]:
    return key.name, key.suffix, key.created_at, key.type, key.description, key.role_ids


def _is_open_at(findings: FromClause, reading: FromClause) -> ColumnElement[bool]:
    columns = findings.c
    return and_(columns.opened <= reading.c.id, or_(columns.closed.is_(None), columns.closed > reading.c.id))


def _join(earlier: PastRun, later: PastRun) -> tuple[FromClause, FromClause, ColumnElement[bool]]:
    """Return the readings of both runs, and the condition that joins them to a finding's organization."""
    before, after = READINGS.alias("before"), READINGS.alias("after")
    condition = and_(
        before.c.run_id == earlier.number,
        after.c.run_id == later.number,
        before.c.identities.is_not(None),
        after.c.identities.is_not(None),
        before.c.organization_id == FINDINGS.c.organization_id,
        after.c.organization_id == FINDINGS.c.organization_id,
    )
    return before, after, condition


def _has_another(reading: FromClause) -> ColumnElement[bool]:
    other = FINDINGS.alias("other")
    return exists().where(_is_same(other), _is_open_at(other, reading))


def _is_same(other: FromClause) -> ColumnElement[bool]:
    return and_(
        other.c.organization_id == FINDINGS.c.organization_id, other.c.fingerprint == FINDINGS.c.fingerprint
    )


async def _find_new(
    connection: AsyncConnection, earlier: PastRun, later: PastRun
) -> tuple[tuple[PastFinding, ...], tuple[PastFinding, ...]]:
    before, after, condition = _join(earlier, later)
    older = FINDINGS.alias("older")
    was_before = exists().where(_is_same(older), older.c.closed <= before.c.id).label("was_before")
    rows: Sequence[Row[Any]] = (
        await connection.execute(
            select(FINDINGS, was_before).where(condition, _is_open_at(FINDINGS, after), ~_has_another(before))
        )
    ).all()
    # If the earlier run did not evaluate the rule, the finding may have been there: it is not new.
    evaluated = await _find_rules(connection, earlier) if rows else {}
    rows = [row for row in rows if row.rule in evaluated.get(row.organization_id, (row.rule,))]
    return (
        _make_findings(row for row in rows if not row.was_before),
        _make_findings(row for row in rows if row.was_before),
    )


async def _find_rules(connection: AsyncConnection, run: PastRun) -> dict[UUID, frozenset[str]]:
    """Return the rules that a run evaluated in each organization, if they were stored."""
    table = READINGS.c
    rows = await connection.execute(
        select(table.organization_id, PARTS.c.body)
        .join(PARTS, PARTS.c.id == table.rules)
        .where(table.run_id == run.number)
    )
    return {row.organization_id: load_rules(row.body) for row in rows}


async def _find_fixed(
    connection: AsyncConnection, earlier: PastRun, later: PastRun
) -> tuple[PastFinding, ...]:
    before, after, condition = _join(earlier, later)
    query = select(FINDINGS).where(condition, _is_open_at(FINDINGS, before), ~_has_another(after))
    return _make_findings(await connection.execute(query))


async def _count_unchanged(connection: AsyncConnection, earlier: PastRun, later: PastRun) -> int:
    before, after, condition = _join(earlier, later)
    query = (
        select(func.count())
        .select_from(FINDINGS, before, after)
        .where(condition, _is_open_at(FINDINGS, after), _has_another(before))
    )
    count: int = (await connection.execute(query)).scalar_one()
    return count


def _make_findings(rows: Iterable[Row[Any]]) -> tuple[PastFinding, ...]:
    # Sorted here, because databases differ in how they order text.
    found = [
        PastFinding(
            rule=row.rule,
            title=row.title,
            severity=Severity(row.severity),
            organization_id=row.organization_id,
            fingerprint=row.fingerprint,
            message=row.message,
            open_since=row.since,
            key_id=row.key_id,
            key_name=row.key_name,
            suppressed=row.suppressed,
        )
        for row in rows
    ]
    found.sort(key=lambda one: (-one.severity, one.rule, one.organization_id.int, one.fingerprint))
    return tuple(found)
