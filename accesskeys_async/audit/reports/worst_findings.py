"""What a report for people keeps of an audit while it goes by: counts, and the worst of everything."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterable
from typing import Final

from attrs import define, field, frozen

from accesskeys_async.audit.records import Finding, OrganizationAudit, Severity, Subject, Summary

WORST_FIRST: Final = tuple(sorted(Severity, reverse=True))


@frozen
class OrganizationCount:
    """How many findings that count an organization has."""

    subject: Subject
    keys: int
    by_severity: tuple[int, ...]
    """In the order of `WORST_FIRST`."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_severity)


@define
class WorstFindings:
    """Keep counts of all, the worst `findings` and the worst `organizations`; the rest is let go.

    Findings of one severity are kept of as many rules as there is room for, of each the first that came.
    """

    _findings: int
    _organizations: int
    rules: dict[str, list[int]] = field(factory=dict, init=False)
    """How many findings that count a rule has of each severity, which is the index."""
    titles: dict[str, str] = field(factory=dict, init=False)
    """The title of each rule that found something."""
    suppressed: list[Finding] = field(factory=list, init=False)
    """The first suppressed findings."""
    seen: int = field(default=0, init=False)
    """How many organizations were read."""
    with_findings: int = field(default=0, init=False)
    """How many of them have findings that count."""
    _kept: list[dict[str, list[Finding]]] = field(init=False)
    """Findings by rule, for each severity, which is the index."""
    _free_slots: list[int] = field(init=False)
    _worst: list[tuple[tuple[int, ...], int, OrganizationCount]] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._kept = [{} for _ in Severity]
        self._free_slots = [self._findings] * len(Severity)

    def add(self, audit: OrganizationAudit) -> None:
        """Count an organization."""
        counts = self.add_findings(audit.findings)
        if audit.unreadable is not None:
            return
        self.seen += 1
        by_severity = tuple(reversed(counts))
        if not any(by_severity):
            return
        self.with_findings += 1
        entry = (by_severity, -self.seen, OrganizationCount(audit.subject, len(audit.keys), by_severity))
        if len(self._worst) < self._organizations:
            heapq.heappush(self._worst, entry)
        else:
            heapq.heappushpop(self._worst, entry)

    def add_findings(self, findings: Iterable[Finding]) -> list[int]:
        """Count findings, and return how many of each severity count."""
        # A severity is an index here: as a key, an enumeration's member is hashed in Python.
        counts = [0] * len(Severity)
        for finding in findings:
            if finding.suppressed is not None:
                if len(self.suppressed) < self._findings:
                    self.suppressed.append(finding)
                continue
            severity = finding.severity
            by_rule = self.rules.get(finding.rule)
            if by_rule is None:
                by_rule = self.rules[finding.rule] = [0] * len(Severity)
                self.titles[finding.rule] = finding.title
            by_rule[severity] += 1
            counts[severity] += 1
            kept = self._kept[severity]
            of_rule = kept.get(finding.rule)
            if of_rule is None:
                of_rule = kept[finding.rule] = []
            if self._free_slots[severity]:
                self._free_slots[severity] -= 1
                of_rule.append(finding)
            elif len(of_rule) < self._findings // len(kept):
                self._displace(of_rule, finding)
        return counts

    def _displace(self, of_rule: list[Finding], finding: Finding) -> None:
        """Keep a finding in place of one of the rule that has most of them."""
        longest = max(self._kept[finding.severity].values(), key=len)
        if len(longest) > len(of_rule) + 1:
            longest.pop()
            of_rule.append(finding)

    def worst_findings(self) -> list[Finding]:
        """Return the findings that were kept, worst first; of one severity, the rules take turns."""
        turns: list[Iterable[Finding | None]] = []
        for severity in WORST_FIRST:
            by_rule = self._kept[severity]
            turns += itertools.zip_longest(*(by_rule[rule] for rule in sorted(by_rule)))
        kept = (finding for turn in turns for finding in turn if finding is not None)
        return list(itertools.islice(kept, self._findings))

    def worst_organizations(self) -> list[OrganizationCount]:
        """Return the organizations that were kept, worst first; one without findings is not among them."""
        return [count for _, _, count in sorted(self._worst, reverse=True)]

    def rule_counts(self, summary: Summary) -> list[tuple[str, tuple[int, ...]]]:
        """Return each rule that ran or found with its findings by severity, most severe first."""
        none = [0] * len(Severity)
        rules = dict.fromkeys([*(result.rule for result in summary.by_rule), *self.rules])
        counted = [(rule, tuple(reversed(self.rules.get(rule, none)))) for rule in rules]
        return sorted(counted, key=lambda entry: (tuple(-count for count in entry[1]), entry[0]))


def show_share(share: float) -> str:
    """Write a share in per cent, rounded down, so that nothing but all of it is 100 %."""
    return f"{math.floor(round(share * 1000, 6)) / 10:.1f}%"
