"""A snapshot judged by every rule that is on: findings, and how many passed."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from pathlib import PurePath
from typing import Final
from uuid import UUID

from attrs import evolve, frozen

from accesskeys_async._contract.fields import format_uuid
from accesskeys_async._fast_attrs import unfrozen_subclass
from accesskeys_async.audit.policies.policy import RuleSetting
from accesskeys_async.audit.policies.suppressions import Suppressor
from accesskeys_async.audit.records import Finding, RuleResult, start_fingerprint
from accesskeys_async.audit.rules.rule import PASSED, Hit, Scope, Verdict
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.errors import one_line

MAX_MESSAGE: Final = 200
_BY_FINGERPRINT: Final = attrgetter("fingerprint")
_RULE_OF: Final = attrgetter("rule")
_BY_SEVERITY: Final = attrgetter("severity")
_OF_KEYS: Final = Scope.KEY  # looking a member up takes longer than many a rule does


@frozen
class Judgement:
    """What all rules together say of one organization."""

    findings: tuple[Finding, ...]
    """The worst first."""
    results: tuple[RuleResult, ...]


_open = unfrozen_subclass(Finding)


def judge(
    snapshot: Snapshot,
    settings: Iterable[RuleSetting],
    *,
    own_keys: frozenset[UUID] = frozenset(),
) -> Judgement:
    """Judge a snapshot by every rule that is on. A rule that raises is not evaluated, and says so."""
    found: dict[str, list[Finding]] = {}
    results: list[RuleResult] = []
    verdicts: dict[str, Verdict] = {}
    for setting in _order(settings):
        rule = setting.rule
        units = len(snapshot.keys) if rule.scope is _OF_KEYS else 1
        try:
            if rule.judge is not None:
                verdict = verdicts[rule.id] = rule.judge(snapshot, setting.parameters)
            else:
                assert rule.combine is not None
                verdict = rule.combine(snapshot, verdicts)
            hits = verdict.hits
            if hits:
                found[rule.id] = make_findings(snapshot, setting, hits, own_keys=own_keys)
        except Exception as error:  # noqa: BLE001 - a rule may be anybody's, and the audit goes on
            results.append(RuleResult(rule.id, not_evaluated=units, reason=_tell(error), raised=True))
        else:
            passed = verdict is PASSED
            results.append(_make_result(rule.id, units) if passed else _count(setting, verdict, units))
    findings: list[Finding] = []
    for rule_id in sorted(found):
        findings += sorted(found[rule_id], key=_BY_FINGERPRINT)
    findings.sort(key=_BY_SEVERITY, reverse=True)  # what is as severe stays in order
    results.sort(key=_RULE_OF)
    return Judgement(tuple(findings), tuple(results))


class _Recent:
    """The settings that were put in order last: most organizations have the same."""

    pair: tuple[object, Sequence[RuleSetting]] = (None, ())


def _order(settings: Iterable[RuleSetting]) -> Sequence[RuleSetting]:
    """Return the rules that are on, those that combine others' verdicts last."""
    recent, ordered = _Recent.pair
    if recent is not settings:
        on = [one for one in settings if one.enabled and (one.rule.judge or one.rule.combine)]
        ordered = sorted(on, key=_combines)
        _Recent.pair = (settings if isinstance(settings, tuple) else None, ordered)
    return ordered


def _combines(setting: RuleSetting) -> bool:
    return setting.rule.judge is None


def make_findings(
    snapshot: Snapshot,
    setting: RuleSetting,
    hits: Sequence[Hit],
    *,
    own_keys: frozenset[UUID] = frozenset(),
) -> list[Finding]:
    """Make findings of what a rule found, graded as the policy says."""
    rule, organization_id = setting.rule, snapshot.subject.organization_id
    identify = start_fingerprint(rule.id, organization_id)
    own_suffix, usual = snapshot.own_suffix, setting.grade(None)
    findings: list[Finding] = []
    last = shown = ""
    for hit in hits:
        key, message, what = hit.key, hit.message, hit.about
        if message is not last:  # keys with the same roles have the very same message
            last, shown = message, message if _is_fit(message) else one_line(message, MAX_MESSAGE)
        if key is not None:
            what = f"{format_uuid(key.id)}\x1f{what}" if what else format_uuid(key.id)
        finding = _open()
        finding.rule = rule.id
        finding.title = rule.title
        finding.severity = usual if hit.severity is None else setting.grade(hit.severity)
        finding.organization_id = organization_id
        finding.message = shown
        finding.fingerprint = identify(what)
        finding.key = key
        finding.is_own_key = key is not None and (
            (key.suffix == own_suffix and own_suffix != "") or (bool(own_keys) and key.id in own_keys)
        )
        finding.suppressed = None
        finding.__class__ = Finding
        findings.append(finding)
    return findings


def _is_fit(message: str) -> bool:
    return len(message) <= MAX_MESSAGE and message.isprintable()


_make_result = lru_cache(maxsize=4096)(RuleResult)  # organizations are alike


def _count(setting: RuleSetting, verdict: Verdict, units: int) -> RuleResult:
    if setting.rule.scope is _OF_KEYS:
        failed = len({id(hit.key) for hit in verdict.hits}) if verdict.hits else 0
    else:
        failed = 1 if verdict.hits else 0
    skipped = verdict.not_evaluated
    if not failed and not skipped:
        return _make_result(setting.rule.id, units)
    reason = verdict.reason if skipped and verdict.reason else None
    if reason is not None and not _is_fit(reason):
        reason = one_line(reason, MAX_MESSAGE)
    return _make_result(setting.rule.id, max(0, units - failed - skipped), failed, skipped, reason)


def mute(findings: tuple[Finding, ...], suppressor: Suppressor) -> tuple[Finding, ...]:
    """Return the findings, those that are suppressed marked as such; the very same where none is."""
    if not suppressor.is_needed or not any(
        suppressor.mutes(one) for one in {finding.organization_id for finding in findings}
    ):
        return findings
    reasons = [suppressor.find(finding) for finding in findings]
    return tuple(
        finding if reason is None else evolve(finding, suppressed=reason)
        for finding, reason in zip(findings, reasons, strict=True)
    )


def by_weight(finding: Finding) -> tuple[int, str, str]:
    """Order findings: the worst first, then by rule and fingerprint."""
    return -finding.severity, finding.rule, finding.fingerprint


def _tell(error: Exception) -> str:
    """Say what a rule raised and where; not its words, which may hold what is not to be shown."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"the rule raised {type(error).__name__}{where}"
