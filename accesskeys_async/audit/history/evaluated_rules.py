"""The rules that a reading evaluated. A finding of a rule that was not evaluated is neither fixed nor new."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias
from uuid import UUID

from attrs import evolve, field, frozen

from accesskeys_async.audit.history.enrichment import UNREADABLE_RULE
from accesskeys_async.audit.policies.policy import RuleSetting
from accesskeys_async.audit.records import OrganizationAudit, RuleResult
from accesskeys_async.audit.rules.changes import JUDGES
from accesskeys_async.audit.rules.key_changes import Changes
from accesskeys_async.audit.rules.snapshot import Snapshot
from accesskeys_async.audit.run.evaluation import judge
from accesskeys_async.records import AccessKey

CanEvaluateKey: TypeAlias = Callable[[str, AccessKey], bool]
"""Returns whether a rule could evaluate one key."""

_OF_CHANGES: Final = frozenset((*JUDGES, UNREADABLE_RULE))
"""Rules about the time since the last reading. Their findings are always new."""


@frozen
class EvaluatedRules:
    """The rules that were evaluated for an organization, and for which of its keys."""

    rules: frozenset[str]
    """Rules that evaluated at least one key or had none to evaluate, and all enabled rules about changes."""
    partial: frozenset[str]
    """Rules that could not evaluate every key."""
    _keys: dict[UUID, AccessKey] = field(repr=False)
    _can_evaluate_key: CanEvaluateKey | None = field(repr=False)

    @classmethod
    def of(cls, audited: OrganizationAudit, can_evaluate_key: CanEvaluateKey | None) -> EvaluatedRules:
        """Return the evaluated rules of an organization's result."""
        done = {result.rule for result in audited.results if _evaluated_any(result)}
        return cls(
            frozenset(done | {result.rule for result in audited.results if result.rule in _OF_CHANGES}),
            frozenset(result.rule for result in audited.results if is_partial(result)),
            {key.id: key for key in audited.keys},
            can_evaluate_key,
        )

    def resolves(self, rule: str, key_id: UUID | None) -> bool:
        """Return whether an earlier finding that is missing now is known to be fixed."""
        key = None if key_id is None else self._keys.get(key_id)
        if key is None and key_id is not None:
            return True  # the key was deleted
        if rule not in self.rules:
            return False
        if rule not in self.partial or key is None:
            return True
        return self._can_evaluate_key is not None and self._can_evaluate_key(rule, key)


def is_partial(result: RuleResult) -> bool:
    """Return whether a rule could evaluate some keys but not all."""
    return result.not_evaluated > 0 and _evaluated_any(result)


def _evaluated_any(result: RuleResult) -> bool:
    return not result.not_evaluated or result.passed > 0 or result.failed > 0


def make_key_check(
    snapshot: Snapshot, settings: Iterable[RuleSetting], changes: Changes | None
) -> CanEvaluateKey:
    """Return a function that evaluates a rule for one key: results only count the keys not evaluated."""
    enabled = {setting.rule.id: setting for setting in settings if setting.enabled}

    def can_evaluate_key(rule: str, key: AccessKey) -> bool:
        if rule not in enabled:
            return False
        narrow = evolve(snapshot, keys=(key,))
        if rule in JUDGES:
            return changes is not None and not _count_not_evaluated(changes, narrow, rule, enabled[rule])
        # A rule that combines the outcomes of others needs them all.
        needed = enabled.values() if enabled[rule].rule.combine is not None else [enabled[rule]]
        return all(one.not_evaluated == 0 for one in judge(narrow, needed).results if one.rule == rule)

    return can_evaluate_key


def _count_not_evaluated(changes: Changes, now: Snapshot, rule: str, setting: RuleSetting) -> int:
    """Return how many keys a rule about changes could not evaluate, 0 or 1, of the one key of `now`."""
    [key] = now.keys
    of_key = evolve(
        changes,
        now=now,
        appeared=tuple(one for one in changes.appeared if one.id == key.id),
        gone=(),
        changed=tuple(pair for pair in changes.changed if pair[1].id == key.id),
    )
    return JUDGES[rule](of_key, setting.parameters).not_evaluated
