"""What a reading looked for: a finding that nobody looked for is neither fixed nor new."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias
from uuid import UUID

from attrs import evolve, field, frozen

from accesskeys_async.audit.history.enrichment import UNREADABLE_RULE
from accesskeys_async.audit.policies.policy import RuleSetting
from accesskeys_async.audit.records import OrganizationAudit, RuleResult, Snapshot
from accesskeys_async.audit.rules.changes import JUDGES
from accesskeys_async.audit.rules.key_changes import Changes
from accesskeys_async.audit.run.evaluation import judge
from accesskeys_async.records import AccessKey

CanEvaluateKey: TypeAlias = Callable[[str, AccessKey], bool]
"""Tells whether a rule could judge one key."""

_OF_CHANGES: Final = frozenset((*JUDGES, UNREADABLE_RULE))
"""Rules whose findings are about the time since the last reading: they are new whenever they are found."""


@frozen
class EvaluatedRules:
    """Which rules judged an organization, and which of its keys."""

    rules: frozenset[str]
    """Those that judged anything, or had nothing to judge; and each that is on about changes."""
    partial: frozenset[str]
    """Those of them that could not judge every key."""
    _keys: dict[UUID, AccessKey] = field(repr=False)
    _can_evaluate_key: CanEvaluateKey | None = field(repr=False)

    @classmethod
    def of(cls, audited: OrganizationAudit, can_evaluate_key: CanEvaluateKey | None) -> EvaluatedRules:
        """Take it from what the rules said of an organization."""
        done = {result.rule for result in audited.results if _judged_any(result)}
        return cls(
            frozenset(done | {result.rule for result in audited.results if result.rule in _OF_CHANGES}),
            frozenset(result.rule for result in audited.results if is_partial(result)),
            {key.id: key for key in audited.keys},
            can_evaluate_key,
        )

    def resolves(self, rule: str, key_id: UUID | None) -> bool:
        """Tell whether an earlier finding that is not there now is known to be gone."""
        key = None if key_id is None else self._keys.get(key_id)
        if key is None and key_id is not None:
            return True  # with its key
        if rule not in self.rules:
            return False
        if rule not in self.partial or key is None:
            return True
        return self._can_evaluate_key is not None and self._can_evaluate_key(rule, key)


def is_partial(result: RuleResult) -> bool:
    """Tell whether a rule could judge some keys and others not."""
    return result.not_evaluated > 0 and _judged_any(result)


def _judged_any(result: RuleResult) -> bool:
    return not result.not_evaluated or result.passed > 0 or result.failed > 0


def make_key_check(
    snapshot: Snapshot, settings: Iterable[RuleSetting], changes: Changes | None
) -> CanEvaluateKey:
    """Return what asks a rule again, about one key alone: a rule says only how many it could not judge."""
    is_on = {setting.rule.id: setting for setting in settings if setting.is_on}

    def can_evaluate_key(rule: str, key: AccessKey) -> bool:
        if rule not in is_on:
            return False
        narrow = evolve(snapshot, keys=(key,))
        if rule in JUDGES:
            return changes is not None and not _narrow(changes, narrow, rule, is_on[rule])
        # A rule that combines what others say needs them all.
        asked = is_on.values() if is_on[rule].rule.combine is not None else [is_on[rule]]
        return all(one.not_evaluated == 0 for one in judge(narrow, asked).results if one.rule == rule)

    return can_evaluate_key


def _narrow(changes: Changes, now: Snapshot, rule: str, setting: RuleSetting) -> int:
    """Return how many of the one key of `now` a rule about changes can't judge."""
    [key] = now.keys
    of_key = evolve(
        changes,
        now=now,
        appeared=tuple(one for one in changes.appeared if one.id == key.id),
        gone=(),
        changed=tuple(pair for pair in changes.changed if pair[1].id == key.id),
    )
    return JUDGES[rule](of_key, setting.parameters).not_evaluated
