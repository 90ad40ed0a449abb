"""What a report says beside the findings."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Self
from uuid import UUID

from attrs import evolve, frozen

from accesskeys_async.audit.policies.policy import Policy
from accesskeys_async.audit.records import Severity, Subject
from accesskeys_async.audit.rules.rule import Rule

_NO_ONE: Final = Subject(UUID(int=0))


@frozen
class TrendPoint:
    """What an earlier audit came to."""

    taken_at: datetime
    by_severity: tuple[tuple[Severity, int], ...]
    coverage: float = 1.0


@frozen(kw_only=True)
class Background:
    """What a report shows and an audit does not say: its rules in words, its lines, its past."""

    rules: tuple[Rule, ...] = ()
    """Described in SARIF and the HTML report; a finding of a rule that is not here still counts."""
    rotation_days: float = 90
    """Where the age histogram has its line."""
    idle_days: float = 45
    """Where the idle-time histogram has its line."""
    trend: tuple[TrendPoint, ...] = ()
    """Earlier audits, oldest first."""
    title: str = "Access key audit"

    @classmethod
    def of(cls, policy: Policy, *, trend: tuple[TrendPoint, ...] = ()) -> Self:
        """Take the rules and the lines of a policy, its overrides aside."""
        settings = {setting.rule.id: setting for setting in evolve(policy, overrides=()).settle(_NO_ONE)}
        return cls(
            rules=tuple(setting.described for setting in settings.values()),
            rotation_days=settings["AK003"].parameters.number("max_age_days"),
            idle_days=settings["AK001"].parameters.number("max_idle_days"),
            trend=trend,
        )
