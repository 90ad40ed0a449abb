"""What a report shows besides the results of the audit: the rules in words, the limits, earlier audits."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Self
from uuid import UUID

from attrs import evolve, frozen

from accesskeys_async.audit.policies.policy import Policy
from accesskeys_async.audit.records import Severity, Subject
from accesskeys_async.audit.rules.rule import Rule

_NO_ORGANIZATION: Final = Subject(UUID(int=0))


@frozen
class TrendPoint:
    """The result of an earlier audit, for the trend chart of a report."""

    taken_at: datetime
    """The start of that audit."""
    by_severity: tuple[tuple[Severity, int], ...]
    """The number of findings of each severity, without suppressed ones."""
    coverage: float = 1.0
    """The share of organizations that were read completely, from 0 to 1."""


@frozen(kw_only=True)
class ReportContext:
    """What a report shows besides the results of the audit.

    Example:
        >>> context = ReportContext.of(load_policy("policy.toml"))
        >>> await write_reports(audit(client, ids, policy), "keys.html", context=context)
    """

    rules: tuple[Rule, ...] = ()
    """Rules that SARIF, HTML and Markdown reports describe. Findings of other rules are reported as well."""
    rotation_days: float = 90
    """Maximum age of a key in days, drawn as a line in the chart of ages."""
    idle_days: float = 45
    """Maximum days without use; longer times are highlighted in the chart of idle times."""
    trend: tuple[TrendPoint, ...] = ()
    """Results of earlier audits, oldest first. Without any, the HTML report has no trend chart."""
    title: str = "Access key audit"
    """Heading of the report."""

    @classmethod
    def of(cls, policy: Policy, *, trend: tuple[TrendPoint, ...] = ()) -> Self:
        """Return the context of a policy. Overrides for some organizations are ignored.

        Args:
            policy: The policy of the audit. Its rules are described with the values of their parameters.
            trend: Results of earlier audits, oldest first.

        Returns:
            A context with the rules of the policy and the limits of AK001 and AK003.
        """
        without_overrides = evolve(policy, overrides=())
        settings = {setting.rule.id: setting for setting in without_overrides.settle(_NO_ORGANIZATION)}
        return cls(
            rules=tuple(setting.described for setting in settings.values()),
            rotation_days=settings["AK003"].parameters.number("max_age_days"),
            idle_days=settings["AK001"].parameters.number("max_idle_days"),
            trend=trend,
        )


def list_rule_texts(rule: Rule) -> list[str]:
    """Return when a rule reports a finding, how to fix it, and which findings may be harmless."""
    texts = {"": rule.condition, "To fix: ": rule.remedy, "May be harmless: ": rule.false_positives}
    return [f"{label}{text}" for label, text in texts.items() if text]
