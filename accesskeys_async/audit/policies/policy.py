"""What an organization wants of its keys: which rules, how strict, and what is excused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Final
from uuid import UUID

from attrs import evolve, field, frozen

from accesskeys_async.audit.policies.suppressions import Suppression
from accesskeys_async.audit.records import Severity, Subject
from accesskeys_async.audit.rules.parameters import Parameters, Value
from accesskeys_async.audit.rules.registry import Registry, find_rules
from accesskeys_async.audit.rules.rule import Rule

SLA_DAYS: Final[Mapping[Severity, int]] = {
    Severity.CRITICAL: 7,
    Severity.HIGH: 30,
    Severity.MEDIUM: 90,
    Severity.LOW: 180,
}
"""Days to fix a finding in, unless the policy says otherwise; info has none."""


@frozen
class RuleChange:
    """What a policy says of a rule; None and what is not in `parameters` stay as they were."""

    enabled: bool | None = None
    severity: Severity | None = None
    parameters: Mapping[str, Value] = field(factory=dict)


@frozen
class Override:
    """Changes for some organizations: those with one of the labels, and those that are named."""

    labels: frozenset[str] = frozenset()
    organizations: frozenset[UUID] = frozenset()
    rules: Mapping[str, RuleChange] = field(factory=dict)

    def fits(self, subject: Subject) -> bool:
        """Tell whether it is for this organization."""
        return subject.organization_id in self.organizations or not self.labels.isdisjoint(subject.labels)


@frozen
class RuleSetting:
    """A rule as it judges one organization."""

    rule: Rule
    enabled: bool
    severity: Severity
    parameters: Parameters

    def change(self, change: RuleChange) -> RuleSetting:
        """Return the setting with what the change names."""
        return evolve(
            self,
            enabled=self.enabled if change.enabled is None else change.enabled,
            severity=self.severity if change.severity is None else change.severity,
            parameters=Parameters({**self.parameters, **change.parameters}),
        )

    @property
    def described(self) -> Rule:
        """The rule with the numbers of this setting in its texts."""
        return self.rule.describe(self.parameters)

    def grade(self, severity: Severity | None) -> Severity:
        """Return the severity of a hit: the rule's, moved by as many steps as the hit is off the default."""
        if severity is None or self.severity is self.rule.severity:
            return self.severity if severity is None else severity
        return Severity(max(0, min(Severity.CRITICAL, self.severity + severity - self.rule.severity)))


@frozen(kw_only=True, slots=False)  # its hash is kept in it
class Policy:
    """Rules and how they are set. Without arguments: every rule as it is by default.

    Later overrides go over earlier ones, and an inventory's own over all of them.
    """

    registry: Registry = field(factory=find_rules, repr=False)
    rules: Mapping[str, RuleChange] = field(factory=dict)
    overrides: tuple[Override, ...] = ()
    own_keys: frozenset[UUID] = frozenset()
    """Keys of the auditor's own, beside the one whose token it uses; never offered for deletion."""
    sla_days: Mapping[Severity, int] = SLA_DAYS
    """Days to fix a finding in; a severity that is not there has no end."""
    suppressions: tuple[Suppression, ...] = ()
    _settings: dict[object, tuple[RuleSetting, ...]] = field(init=False, factory=dict, repr=False, eq=False)

    @cached_property
    def hash(self) -> str:
        """32 hexadecimal characters that stand for all of it, the defaults included."""
        content = json.dumps(self._describe(), sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(content.encode(errors="surrogatepass"), digest_size=16).hexdigest()

    def settle(
        self, subject: Subject, changes: Mapping[str, RuleChange] | None = None
    ) -> tuple[RuleSetting, ...]:
        """Return every rule's setting for an organization, in the order of ids.

        `changes` are an inventory's own.
        """
        fitting = tuple(place for place, one in enumerate(self.overrides) if one.fits(subject))
        if not changes and fitting in self._settings:
            return self._settings[fitting]
        layers = [self.rules, *(self.overrides[place].rules for place in fitting), changes or {}]
        settled = self._apply(*layers)
        if not changes:
            self._settings[fitting] = settled
        return settled

    def _apply(self, *layers: Mapping[str, RuleChange]) -> tuple[RuleSetting, ...]:
        settings: list[RuleSetting] = []
        for rule in self.registry.values():
            setting = RuleSetting(rule, rule.enabled, rule.severity, rule.defaults)
            for layer in layers:
                if rule.id in layer:
                    setting = setting.change(layer[rule.id])
            settings.append(setting)
        return tuple(settings)

    def _describe(self) -> dict[str, object]:
        return {
            "rules": {
                setting.rule.id: [setting.enabled, setting.severity, dict(setting.parameters)]
                for setting in self._apply(self.rules)
            },
            "files": self.registry.digest,
            "overrides": [
                [sorted(one.labels), sorted(map(str, one.organizations)), _describe_changes(one.rules)]
                for one in self.overrides
            ],
            "own_keys": sorted(map(str, self.own_keys)),
            "sla_days": {severity.name: days for severity, days in self.sla_days.items()},
            "suppressions": [
                [one.rule, one.key, one.organization, one.reason, one.owner, one.expires.isoformat()]
                for one in self.suppressions
            ],
        }


def _describe_changes(changes: Mapping[str, RuleChange]) -> dict[str, object]:
    return {
        rule_id: [change.enabled, change.severity, dict(change.parameters)]
        for rule_id, change in changes.items()
    }
